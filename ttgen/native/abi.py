"""C++ views of TVM's IR nodes, generated from the TVM that is installed.

TVM's wheel ships no compiler headers, but its nodes describe themselves: name, offset and size of
each field. A view is a struct with the same layout, through which C++ reads a node without a call.
The compiler proves each offset by a ``static_assert``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

#: The nodes that the passes read, by TVM's type keys. Their ancestors come along.
NODES = (
    "ir.Call",
    "ir.DictAttrs",
    "ir.FloatImm",
    "ir.GlobalVar",
    "ir.IRModule",
    "ir.IntImm",
    "ir.Op",
    "ir.PrimType",
    "ir.Range",
    "ir.SourceName",
    "ir.Span",
    "ir.StringImm",
    "ir.TensorLoad",
    "ir.Var",
    *(
        f"prim.{name}"
        for name in (
            *("Add", "Sub", "Mul", "Div", "FloorDiv", "FloorMod", "Min", "Max"),
            *("EQ", "NE", "LT", "LE", "GT", "GE", "And", "Or", "Not", "Cast", "Select"),
        )
    ),
    "s_tir.SBlock",
    "s_tir.SBlockRealize",
    *(
        f"tirx.{name}"
        for name in (
            *("AllocBuffer", "AttrStmt", "Bind", "BufferStore", "BufferType", "DeclBuffer"),
            *("Evaluate", "For", "IfThenElse", "IterVar", "PrimFunc", "SeqStmt"),
        )
    ),
)

_ROOT = "ffi.Object"
#: Bytes of an object's header, which comes before the fields of every node.
_HEADER_BYTES = 24
_SCALARS = {
    ("int", 4): "int32_t",
    ("int", 8): "int64_t",
    ("bool", 1): "bool",
    ("float", 8): "double",
    ("DataType", 4): "DLDataType",
}


def header(nodes: Iterable[str] = NODES) -> str:
    """The views as the text of a header, in the namespace ``ttgen::tir``.

    LookupError at a node that the installed TVM does not have, ValueError at a field for which
    there is no C++ type.
    """
    infos = _with_ancestors(nodes)
    lines = [
        "// Made from the TVM that is installed: views of its IR nodes.",
        "#pragma once",
        "#include <tvm/ffi/tvm_ffi.h>",
        '#pragma GCC diagnostic ignored "-Winvalid-offsetof"',
        "namespace ttgen::tir {",
        *(f"struct {_name(key)};" for key in sorted(infos)),
    ]
    for info in sorted(infos.values(), key=lambda one: (len(one.type_ancestors), one.type_key)):
        lines += _struct(info, infos)
    return "\n".join([*lines, "}  // namespace ttgen::tir", ""])


def _with_ancestors(nodes: Iterable[str]) -> dict[str, Any]:
    import tvm.s_tir  # noqa: F401  (registers the nodes)
    from tvm_ffi import core

    infos: dict[str, Any] = {}
    for key in nodes:
        try:
            info: Any = core._lookup_or_register_type_info_from_type_key(key)
        except ValueError as error:
            raise LookupError(f"TVM has no node '{key}'") from error
        while info is not None and info.type_key != _ROOT:
            infos[info.type_key] = info
            info = info.parent_type_info
    return infos


def _name(key: str) -> str:
    return key.rpartition(".")[2]


def _struct(info: Any, infos: dict[str, Any]) -> Iterator[str]:
    name, fields = _name(info.type_key), sorted(info.fields, key=lambda field: int(field.offset))
    parent = info.parent_type_info
    base = "::tvm::ffi::Object" if parent.type_key == _ROOT else _name(parent.type_key)
    yield f"struct alignas(8) {name} : public {base} {{"
    depth = len(info.type_ancestors)
    yield f'  TVM_FFI_DECLARE_OBJECT_INFO_LOOKUP("{info.type_key}", {depth});'
    end = _end_of(parent)
    for field in fields:
        alignment = min(field.size, 8)
        if -(-end // alignment) * alignment != field.offset:
            yield f"  char unreflected_{field.offset}[{field.offset - end}];"
        yield f"  {_type(field, infos)} {_field_name(field)};"
        end = field.offset + field.size
    size = getattr(info, "total_size", None)
    if size and -(-end // 8) * 8 != size:
        yield f"  char unreflected_end[{size - end}];"
    yield "};"
    for field in fields:
        yield f"static_assert(offsetof({name}, {_field_name(field)}) == {field.offset});"
    if size:
        yield f"static_assert(sizeof({name}) == {size});"


def _end_of(info: Any) -> int:
    """Where the fields of ``info`` and its ancestors end."""
    end = _HEADER_BYTES
    while info is not None and info.type_key != _ROOT:
        end = max([end, *(field.offset + field.size for field in info.fields)])
        info = info.parent_type_info
    return end


def _field_name(field: Any) -> str:
    return str(field.name).strip("_") + "_" if field.name in ("__dict__", "def") else field.name


def _type(field: Any, infos: dict[str, Any]) -> str:
    schema: Any = field.metadata.get("type_schema") or {}
    schema = json.loads(schema) if isinstance(schema, str) else schema
    kind = schema.get("type", "?")
    if (kind, field.size) in _SCALARS:
        return _SCALARS[kind, field.size]
    if field.size == 16:
        is_text = kind in ("ffi.String", "str")
        return "::tvm::ffi::String" if is_text else "::tvm::ffi::Any"
    if field.size != 8:
        raise ValueError(f"no C++ type for the field '{field.name}' of {field.size} bytes: {kind}")
    if kind == "ffi.Array":
        return "::tvm::ffi::Array<::tvm::ffi::Any>"
    if kind == "ffi.Map":
        return "::tvm::ffi::Map<::tvm::ffi::Any, ::tvm::ffi::Any>"
    if kind == "Optional":
        kind = schema["args"][0]["type"]
    return f"::tvm::ffi::ObjectPtr<{_name(kind) if kind in infos else '::tvm::ffi::Object'}>"
