"""Plans and goldens made by hand, for the kernels in ``data/``."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import numpy.typing as npt

from ttgen.arch import architecture
from ttgen.formats import FORMATS
from ttgen.plan import model, save

DATA = Path(__file__).with_name("data")
AT = "kernels/matmul.py:1:1"


def matmul_plan(arch: str, m: int, k: int, n: int, cores: int, **changes: object) -> model.Plan:
    """A plan for ``data/matmul``: bf16, ``cores`` cores from the left, x running fastest."""
    chip = architecture(arch)
    mt, kt, nt = m // 32, k // 32, n // 32
    work = split(mt * nt, cores, chip.grid[0])
    buffers = tuple(
        model.CircularBuffer(
            index=i, name=f"cb_{t}", tensor=t, role=role, dtype="bf16", page_bytes=2048, pages=2
        )
        for i, (t, role) in enumerate((("a", "input"), ("b", "input"), ("c", "output")))
    )
    constants = (
        model.NamedConstant(name="Kt", value=kt),
        model.NamedConstant(name="Nt", value=nt),
    )
    starts = model.RuntimeArgs(
        names=("start", "count"), values=tuple((w.start, w.count) for w in work)
    )
    counts = model.RuntimeArgs(names=("count",), values=tuple((w.count,) for w in work))
    plan = model.Plan(
        version=1,
        kernel="matmul",
        source=model.Source(
            path="kernels/matmul.py", function="matmul", parameters={}, hash="0123"
        ),
        arch=arch,
        sdk="0.81.1",
        tensors=(
            tensor("a", "input", (m, k)),
            tensor("b", "input", (k, n)),
            tensor("c", "output", (m, n)),
        ),
        circular_buffers=buffers,
        l1=model.L1Use(used_bytes=3 * 2 * 2048, limit_bytes=chip.l1_bytes),
        semaphores=(),
        device_grid=chip.grid,
        core_ranges=ranges([w.core for w in work], chip.grid[0]),
        partition=model.Partition(
            mode="global", tile_order="row_major", tiles=(mt, nt), len_k=kt, cores=work
        ),
        compute=model.Compute(
            fidelity="HiFi4",
            fp32_dest_acc=False,
            math_approx=False,
            dst_full_sync=False,
            dst_tiles=8,
        ),
        programs=model.Programs(
            reader=model.Program(
                tensors=("a", "b"), constants=constants, runtime_args=starts, body=_reader()
            ),
            compute=model.Program(
                tensors=(), constants=constants[:1], runtime_args=counts, body=_compute()
            ),
            writer=model.Program(tensors=("c",), constants=(), runtime_args=starts, body=_writer()),
        ),
        tolerance=model.Tolerance(pcc=0.999, relative_error=0.02),
        templates=(),
    )
    return plan


def tensor(
    name: str, role: model.Role, shape: tuple[int, int], dtype: str = "bf16"
) -> model.Tensor:
    """A tensor of whole tiles in interleaved DRAM."""
    return model.Tensor(
        name=name,
        role=role,
        shape=shape,
        padded_shape=shape,
        layout=model.Layout(memory="DRAM", layout="interleaved", tile_shape=(32, 32), dtype=dtype),
        page_bytes=FORMATS[dtype].tile_bytes,
        pages=shape[0] * shape[1] // 1024,
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


def ranges(cores: list[tuple[int, int]], width: int) -> tuple[model.CoreRange, ...]:
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
    golden: dict[str, npt.NDArray[np.float32]] | None,
    changes: dict[str, tuple[str, str]] | None = None,
) -> Path:
    """A kernel's folder: plan, sources (changed as ``{program: (old, new)}``), golden."""
    folder.mkdir(parents=True, exist_ok=True)
    save(plan, folder / "tt.plan.json")
    for program in ("reader", "compute", "writer"):
        text = (DATA / "matmul" / f"{program}.cpp").read_text()
        old, new = (changes or {}).get(program, ("", ""))
        assert old in text
        (folder / f"{program}.cpp").write_text(text.replace(old, new) if old else text)
    if golden is not None:
        np.savez(folder / "golden.npz", **golden)
    return folder


def _op(name: str, **args: object) -> model.Op:
    return model.Op(op=name, args=args, at=AT)


def _for(var: str, stop: str, *body: model.Statement) -> model.For:
    return model.For(var=var, start=0, stop=stop, step=1, body=body)


def _times(left: object, right: object) -> model.BinaryOp:
    return model.BinaryOp(operator="*", left=left, right=right)


def _plus(left: object, right: object) -> model.BinaryOp:
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
        _op("matmul_init", in0="cb_a", in1="cb_b"),
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
