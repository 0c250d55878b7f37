"""``tt.plan.json`` as types: the one document that rendering, the SDK steps and the runtime read.

The JSON Schema (``ttgen/plan/tt.plan.schema.json``) is generated from these classes, so the two
cannot disagree. Every struct is frozen and refuses unknown fields. What types cannot say is in
:mod:`ttgen.plan.validate`.

Units: ``*_bytes`` bytes, ``pages`` circular-buffer or tensor pages (one tile each), ``shape``
elements, grid coordinates are logical worker cores ``(x, y)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import Annotated, Literal, Protocol, TypeAlias, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType

from ttgen.ops import PROGRAM_NAMES, TILE_OPS, Kind, ProgramName

PLAN_VERSION: Literal[1] = 1

#: A C++ identifier that is also a safe file name.
Identifier: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
#: The name of a kernel variant: part of a path, so no separators and no leading dot.
KernelName: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$")]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
Extent: TypeAlias = Annotated[int, Meta(ge=1)]
#: ``path:line:column`` in the kernel source, the path relative to the project.
SourcePlace: TypeAlias = str

Role: TypeAlias = Literal["input", "output"]
Memory: TypeAlias = Literal["DRAM", "L1"]
TileOrderName: TypeAlias = Literal[
    "row_major", "column_major", "block", "z_order", "match_shard", "column_blocks"
]
PartitionMode: TypeAlias = Literal["global", "local_shard"]

Operator: TypeAlias = Literal["+", "-", "*", "//", "%", "min", "max"]


class _Node(Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every plan object."""


class BinaryOp(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """``[operator, left, right]``; division and remainder round down."""

    operator: Operator
    left: Expr
    right: Expr


#: An integer, a variable in scope, or ``[operator, left, right]``. All values are unsigned 32-bit.
#: (A union, not a string: what is inside a string inside ``dict[...]`` Python 3.10 cannot resolve.)
Expr: TypeAlias = int | str | BinaryOp


class For(_Node, frozen=True, tag_field="kind", tag="for"):
    """``for (var = start; var < stop; var += step) body``."""

    var: Identifier
    start: Expr
    stop: Expr
    step: Extent
    body: tuple[Statement, ...]


class Let(_Node, frozen=True, tag_field="kind", tag="let"):
    """An immutable value, in scope until its enclosing body ends."""

    var: Identifier
    value: Expr


class Op(_Node, frozen=True, tag_field="kind", tag="op"):
    """One tile operation; ``op`` and the meaning of ``args`` are in :mod:`ttgen.ops`."""

    op: Identifier
    args: dict[str, Expr]
    at: SourcePlace


Statement: TypeAlias = For | Let | Op


class Source(_Node, frozen=True):
    """What the plan was made from. ``hash``: TVM's structural hash of the specialised function."""

    path: str
    function: Identifier
    parameters: dict[str, int]
    hash: str


class CoreRange(_Node, frozen=True):
    """A rectangle of worker cores: first core ``start`` (x, y) and its size ``extent``."""

    start: tuple[Count, Count]
    extent: tuple[Extent, Extent]

    def cores(self) -> list[tuple[int, int]]:
        """Every core of the rectangle, x running fastest."""
        (x0, y0), (width, height) = self.start, self.extent
        return [(x, y) for y in range(y0, y0 + height) for x in range(x0, x0 + width)]


class NdShard(_Node, frozen=True):
    """How a sharded tensor is cut: per axis in ``axes`` a ``grid`` of shards of ``shard_shape``.

    ``axes`` are M and N: rows, leading dimensions folded into them, and columns. Shards are
    numbered row by row and lie on ``cores``, whose ranges are taken one after the other; ``order``
    says how cores are numbered in a range, x running fastest (row_major) or y (column_major).
    """

    axes: tuple[str, ...]
    grid: tuple[Extent, ...]
    shard_shape: tuple[Extent, ...]
    order: Literal["row_major", "column_major"]
    cores: tuple[CoreRange, ...]


class Layout(_Node, frozen=True):
    """The canonical layout: where a tensor lives and how it is cut into pages.

    ``dtype`` names a format of :mod:`ttgen.formats`; ``tile_shape`` is (rows, columns), elements. A
    page is a tile, or a row of the tensor's last dimension (row-major tensors). ``order`` says
    which of the source's dimensions comes where on the device, outermost first; without it each
    stays in its place.
    """

    memory: Memory
    layout: Literal["interleaved", "sharded"]
    tile_shape: tuple[Extent, Extent]
    dtype: str
    nd_shard: NdShard | None = None
    page: Literal["tile", "row"] = "tile"
    order: tuple[Count, ...] | UnsetType = UNSET


class Tensor(_Node, frozen=True):
    """A kernel parameter, in the order of the source function's parameters.

    ``shape`` is what the source says; ``device_shape`` the same values in the layout's order with
    at least two dimensions, the last two of which make tiles; ``padded_shape`` that in whole tiles.
    """

    name: Identifier
    role: Role
    shape: tuple[Extent, ...]
    device_shape: tuple[Extent, ...]
    padded_shape: tuple[Extent, ...]
    layout: Layout
    page_bytes: Extent
    pages: Extent
    at: SourcePlace

    @property
    def order(self) -> tuple[int, ...]:
        """Which of the dimensions of ``shape`` comes where on the device, outermost first."""
        asked = self.layout.order
        return tuple(range(len(self.shape))) if asked is UNSET else asked

    @property
    def tiles(self) -> int:
        """How many tiles it is computed with, whatever its pages are."""
        return prod(self.padded_shape) // prod(self.layout.tile_shape)


class CircularBuffer(_Node, frozen=True):
    """A queue of tiles in L1 between two of a core's programs; ``index`` is Metalium's, 0 to 31.

    ``unpack_to_dst``: its tiles go to DST directly, with all 32 bits of a value; the FPU's sources
    hold 19 of them.
    """

    index: Annotated[int, Meta(ge=0, le=31)]
    name: Identifier
    tensor: Identifier | None
    role: Literal["input", "output", "intermediate"]
    dtype: str
    page_bytes: Extent
    pages: Extent
    unpack_to_dst: bool


class L1Use(_Node, frozen=True):
    """Bytes of L1 that are used on each core, against what there is.

    ``used_bytes`` is for circular buffers and tensors, ``tensor_bytes`` for tensors alone.
    """

    used_bytes: Count
    limit_bytes: Extent
    tensor_bytes: Count = 0


class Semaphore(_Node, frozen=True):
    """A counter in L1 shared by the cores of a program."""

    index: Annotated[int, Meta(ge=0, le=15)]
    name: Identifier
    initial: Count


class CoreWork(_Node, frozen=True):
    """The work of one core: ``count`` output tiles, from ``start`` on, in the tile order."""

    core: tuple[Count, Count]
    start: Count
    count: Count


class Partition(_Node, frozen=True):
    """How the output tiles are dealt to cores.

    ``tiles`` is the grid of output tiles (rows, columns), where blocks of columns that lie side by
    side count one below the other; ``len_k`` the tiles that each of them is reduced over (1 where
    there is no reduction). Idle cores are listed with ``count`` 0.
    ``block`` is (rows, columns) of the tiles that the order takes together, where it does: the
    shards of the output, the blocks of the kernel's own grid, or the bands of the order ``block``.
    In the mode ``local_shard`` each core has the tiles of its own shard of the output, and in
    ``global`` whatever falls to it.
    """

    mode: PartitionMode
    tile_order: TileOrderName
    tiles: tuple[Extent, Extent]
    len_k: Extent
    cores: tuple[CoreWork, ...]
    block: tuple[Extent, Extent] | None = None


class Compute(_Node, frozen=True):
    """The compute configuration; ``dst_tiles`` is how many tiles one side of DST holds."""

    fidelity: Literal["LoFi", "HiFi2", "HiFi3", "HiFi4"]
    fp32_dest_acc: bool
    math_approx: bool
    dst_full_sync: bool
    dst_tiles: Extent


class NamedConstant(_Node, frozen=True):
    """A compile-time argument, read by name in the kernel."""

    name: Identifier
    value: Count


class RuntimeArgs(_Node, frozen=True):
    """Per-core arguments: ``values[i]`` for ``partition.cores[i]``, in the order ``names``."""

    names: tuple[Identifier, ...]
    values: tuple[tuple[Count, ...], ...]


class Program(_Node, frozen=True):
    """One of the three programs of a core.

    ``tensors`` are reached through a TensorAccessor each: their accessor arguments come first
    among the compile-time arguments, their addresses are the common runtime arguments, both in
    this order.
    """

    tensors: tuple[Identifier, ...]
    constants: tuple[NamedConstant, ...]
    runtime_args: RuntimeArgs
    body: tuple[Statement, ...]


class Programs(_Node, frozen=True):
    """The three programs that every core of the plan runs."""

    reader: Program
    compute: Program
    writer: Program

    def items(self) -> list[tuple[ProgramName, Program]]:
        """The programs with their names, in the order in which data passes through them."""
        return [(name, getattr(self, name)) for name in PROGRAM_NAMES]


class Tolerance(_Node, frozen=True):
    """What counts as equal: PCC at least, and ‖out - ref‖ / ‖ref‖ at most."""

    pcc: Annotated[float, Meta(ge=0.0, le=1.0)]
    relative_error: Annotated[float, Meta(ge=0.0)]


class Plan(_Node, frozen=True):
    """The whole document; see the module docstring."""

    version: Literal[1]
    kernel: KernelName
    source: Source
    arch: str
    sdk: str
    tensors: tuple[Tensor, ...]
    circular_buffers: tuple[CircularBuffer, ...]
    l1: L1Use
    semaphores: tuple[Semaphore, ...]
    device_grid: tuple[Extent, Extent]
    core_ranges: tuple[CoreRange, ...]
    partition: Partition
    compute: Compute
    programs: Programs
    tolerance: Tolerance
    templates: tuple[str, ...]

    def tensor(self, name: str) -> Tensor:
        """The tensor called ``name``; KeyError where there is none."""
        return _named(self.tensors, name)

    def buffers_of(self, program: Program) -> list[CircularBuffer]:
        """The circular buffers that a program names, in the order of their indices."""
        names = set(_buffer_names(program.body))
        return [buffer for buffer in self.circular_buffers if buffer.name in names]

    def circular_buffer(self, name: str) -> CircularBuffer:
        """The circular buffer called ``name``; KeyError where there is none."""
        return _named(self.circular_buffers, name)


def _buffer_names(body: Iterable[Statement]) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, For):
            yield from _buffer_names(statement.body)
        elif isinstance(statement, Op):
            kinds = dict(TILE_OPS[statement.op].params)
            yield from (str(v) for k, v in statement.args.items() if kinds[k] is Kind.CB)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_N = TypeVar("_N", bound=_Named)


def _named(items: Sequence[_N], name: str) -> _N:
    for item in items:
        if item.name == name:
            return item
    raise KeyError(name)
