"""The circular buffers of a nest: what each holds, and whether they fit into L1."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from tvm.tirx import PrimFunc

from ttgen.arch import architecture
from ttgen.errors import LoweringError
from ttgen.formats import FORMATS, nearest_bf16, working_format
from ttgen.passes import attrs
from ttgen.passes.persistent.blocks import Blocks
from ttgen.passes.persistent.stages import Nest, Stage

_ASKED_BY = "GridToPersistentTT"


def circular_buffers(
    func: PrimFunc, parts: Sequence[tuple[Nest, Blocks]], scratch: Mapping[str, str]
) -> list[dict[str, Any]]:
    """One per operand, temporary, constant and output, in the order in which they are used.

    ``scratch``: what :func:`scratch_buffers` gives. LoweringError naming them where they do not
    fit into L1.
    """
    layouts = attrs.require(func, attrs.LAYOUT_DESC, _ASKED_BY)
    found: dict[str, dict[str, Any]] = {}
    outputs: dict[str, dict[str, Any]] = {}
    for nest, blocks in parts:
        found |= _operands(layouts, nest, blocks)
        pages = blocks.output * blocks.buffering
        output = nest.output
        outputs[output.buffer] = _buffer(
            output.buffer, "output", layouts[output.name], pages, output.name
        )
    read = {buffer["tensor"] for buffer in found.values()}
    for tensor, name in scratch.items():
        if tensor in read:
            found[name] = _buffer(name, "intermediate", layouts[tensor], 1)
    config = attrs.require(func, attrs.COMPUTE_CONFIG, _ASKED_BY)
    stages = [stage for nest, _ in parts for stage in nest.stages]
    is_wide = bool(config["fp32_dest_acc"])
    buffers = [
        {**buffer, "unpack_to_dst": is_wide and _is_only_copied(buffer, stages)}
        for buffer in (found | outputs).values()
    ]
    _check_l1(func, layouts, buffers)
    return buffers


def _operands(layouts: dict[str, Any], nest: Nest, blocks: Blocks) -> dict[str, dict[str, Any]]:
    """All that a nest needs besides its output."""
    working = working_format(layout["dtype"] for layout in layouts.values())
    between = {"dtype": working.name}
    found: dict[str, dict[str, Any]] = {}
    for stage in nest.stages:
        for operand in (o for step in stage.steps for o in step.operands):
            if operand.kind == "tensor":
                pages = blocks.of(stage, operand) * blocks.buffering
                found[operand.buffer] = _buffer(
                    operand.buffer, "input", layouts[operand.name], pages, operand.name
                )
            elif operand.kind == "constant":
                pages = len(nest.const_tiles[operand.buffer])
                found[operand.buffer] = _buffer(operand.buffer, "intermediate", between, pages)
        if stage.target.kind == "temporary":
            pages = blocks.made_by(stage)
            made = stage.target.buffer
            found[made] = _buffer(made, "intermediate", between, pages)
    return found


def scratch_buffers(layouts: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """For each tensor whose pages are rows: the buffer that rows pass on their way to a tile."""
    found: dict[str, str] = {}
    for tensor, layout in layouts.items():
        if layout["page"] == "row":
            name = f"{layout['dtype']}_rows"
            while name in layouts:
                name += "_"
            found[tensor] = name
    return found


def _is_only_copied(buffer: Mapping[str, Any], stages: Sequence[Stage]) -> bool:
    """Whether values of 32 bits go to DST as they are: then they need not lose any on the way."""
    uses = {
        step.math.name
        for stage in stages
        for step in stage.steps
        if buffer["name"] in {operand.buffer for operand in step.operands}
    }
    return uses == {"copy"} and FORMATS[buffer["dtype"]].is_wide


def _buffer(
    name: str, role: str, layout: Mapping[str, Any], pages: int, tensor: str | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "tensor": tensor,
        "role": role,
        "dtype": layout["dtype"],
        "page_bytes": FORMATS[layout["dtype"]].tile_bytes,
        "pages": pages,
    }


def _check_l1(
    func: PrimFunc, layouts: Mapping[str, Mapping[str, Any]], buffers: list[dict[str, Any]]
) -> None:
    arch = architecture(attrs.require(func, attrs.ARCH, _ASKED_BY))
    sizes = {buffer["name"]: buffer["page_bytes"] * buffer["pages"] for buffer in buffers}
    held = {name: desc["l1_bytes"] for name, desc in layouts.items() if desc["l1_bytes"]}
    used = sum(sizes.values()) + sum(held.values())
    if used > arch.l1_bytes:
        inner = sum(sizes[b["name"]] for b in buffers if b["role"] == "intermediate")
        hint = "lower block_tiles or buffering"
        if 2 * inner > used:
            hint = (
                "a reduction waits in L1 for all that it runs over: "
                "write that to a tensor, in a kernel of its own"
            )
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        tensors = ", ".join(f"{name} {size}" for name, size in held.items())
        raise LoweringError(
            f"the circular buffers take {sum(sizes.values())} bytes of L1 ({listed})"
            + (f", tensors {sum(held.values())} ({tensors})" if held else "")
            + f"; {arch.name} has {arch.l1_bytes}",
            at=attrs.kernel_place(func),
            hint=hint + (", or cut the tensors into more shards" if held else ""),
        )


def fill_word(value: float, dtype: str) -> int:
    """32 bits of a page that holds ``value`` everywhere, in the format ``dtype``."""
    if FORMATS[dtype].kind == "integer":
        return int(value) & 0xFFFFFFFF
    is_bf16 = FORMATS[dtype].name == "bf16"
    stored = nearest_bf16(value) if is_bf16 else value
    bits = int(struct.unpack("<I", struct.pack("<f", stored))[0])
    return bits | bits >> 16 if is_bf16 else bits
