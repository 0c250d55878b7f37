"""Errors that a user can act on: where, what was seen, what is wanted, what to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Location:
    """A place in a text file. ``line`` and ``column`` count from 1; 0 means not known."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        numbers = [str(n) for n in (self.line, self.column) if n > 0]
        return ":".join([self.path, *numbers])


class TTError(Exception):
    """Base of every error that ttgen raises on purpose.

    ``message`` says what was seen and what is wanted, ``at`` where, ``hint`` what to do.
    """

    def __init__(
        self, message: str, *, at: Location | None = None, hint: str | None = None
    ) -> None:
        self.message = message
        self.at = at
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        where = f"{self.at}: " if self.at else ""
        todo = f"\n  {self.hint}" if self.hint else ""
        return f"{where}{self.message}{todo}"


class SpecError(TTError):
    """A build spec says something that ttgen does not know or cannot use."""


class SourceError(TTError):
    """A kernel source cannot be loaded, or holds no usable kernel."""


class LoweringError(TTError):
    """A kernel is valid, but it cannot be lowered to the chip."""


class PlanError(TTError):
    """A plan breaks its schema or its semantic rules."""


class TemplateError(TTError):
    """A template is missing, broken, or used with a plan that it is not made for."""


class OutputError(TTError):
    """A file cannot be written: no space, no rights."""


class SdkError(TTError):
    """The tt-metal SDK, a compiler or a simulator is missing or unusable."""


class DeviceError(TTError):
    """A device or simulator failed, died or did not answer in time."""


class ProgramError(TTError):
    """A plan's programs do what a core would not survive, or would answer with garbage."""
