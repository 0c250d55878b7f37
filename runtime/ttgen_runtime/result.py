"""What a run found, as JSON (one file per kernel) and as JUnit XML (one file for many)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias
from xml.etree import ElementTree

import msgspec

from ttgen.errors import DeviceError, Location
from ttgen.files import write_atomically

#: ``failed``: it ran and the values are wrong; ``error``: it could not be run to its end.
Status: TypeAlias = Literal["passed", "failed", "error"]


class OutputFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One output against its reference; None where a figure has no meaning."""

    name: str
    passed: bool
    pcc: float | None
    relative_error: float | None
    max_abs_error: float | None
    not_finite: int
    problem: str | None


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kernel on one device.

    ``cores`` that had work; ``seconds`` of wall time for the program alone, its first compilation
    included; ``cycles`` as the simulator models them, None where it was not asked.
    """

    kernel: str
    arch: str
    device: str
    status: Status
    message: str
    cores: int
    seconds: float
    cycles: int | None
    outputs: tuple[OutputFigures, ...]

    @property
    def passed(self) -> bool:
        """Whether the kernel ran and every value was right."""
        return self.status == "passed"


#: Made here, at import: msgspec 0.22 crashes where two threads look at a type for the first time.
_DECODER = msgspec.json.Decoder(Result)


def encode(result: Result) -> str:
    """The result as JSON text, its keys in the order of the fields."""
    return json.dumps(msgspec.to_builtins(result), indent=2, ensure_ascii=False) + "\n"


def save(result: Result, path: Path) -> None:
    """Write the result; the file is whole or not there."""
    write_atomically(path, encode(result))


def load(path: Path) -> Result:
    """Read a result back; DeviceError when it is not one."""
    try:
        return _DECODER.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError) as error:
        raise DeviceError(f"not a result: {error}", at=Location(str(path))) from None


def summary(result: Result) -> str:
    """One line for people."""
    what = f"{result.arch} {result.kernel}: {result.status}"
    if not result.outputs:
        first = result.message.splitlines()[0] if result.message else ""
        return f"{what}: {first}" if first else what
    figures = " ".join(_figures(output) for output in result.outputs)
    cycles = f" {result.cycles} cycles" if result.cycles is not None else ""
    return f"{what} {figures} cores={result.cores} {result.seconds:.2f}s{cycles}"


def _figures(output: OutputFigures) -> str:
    if output.relative_error is None:
        return f"{output.name}: {output.problem}"
    correlation = "-" if output.pcc is None else f"{output.pcc:.6f}"
    return f"{output.name}: pcc={correlation} rel={output.relative_error:.6f}"


def write_junit(results: Sequence[Result], path: Path, *, suite: str = "ttgen") -> None:
    """Write JUnit XML: a test case per result, its class name ``<arch>.<device>``."""
    counts = {status: sum(r.status == status for r in results) for status in ("failed", "error")}
    root = ElementTree.Element("testsuites")
    element = ElementTree.SubElement(
        root,
        "testsuite",
        name=suite,
        tests=str(len(results)),
        failures=str(counts["failed"]),
        errors=str(counts["error"]),
        time=f"{sum(r.seconds for r in results):.3f}",
    )
    for result in results:
        _add_case(element, result)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    write_atomically(path, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n')


def _add_case(suite: ElementTree.Element, result: Result) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        name=result.kernel,
        classname=f"{result.arch}.{_printable(result.device)}",
        time=f"{result.seconds:.3f}",
    )
    if result.passed:
        return
    tag = "failure" if result.status == "failed" else "error"
    message = _printable(result.message)
    first = message.splitlines()[0] if message else result.status
    ElementTree.SubElement(case, tag, message=first).text = message


def _printable(text: str) -> str:
    """``text`` without the characters that XML 1.0 cannot hold."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
