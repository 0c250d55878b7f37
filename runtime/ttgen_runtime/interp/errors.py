"""What programs do that a core would not survive, or would answer with garbage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttgen.errors import Location, ProgramError

__all__ = ["Deadlock", "Misuse", "ProgramError", "Wait", "check", "location"]


class Misuse(Exception):
    """An operation that cannot be done; the core adds which one, and where it comes from."""


def check(condition: bool, message: str) -> None:
    """Raise Misuse with ``message`` unless ``condition``."""
    if not condition:
        raise Misuse(message)


def location(at: str) -> Location:
    """The place that a plan gives as ``path:line:column``."""
    path, *numbers = at.rsplit(":", 2)
    if len(numbers) == 2 and all(number.isdigit() for number in numbers):
        return Location(path, int(numbers[0]), int(numbers[1]))
    return Location(at)


@dataclass(frozen=True)
class Wait:
    """Why an operation cannot go on: pages of ``buffer`` that it wants, and that there are."""

    buffer: str
    wanted: int
    available: int
    kind: str

    def __str__(self) -> str:
        return f"wants {self.wanted} {self.kind} pages of '{self.buffer}', {self.available} are"


@dataclass(frozen=True)
class Blocked:
    """A program of a core that waits, at an operation of the plan."""

    program: str
    op: str
    wait: Wait
    at: Location

    def __str__(self) -> str:
        return f"{self.program}: {self.op} at {self.at} {self.wait}"


class Deadlock(ProgramError):
    """A core's programs wait for each other, or for one that has ended."""

    def __init__(
        self, core: tuple[int, int], blocked: Sequence[Blocked], ended: Sequence[str]
    ) -> None:
        self.core = core
        self.blocked = tuple(blocked)
        lines = [str(program) for program in blocked]
        lines += [f"{name}: has ended" for name in ended]
        message = f"core {core}: its programs wait for each other\n  " + "\n  ".join(lines)
        super().__init__(message, at=blocked[0].at)
