"""Reading and writing ``tt.plan.json``: typed, checked both ways, byte for byte deterministic."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from ttgen.errors import Location, PlanError
from ttgen.files import write_atomically
from ttgen.plan.model import Plan
from ttgen.plan.validate import first_violation
from ttgen.plan.violation import Violation
from ttgen.textpos import locate, parse_msgspec_path, repeated_key

SCHEMA_FILE = Path(__file__).with_name("tt.plan.schema.json")
#: Made here, at import: msgspec 0.22 crashes where two threads look at a type for the first time.
_DECODER = msgspec.json.Decoder(Plan)
_ADVICE = "plans are made by `ttgen plan`; edit the kernel or its spec and make the plan again"


def encode(plan: Plan) -> str:
    """The plan as JSON text: sorted keys, two spaces, one final newline; nothing is checked."""
    return _dump(msgspec.to_builtins(plan)) + "\n"


def save(plan: Plan, path: Path) -> None:
    """Check ``plan`` and write it; PlanError (and no file touched) if it breaks a rule."""
    text = encode(plan)
    _decoded(text, f"{plan.source.path}: plan of kernel '{plan.kernel}'")
    write_atomically(path, text)


def load(path: Path) -> Plan:
    """Read and check a plan; PlanError says file, line and column of what is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PlanError(f"cannot read the plan: {error.strerror}", at=Location(str(path))) from None
    except UnicodeDecodeError as error:
        raise PlanError(f"not UTF-8: {error.reason}", at=Location(str(path))) from None
    return decode(text, str(path))


def decode(text: str, name: str) -> Plan:
    """The plan in ``text``; ``name`` stands for the file in errors."""
    plan = _decoded(text, name)
    if found := repeated_key(text, name):
        key, at = found
        raise PlanError(f"'{key}' is given twice", at=at, hint=_ADVICE)
    return plan


def _decoded(text: str, name: str) -> Plan:
    try:
        plan = _DECODER.decode(text)
    except msgspec.ValidationError as error:
        problem, at = parse_msgspec_path(str(error))
        raise _error(text, name, Violation(at, problem)) from None
    except msgspec.DecodeError as error:
        raise PlanError(f"not JSON: {error}", at=_json_error_place(text, name)) from None
    violation = first_violation(plan)
    if violation is not None:
        raise _error(text, name, violation)
    return plan


def schema() -> str:
    """The JSON Schema of a plan, generated from the types; the text of :data:`SCHEMA_FILE`.

    After a change of the types: ``python -m ttgen.plan.io > ttgen/plan/tt.plan.schema.json``.
    """
    document = msgspec.json.schema(Plan)
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    document["title"] = "tt.plan.json"
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _error(text: str, name: str, violation: Violation) -> PlanError:
    where = ".".join(str(item) for item in violation.path)
    message = f"{where}: {violation.message}" if where else violation.message
    return PlanError(message, at=locate(text, name, violation.path), hint=_ADVICE)


def _json_error_place(text: str, name: str) -> Location:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return Location(name, error.lineno, error.colno)
    return Location(name)


#: What fits into this many characters stays on one line, so that a plan reads well.
_LINE_LIMIT = 96


_scalar = json.JSONEncoder(ensure_ascii=False).encode
_quoted = json.encoder.encode_basestring


def _dump(value: Any, indent: int = 0) -> str:
    """JSON with sorted keys, where what fits stands on one line."""
    kind = type(value)
    if kind is str:
        return _quoted(value)
    if kind is int:
        return repr(value)
    if kind is dict:
        parts = [f"{_quoted(key)}: {_dump(value[key], indent + 2)}" for key in sorted(value)]
        opening, closing = "{", "}"
    elif kind is list or kind is tuple:
        parts = [_dump(item, indent + 2) for item in value]
        opening, closing = "[", "]"
    else:
        return _scalar(value)
    # What is on several lines is longer than a line: so is what it is part of.
    flat = ", ".join(parts)
    if ("\n" not in flat and len(flat) + 2 + indent <= _LINE_LIMIT) or not parts:
        return f"{opening}{flat}{closing}"
    pad = " " * (indent + 2)
    lines = ",\n".join([pad + part for part in parts])
    return f"{opening}\n{lines}\n{' ' * indent}{closing}"


if __name__ == "__main__":
    sys.stdout.write(schema())
