"""Plans and goldens made by hand, for the kernels in ``data/``."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from ttgen.arch import architecture
from ttgen.formats import FORMATS
from ttgen.ops import PROGRAM_NAMES
from ttgen.plan import model, save

DATA = Path(__file__).with_name("data")
AT = "kernels/matmul.py:1:1"


def matmul_plan(arch: str, m: int, k: int, n: int, cores: int, dtype: str = "bf16") -> model.Plan:
    """A plan for ``data/matmul``, on ``cores`` cores from the left, x running fastest."""
    mt, kt, nt = m // 32, k // 32, n // 32
    work = split(mt * nt, cores, architecture(arch).grid[0])
    constants = (
        model.NamedConstant(name="Kt", value=kt),
        model.NamedConstant(name="Nt", value=nt),
    )
    counts = model.RuntimeArgs(names=("count",), values=tuple((w.count,) for w in work))
    return _plan(
        "matmul",
        arch,
        tensors=(
            tensor("a", "input", (m, k), dtype),
            tensor("b", "input", (k, n), dtype),
            tensor("c", "output", (m, n), dtype),
        ),
        buffers=("a", "b", "c"),
        partition=model.Partition(
            mode="global", tile_order="row_major", tiles=(mt, nt), len_k=kt, cores=work
        ),
        programs=model.Programs(
            reader=model.Program(
                tensors=("a", "b"), constants=constants, runtime_args=_starts(work), body=_reader()
            ),
            compute=model.Program(
                tensors=(), constants=constants[:1], runtime_args=counts, body=_compute()
            ),
            writer=model.Program(
                tensors=("c",), constants=(), runtime_args=_starts(work), body=_writer()
            ),
        ),
    )


def copy_plan(arch: str, shape: tuple[int, ...], cores: int, dtype: str) -> model.Plan:
    """A plan for ``data/copy``, which moves pages and computes nothing."""
    x, y = tensor("x", "input", shape, dtype), tensor("y", "output", shape, dtype)
    work = split(x.pages, cores, architecture(arch).grid[0])
    nothing = model.RuntimeArgs(names=(), values=tuple(() for _ in work))
    read = (
        _op("cb_reserve_back", cb="cb_x", pages=1),
        _op("read_page", tensor="x", page=_plus("start", "t"), cb="cb_x", slot=0),
        _op("read_barrier"),
        _op("cb_push_back", cb="cb_x", pages=1),
    )
    write = (
        _op("cb_wait_front", cb="cb_x", pages=1),
        _op("write_page", tensor="y", page=_plus("start", "t"), cb="cb_x", slot=0),
        _op("write_barrier"),
        _op("cb_pop_front", cb="cb_x", pages=1),
    )
    return _plan(
        "copy",
        arch,
        tensors=(x, y),
        buffers=("x",),
        partition=model.Partition(
            mode="global", tile_order="row_major", tiles=(1, x.pages), len_k=1, cores=work
        ),
        programs=model.Programs(
            reader=model.Program(
                tensors=("x",),
                constants=(),
                runtime_args=_starts(work),
                body=(_for("t", "count", *read),),
            ),
            compute=model.Program(tensors=(), constants=(), runtime_args=nothing, body=()),
            writer=model.Program(
                tensors=("y",),
                constants=(),
                runtime_args=_starts(work),
                body=(_for("t", "count", *write),),
            ),
        ),
    )


def _plan(
    kernel: str,
    arch: str,
    tensors: tuple[model.Tensor, ...],
    buffers: tuple[str, ...],
    partition: model.Partition,
    programs: model.Programs,
) -> model.Plan:
    chip = architecture(arch)
    by_name = {t.name: t for t in tensors}
    cbs = tuple(_buffer(index, by_name[name]) for index, name in enumerate(buffers))
    wide = tensors[0].layout.dtype == "fp32"
    return model.Plan(
        version=1,
        kernel=kernel,
        source=model.Source(
            path=f"kernels/{kernel}.py", function=kernel, parameters={}, hash="0123"
        ),
        arch=arch,
        sdk="0.81.1",
        tensors=tensors,
        circular_buffers=cbs,
        l1=model.L1Use(
            used_bytes=sum(cb.pages * cb.page_bytes for cb in cbs), limit_bytes=chip.l1_bytes
        ),
        semaphores=(),
        device_grid=chip.grid,
        core_ranges=ranges([w.core for w in partition.cores]),
        partition=partition,
        compute=model.Compute(
            fidelity="HiFi4",
            fp32_dest_acc=wide,
            math_approx=False,
            dst_full_sync=False,
            dst_tiles=chip.dst_tiles(fp32_dest_acc=wide, dst_full_sync=False),
        ),
        programs=programs,
        tolerance=model.Tolerance(pcc=0.999, relative_error=0.02),
        templates=(),
    )


def _buffer(index: int, tensor: model.Tensor) -> model.CircularBuffer:
    return model.CircularBuffer(
        unpack_to_dst=False,
        index=index,
        name=f"cb_{tensor.name}",
        tensor=tensor.name,
        role=tensor.role,
        dtype=tensor.layout.dtype,
        page_bytes=tensor.page_bytes,
        pages=2,
    )


def _starts(work: tuple[model.CoreWork, ...]) -> model.RuntimeArgs:
    return model.RuntimeArgs(
        names=("start", "count"), values=tuple((w.start, w.count) for w in work)
    )


def tensor(
    name: str, role: model.Role, shape: tuple[int, ...], dtype: str = "bf16"
) -> model.Tensor:
    """A tensor of whole tiles in interleaved DRAM."""
    return model.Tensor(
        name=name,
        role=role,
        shape=shape,
        device_shape=shape,
        padded_shape=shape,
        layout=model.Layout(memory="DRAM", layout="interleaved", tile_shape=(32, 32), dtype=dtype),
        page_bytes=FORMATS[dtype].tile_bytes,
        pages=prod(shape) // 1024,
        at=AT,
    )


def split(tiles: int, cores: int, width: int) -> tuple[model.CoreWork, ...]:
    """``tiles`` dealt to ``cores``, the first ones a tile more where it does not come out even."""
    work, start = [], 0
    for i in range(cores):
        count = tiles // cores + (i < tiles % cores)
        work.append(model.CoreWork(core=(i % width, i // width), start=start, count=count))
        start += count
    return tuple(work)


def ranges(cores: list[tuple[int, int]]) -> tuple[model.CoreRange, ...]:
    """One range per row of ``cores``."""
    rows = sorted({y for _, y in cores})
    return tuple(
        model.CoreRange(start=(0, y), extent=(sum(c[1] == y for c in cores), 1)) for y in rows
    )


def matmul_golden(m: int, k: int, n: int, seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    """Inputs rounded to bf16, and their product in float32."""
    rng = np.random.default_rng(seed)
    a, b = (
        rng.standard_normal(shape).astype(ml_dtypes.bfloat16).astype(np.float32)
        for shape in ((m, k), (k, n))
    )
    return {"in_a": a, "in_b": b, "out_c": a @ b}


def write_kernel(
    folder: Path,
    plan: model.Plan,
    golden: Mapping[str, npt.NDArray[Any]] | None = None,
    changes: Mapping[str, tuple[str, str]] | None = None,
) -> Path:
    """A kernel's folder: plan, sources (changed as ``{program: (old, new)}``), golden."""
    folder.mkdir(parents=True, exist_ok=True)
    save(plan, folder / "tt.plan.json")
    for program in PROGRAM_NAMES:
        text = (DATA / plan.kernel / f"{program}.cpp").read_text()
        old, new = (changes or {}).get(program, ("", ""))
        assert old in text, f"{program}.cpp has no '{old}' to change"
        (folder / f"{program}.cpp").write_text(text.replace(old, new) if old else text)
    if golden is not None:
        np.savez(folder / "golden.npz", **golden)
    return folder


def _op(name: str, **args: model.Expr) -> model.Op:
    return model.Op(op=name, args=args, at=AT)


def _for(var: str, stop: str, *body: model.Statement) -> model.For:
    return model.For(var=var, start=0, stop=stop, step=1, body=body)


def _times(left: model.Expr, right: model.Expr) -> model.BinaryOp:
    return model.BinaryOp(operator="*", left=left, right=right)


def _plus(left: model.Expr, right: model.Expr) -> model.BinaryOp:
    return model.BinaryOp(operator="+", left=left, right=right)


def _reader() -> tuple[model.Statement, ...]:
    row = model.BinaryOp(operator="//", left="tile", right="Nt")
    column = model.BinaryOp(operator="%", left="tile", right="Nt")
    step = (
        _op("cb_reserve_back", cb="cb_a", pages=1),
        _op("cb_reserve_back", cb="cb_b", pages=1),
        _op("read_page", tensor="a", page=_plus(_times(row, "Kt"), "k"), cb="cb_a", slot=0),
        _op("read_page", tensor="b", page=_plus(_times("k", "Nt"), column), cb="cb_b", slot=0),
        _op("read_barrier"),
        _op("cb_push_back", cb="cb_a", pages=1),
        _op("cb_push_back", cb="cb_b", pages=1),
    )
    tile = model.Let(var="tile", value=_plus("start", "t"))
    return (_for("t", "count", tile, _for("k", "Kt", *step)),)


def _compute() -> tuple[model.Statement, ...]:
    step = (
        _op("cb_wait_front", cb="cb_a", pages=1),
        _op("cb_wait_front", cb="cb_b", pages=1),
        _op("matmul_tiles", in0="cb_a", in1="cb_b", tile0=0, tile1=0, dst=0),
        _op("cb_pop_front", cb="cb_a", pages=1),
        _op("cb_pop_front", cb="cb_b", pages=1),
    )
    return (
        _op("matmul_startup", in0="cb_a", in1="cb_b", out="cb_c"),
        _op("matmul_init", in0="cb_a", in1="cb_b", transpose=0),
        _for(
            "t",
            "count",
            _op("tile_regs_acquire"),
            _for("k", "Kt", *step),
            _op("tile_regs_commit"),
            _op("tile_regs_wait"),
            _op("cb_reserve_back", cb="cb_c", pages=1),
            _op("pack_tile", dst=0, out="cb_c", slot=0),
            _op("cb_push_back", cb="cb_c", pages=1),
            _op("tile_regs_release"),
        ),
    )


def _writer() -> tuple[model.Statement, ...]:
    step = (
        _op("cb_wait_front", cb="cb_c", pages=1),
        _op("write_page", tensor="c", page=_plus("start", "t"), cb="cb_c", slot=0),
        _op("write_barrier"),
        _op("cb_pop_front", cb="cb_c", pages=1),
    )
    return (_for("t", "count", *step),)
