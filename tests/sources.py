"""Kernel sources for tests: the same computations written in many ways, and their lowering."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import numpy as np
import tvm

from ttgen.errors import Location
from ttgen.frontend.kernel import Kernel, find_kernel
from ttgen.frontend.source import load_source
from ttgen.passes.pipeline import Lowered, run_pipeline
from ttgen.plan import Plan
from ttgen.plan.io import decode, encode
from ttgen_runtime import interp

HEADER = "from tvm import te\nfrom tvm.script import tirx as T\n"
SYMBOLS = {"add": "+", "sub": "-", "mul": "*"}
GEMM_FORMS = ("block", "separate", "nested", "split", "threads", "thread_block", "te")
#: Matrices that are whole tiles along neither side.
M, N = 40, 70
SHAPES = {"A": (M, N), "B": (M, N)}
ELEMENTWISE_FORMS = ("plain", "block", "split", "threads", "te")


def kernel(text: str, function: str | None = None, **parameters: int) -> Kernel:
    """The kernel in ``text``, which stands in ``kernels/k.py`` of a project."""
    with tempfile.TemporaryDirectory() as project:
        path = Path(project) / "kernels" / "k.py"
        path.parent.mkdir()
        path.write_text(HEADER + dedent(text))
        return find_kernel(load_source(path, Path(project)), function, parameters)


def legalised(
    operation: Callable[..., Any],
    shapes: Sequence[Sequence[int]],
    dtype: str = "bfloat16",
    *,
    fused: bool = False,
) -> list[Kernel]:
    """The PrimFuncs that ``operation`` of Relax's on tensors of ``shapes`` becomes.

    ``fused``: what Relax fuses of it is one of them; ``operation`` may be several then.
    """
    from tvm import relax

    tensors = [
        relax.Var(f"x{number}", relax.TensorType(shape, dtype))
        for number, shape in enumerate(shapes)
    ]
    passes = [relax.transform.LegalizeOps()]
    if fused:
        passes += [relax.transform.AnnotateTIROpPattern()]
        passes += [relax.transform.FuseOps(), relax.transform.FuseTIR()]
    builder = relax.BlockBuilder()
    with builder.function("main", tensors):
        with builder.dataflow():
            result = builder.emit_output(operation(*tensors))
        builder.emit_func_output(result)
    module = tvm.ir.transform.Sequential(passes)(builder.get())
    return [
        Kernel("kernels/k.py", str(var.name_hint), {}, func, Location("kernels/k.py", 1))
        for var, func in module.functions.items()
        if not isinstance(func, relax.Function)
    ]


def lower(text: str, arch: str = "wormhole_b0", **options: Any) -> Lowered:
    """The kernel in ``text`` through the whole pipeline."""
    return run_pipeline(kernel(text), arch=arch, **options)


def plan_of(text: str, arch: str = "wormhole_b0", **options: Any) -> Plan:
    """The plan of the kernel in ``text``, checked as it is on every write and load."""
    plan = lower(text, arch, **options).plan
    return decode(encode(plan), "tt.plan.json")


def run(plan: Plan, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs of ``plan`` by name, interpreted without any rounding: what it means."""
    _, after = interp.run(plan, inputs, exact=True)
    return {tensor.name: after[tensor.name] for tensor in plan.tensors if tensor.role == "output"}


def buffers(names: Sequence[str], shapes: Sequence[Sequence[int]], dtype: str = "bfloat16") -> str:
    """Parameters of a PrimFunc."""
    return ", ".join(
        f'{name}: T.Buffer({tuple(shape)}, "{dtype}")'
        for name, shape in zip(names, shapes, strict=True)
    )


def prim_func(parameters: str, body: str, *, s_tir: bool = False) -> str:
    """A kernel ``k`` with these parameters and statements."""
    decorator = "@T.prim_func(s_tir=True)" if s_tir else "@T.prim_func"
    return f"{decorator}\ndef k({parameters}):\n{indent(dedent(body).strip(), '    ')}\n"


def square(body: str, names: str = "ABC", size: int = 64, *, s_tir: bool = False) -> str:
    """A kernel on square tensors, each called by one letter."""
    return prim_func(buffers(names, [(size, size)] * len(names)), body, s_tir=s_tir)


def gemm(
    m: int,
    n: int,
    k: int,
    form: str = "block",
    *,
    order: str = "ijk",
    names: Sequence[str] = ("A", "B", "C"),
    loops: Mapping[str, str] | None = None,
    swap_product: bool = False,
    swap_sum: bool = False,
) -> str:
    """``C[m, n] = A[m, k] @ B[k, n]``; ``order`` of the loops where the form leaves it open."""
    a, b, c = names
    called = {"i": "i", "j": "j", "k": "k", **(loops or {})}
    i, j, kk = called["i"], called["j"], called["k"]
    extents = {"i": str(m), "j": str(n), "k": str(k)}

    def update(row: str, column: str, inner: str) -> str:
        factors = [f"{a}[{row}, {inner}]", f"{b}[{inner}, {column}]"]
        terms = [f"{c}[{row}, {column}]", " * ".join(factors[::-1] if swap_product else factors)]
        return f"{c}[{row}, {column}] = {' + '.join(terms[::-1] if swap_sum else terms)}"

    def grid_of(axes: str) -> str:
        loops, trips = ([x[axis] for axis in axes] for x in (called, extents))
        return f"for {', '.join(loops)} in T.grid({', '.join(trips)}):"

    grid, outer_grid = grid_of(order), grid_of(order.replace("k", ""))
    zero = f"{c}[{i}, {j}] = T.bfloat16(0)"
    block = f"""\
with T.sblock("sum"):
    vi, vj, vk = T.axis.remap("SSR", [{i}, {j}, {kk}])
    with T.init():
        {c}[vi, vj] = T.bfloat16(0)
    {update("vi", "vj", "vk")}"""
    body = {
        "block": f"{grid}\n{indent(block, '    ')}",
        "separate": f"{outer_grid}\n    {zero}\n{grid}\n    {update(i, j, kk)}",
        "nested": f"{outer_grid}\n    {zero}\n    for {kk} in range({k}):\n"
        f"        {update(i, j, kk)}",
        "split": f"""\
for {i}, {j} in T.grid({m // 32}, {n // 32}):
    for ii, jj in T.grid(32, 32):
        {c}[{i} * 32 + ii, jj + 32 * {j}] = T.bfloat16(0)
    for {kk}, kk, ii, jj in T.grid({k // 32}, 32, 32, 32):
        {update(f"{i} * 32 + ii", f"32 * {j} + jj", f"{kk} * 32 + kk")}""",
        "threads": f"""\
{i} = T.launch_thread("blockIdx.y", {m})
{j} = T.launch_thread("blockIdx.x", {n // 32})
jj = T.launch_thread("threadIdx.x", 32)
{c}[{i}, {j} * 32 + jj] = T.bfloat16(0)
for {kk} in range({k}):
    {update(i, f"{j} * 32 + jj", kk)}""",
        "thread_block": f"""\
for {i} in T.thread_binding({m}, thread="blockIdx.x"):
    for {j} in T.thread_binding({n}, thread="threadIdx.x"):
        for {kk} in range({k}):
{indent(block, " " * 12)}""",
    }
    if form == "te":
        product = " * ".join(
            [f"{b}[{kk}, {j}]", f"{a}[{i}, {kk}]"]
            if swap_product
            else [f"{a}[{i}, {kk}]", f"{b}[{kk}, {j}]"]
        )
        return f"""\
def k():
    {a} = te.placeholder(({m}, {k}), dtype="bfloat16", name="{a}")
    {b} = te.placeholder(({k}, {n}), dtype="bfloat16", name="{b}")
    {kk} = te.reduce_axis((0, {k}), name="{kk}")
    {c} = te.compute(({m}, {n}), lambda {i}, {j}: te.sum({product}, axis={kk}), name="{c}")
    return [{a}, {b}, {c}]
"""
    shapes = [(m, k), (k, n), (m, n)]
    return prim_func(buffers(names, shapes), body[form], s_tir="block" in form)


def elementwise(
    op: str,
    shape: Sequence[int],
    form: str = "plain",
    *,
    names: Sequence[str] = ("A", "B", "C"),
    reverse: bool = False,
) -> str:
    """``C = A op B`` (add, sub, mul) or ``C = A`` (copy); ``reverse`` turns the loops."""
    inputs, output = (names[:1], names[1]) if op == "copy" else (names[:2], names[2])
    loops = [f"i{axis}" for axis in range(len(shape))]

    def value(index: str) -> str:
        return f" {SYMBOLS.get(op)} ".join(f"{name}[{index}]" for name in inputs)

    def assign(index: str) -> str:
        return f"{output}[{index}] = {value(index)}"

    order = loops[::-1] if reverse else loops
    extents = [str(shape[loops.index(loop)]) for loop in order]
    index = ", ".join(loops)
    blocked = [f"v{loop}" for loop in loops]
    *lead, last = loops
    split = [*lead, f"{last} * 32 + inner"]
    grid = f"for {', '.join(order)} in T.grid({', '.join(extents)}):"
    body = {
        "plain": f"{grid}\n    {assign(index)}",
        "block": f"""\
{grid}
    with T.sblock("one"):
        {", ".join(blocked)} = T.axis.remap("{"S" * len(loops)}", [{index}])
        {assign(", ".join(blocked))}""",
        "split": f"""\
for inner, {index} in T.grid(32, {", ".join(map(str, shape[:-1]))}, {shape[-1] // 32}):
    {assign(", ".join(split))}""",
        "threads": "\n".join(
            [
                *(
                    f'{loop} = T.launch_thread("{tag}", {extent})'
                    for loop, tag, extent in zip(
                        loops, ("blockIdx.x", "threadIdx.x", "blockIdx.y"), shape, strict=False
                    )
                ),
                assign(index),
            ]
        ),
    }
    if form == "te":
        placeholders = "\n".join(
            f'    {name} = te.placeholder({tuple(shape)}, dtype="bfloat16", name="{name}")'
            for name in inputs
        )
        return f"""\
def k():
{placeholders}
    {output} = te.compute({tuple(shape)}, lambda {index}: {value(index)}, name="{output}")
    return [{", ".join([*inputs, output])}]
"""
    used = [*inputs, output]
    return prim_func(buffers(used, [shape] * len(used)), body[form], s_tir=form == "block")


def te(shapes: dict[str, tuple[int, ...]], body: str) -> str:
    """A TE function of these tensors, whose result is C; ``n`` and ``m`` are reduced over."""
    tensors = "".join(
        f'    {name} = te.placeholder({shape}, dtype="bfloat16", name="{name}")\n'
        for name, shape in shapes.items()
    )
    indented = indent(dedent(body).strip(), "    ")
    return f"def k():\n{tensors}{indented}\n    return [{', '.join(shapes)}, C]\n"


def each(value: str, **shapes: tuple[int, ...]) -> str:
    """``value`` of A, B and others at i and j, for each of them."""
    tensors = {**SHAPES, **shapes}
    body = f"for i, j in T.grid({M}, {N}):\n    C[i, j] = {value}"
    return prim_func(buffers([*tensors, "C"], [*tensors.values(), (M, N)]), body)


def reduced(value: str, op: str = "sum") -> str:
    """``value`` of A and B at i and n, over n."""
    return te(
        SHAPES,
        f'n = te.reduce_axis((0, {N}), name="n")\n'
        f'C = te.compute(({M},), lambda i: te.{op}({value}, axis=n), name="C")',
    )


def relu(value: str) -> str:
    """What is not negative of ``value``."""
    return f'te.max({value}, te.const(0, "bfloat16"))'


def sum_over(extent: int, shape: tuple[int, ...], axes: str, value: str, op: str = "sum") -> str:
    """The lines that reduce ``value`` over ``n``."""
    return f"""
n = te.reduce_axis((0, {extent}), name="n")
C = te.compute({shape}, lambda {axes}: te.{op}({value}, axis=n), name="C")
"""


def values(plan: Plan) -> dict[str, Any]:
    """Small whole numbers: every sum is exact in float32, so results compare by equality."""
    random = np.random.default_rng(7)
    return {
        tensor.name: random.integers(-4, 5, tensor.shape).astype(np.float32)
        for tensor in plan.tensors
        if tensor.role == "input"
    }


def assert_means(source: str, meaning: Callable[..., Any], **options: Any) -> None:
    """The plan of ``source`` gives exactly what ``meaning`` gives of its inputs."""
    plan = plan_of(source, **options)
    inputs = values(plan)
    (result,) = run(plan, inputs).values()
    expected = meaning(**inputs)
    assert result.shape == expected.shape
    assert np.array_equal(result, expected)
