"""Who computes what: the legacy forms of it, and ``tt.work_partition``.

Legacy code said it in three forms. *Runs*: each core has ``count`` output tiles from number
``start`` on, as the tiles are numbered row by row or column by column. *Blocks*: ``tt.block_shape``
rows and columns of tiles for each core of ``tt.grid``. *Items*: each core's tiles one by one. All
that a kernel says of its work must agree, and must have every output tile once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, TypeAlias

from tvm.tirx import PrimFunc

from ttgen.analysis import analyse
from ttgen.compat.legacy import ARGUMENTS, Legacy, asked_grid, output_tiles
from ttgen.errors import LoweringError
from ttgen.partition import WorkItem, balanced, tile_places
from ttgen.passes import attrs
from ttgen.passes.tt_tiles_to_core_map import reduction_tiles
from ttgen.passes.work import as_share, check_cover, read_work
from ttgen.plan.shards import Grid

#: Each core's output tiles, in its order.
Work: TypeAlias = dict[Grid, list[WorkItem]]
#: A core, the number of its first output tile, and how many it has.
Run: TypeAlias = tuple[Grid, int, int]

#: Legacy passes counted cores along rows of 8; a kernel with a core grid counts along its rows.
_COLUMNS = 8
_ORDERS = ("row_major", "column_major")
_INSTEAD = "write tt.work_partition: each core's output tiles, one by one"
_NUMBERS = f"numbers are those of output tiles, and batches rows of them; {_INSTEAD}"
_IN_SPEC = "ask for it in the build spec, `{}`, and leave it out here"
#: What may hold one value alone, which says nothing that is not so anyway.
_FIXED: dict[str, tuple[str, str]] = {
    "tt_schedule_policy": ("contiguous", _INSTEAD),
    "tt_schedule.policy": ("contiguous", _INSTEAD),
    **{f"{key}.iteration_order": ("row_major_xyz", _INSTEAD) for key in ARGUMENTS},
    **{f"{key}.partition_mode": ("global", _IN_SPEC.format("partition_mode")) for key in ARGUMENTS},
}


# Reading ------------------------------------------------------------------------------------------


def read(legacy: Legacy) -> Work | None:
    """What the kernel says of its work; None where it leaves it to the passes.

    LoweringError at what is contradictory, at lost and doubled tiles, and at an order without work.
    """
    if not legacy.values:
        return None
    for key, (wanted, hint) in _FIXED.items():
        for _, value in legacy.given(key):
            if value != wanted:
                raise legacy.error(key, value, f"it can be '{wanted}' alone", hint)
    _check_grid(legacy)
    order = _order(legacy)
    told = list(_told(legacy, order)) or list(_dealt(legacy, order))
    if not told:
        if order == "column_major":
            key, value = next(_orders(legacy))
            raise legacy.error(
                key, value, "no core has work in it", _IN_SPEC.format(f"partition: {order}")
            )
        return None
    key, value, work = told[0]
    for other, said, others in told[1:]:
        _check_agreement(legacy, (key, work), other, said, others)
        for core in others:
            work.setdefault(core, [])
    limit = _limit(legacy)
    if limit and len(work) > limit[1]:
        raise legacy.error(*limit, f"{len(work)} cores have work in {key}", _INSTEAD)
    existing = attrs.optional(legacy.func, attrs.WORK_PARTITION)
    if existing is not None:
        _check_agreement(legacy, (attrs.WORK_PARTITION, read_work(existing)), key, value, work)
        return None
    try:
        check_cover(work, legacy.tiles, reduction_tiles(legacy.computation))
    except LoweringError as error:
        raise legacy.error(key, value, error.message, error.hint or _INSTEAD) from None
    return work


def _check_grid(legacy: Legacy) -> None:
    """What legacy passes knew of the output must be so: numbers of tiles rest on it."""
    rows, columns = legacy.tiles
    facts = {
        "tt_grid_x": columns,
        "tt_grid_y": rows,
        "tt_grid_z": 1,
        "tt_num_tiles": rows * columns,
        "tt_schedule.total_tiles": rows * columns,
        "tt_schedule.grid_shape": [columns, rows, 1],
    }
    for key in ARGUMENTS:
        facts |= {
            f"{key}.grid_shape": [columns, rows, 1],
            f"{key}.grid_tiles": [rows, columns],
            f"{key}.local_shape_tiles": [rows, columns],
            f"{key}.shard_grid": [1, 1],
            f"{key}.runtime_constants.Mt": rows,
            f"{key}.runtime_constants.Nt": columns,
        }
    for key, value in legacy.given(*facts):
        if value != facts[key]:
            problem = (
                f"the output has {columns} columns (x), {rows} rows (y) and no depth (z) of "
                f"tiles, so that it is {facts[key]}"
            )
            raise legacy.error(key, value, problem, _NUMBERS)


def _orders(legacy: Legacy) -> Iterator[tuple[str, Any]]:
    return legacy.given("tt_schedule_order", "tt_schedule.order")


def _order(legacy: Legacy) -> str | None:
    """The order that tiles are numbered in, where the kernel names it."""
    found: str | None = None
    for key, value in _orders(legacy):
        if value not in _ORDERS:
            raise legacy.error(key, value, f"it is one of: {', '.join(_ORDERS)}", _INSTEAD)
        if found not in (None, value):
            raise legacy.error(key, value, f"tt_schedule_order is {found!r}", "leave out one")
        found = value
    return found


def _told(legacy: Legacy, order: str | None) -> Iterator[tuple[str, Any, Work]]:
    """Everything that says who does what: its key, what it holds, and the work."""
    for key, runs in _runs(legacy):
        yield key, legacy.values[key], _given_runs(legacy, key, runs, order)
    for key, value in legacy.given("tt.start_tile"):
        if "tt.block_shape" not in legacy.values:
            raise legacy.error(key, value, "it needs tt.block_shape, and tt.grid", _INSTEAD)
        if value != [0, 0]:
            problem = "the tiles before it would be lost"
            raise legacy.error(key, value, problem, "write [0, 0], or leave it out")
    for key, value in legacy.given("tt.block_shape"):
        yield key, value, _given_blocks(legacy, key, value)
    for key, value in legacy.given(*(f"{key}.core_assignments" for key in ARGUMENTS)):
        yield key, value, _given_items(legacy, key, value, order)


def _check_agreement(
    legacy: Legacy, first: tuple[str, Work], key: str, value: Any, work: Work
) -> None:
    """LoweringError unless the two give every core the same tiles."""
    known, said = first
    for core in [*said, *work]:
        mine, others = ([(i.io, i.jo) for i in w.get(core, [])] for w in (said, work))
        if mine != others:
            problem = f"core {core} has {len(others)} tiles in it, and others in {known}"
            raise legacy.error(key, value, problem, "leave out one of them")


# Runs ---------------------------------------------------------------------------------------------


def _limit(legacy: Legacy) -> tuple[str, int] | None:
    """How many cores take part, where the kernel says it."""
    found: tuple[str, int] | None = None
    for key, value in legacy.given("tt_num_cores", "tt_schedule.num_cores"):
        if type(value) is not int or value < 1:
            raise legacy.error(key, value, "it is a number of cores")
        if found and found[1] != value:
            raise legacy.error(key, value, f"{found[0]} is {found[1]}", "leave out one of them")
        found = key, value
    return found


def _core(legacy: Legacy, number: int) -> Grid:
    columns = legacy.grid[0] if legacy.grid else _COLUMNS
    return number % columns, number // columns


def _given_runs(legacy: Legacy, key: str, runs: Sequence[Run], order: str | None) -> Work:
    places = tile_places(legacy.tiles, order or _ORDERS[0])
    work: Work = {}
    for core, start, count in runs:
        if start + count > len(places):
            problem = f"core {core} has tiles {start} to {start + count - 1}; there are"
            raise legacy.error(key, legacy.values[key], f"{problem} {len(places)}", _INSTEAD)
        if core in work:
            raise legacy.error(key, legacy.values[key], f"core {core} has two runs", _INSTEAD)
        taken = places[start : start + count]
        work[core] = [WorkItem(row, column, tile_order=order) for row, column in taken]
    return work


def _dealt(legacy: Legacy, order: str | None) -> Iterator[tuple[str, Any, Work]]:
    """The runs that ``infer_default_tt_schedule`` made where only the number of cores is said."""
    limit = _limit(legacy)
    if limit is not None:
        key, cores = limit
        runs = [
            (_core(legacy, number), start, count)
            for number, (start, count) in enumerate(balanced(prod(legacy.tiles), cores))
        ]
        yield key, cores, _given_runs(legacy, key, runs, order)


def _runs(legacy: Legacy) -> Iterator[tuple[str, list[Run]]]:
    """Every attribute that holds runs, with them."""
    limit = _limit(legacy)

    def numbered(
        key: str, value: Any, entries: list[tuple[int, int, int]]
    ) -> tuple[str, list[Run]]:
        """Runs by the numbers of their cores, with cores that are left out as idle."""
        last = max((number for number, _, _ in entries), default=-1)
        if limit and last >= limit[1]:
            problem = f"core {last} has work in it, and {limit[0]} is {limit[1]}"
            raise legacy.error(key, value, problem, "give as many cores as there are")
        known = {number for number, _, _ in entries}
        idle = [(n, 0, 0) for n in range(limit[1] if limit else 0) if n not in known]
        return key, [(_core(legacy, n), start, count) for n, start, count in [*entries, *idle]]

    for key, value in legacy.given("tt_tiles_per_core"):
        rows = _listed(legacy, key, value, "[first tile, number of tiles] of each core", (2,))
        yield numbered(key, value, [(n, row[0], row[1]) for n, row in enumerate(rows)])
    for key, value in legacy.given("tt_schedule.assignments"):
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise legacy.error(key, value, f"it is a list: {_ENTRY}")
        yield numbered(key, value, [_assignment(legacy, key, entry) for entry in value])
    for key, value in legacy.given("tt_core_runtime_args"):
        what = "[first tile, number of tiles] of each core, perhaps with the extents Mt, Kt and Nt"
        rows = _listed(legacy, key, value, what, (2, 5))
        for row in rows:
            if len(row) == 5 and (row[2], row[4]) != legacy.tiles:
                raise legacy.error(key, row, f"the output has {legacy.tiles} tiles", _INSTEAD)
        yield numbered(key, value, [(n, row[0], row[1]) for n, row in enumerate(rows)])
    for key, value in legacy.given("tt_core_ranges"):
        rows = [row for row in ranges(legacy, value) if len(row) == 6]
        if rows:
            yield key, [((x, y), start, count) for x, y, _, _, start, count in rows]


def _listed(
    legacy: Legacy, key: str, value: Any, what: str, lengths: Sequence[int]
) -> list[list[int]]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise legacy.error(key, value, f"it has {what}")
    return [legacy.integers(key, row, what, lengths) for row in value]


_ENTRY = "an entry has core_id, start_tile and tile_count"


def _assignment(legacy: Legacy, key: str, entry: Any) -> tuple[int, int, int]:
    """The number of a core and its run; legacy documents call the last one ``count``."""
    keys = ["core_id", "start_tile", "tile_count"]
    if isinstance(entry, Mapping) and "count" in entry:
        keys[2] = "count"
    if not isinstance(entry, Mapping) or set(entry) != set(keys):
        raise legacy.error(key, entry, _ENTRY)
    number, start, count = legacy.integers(key, [entry[k] for k in keys], _ENTRY, (3,))
    return number, start, count


def ranges(legacy: Legacy, value: Any) -> list[list[int]]:
    """``tt_core_ranges``: the first and the last core of each, perhaps with a run of tiles."""
    what = "first x, first y, last x, last y of each, and perhaps first tile and number of tiles"
    key = "tt_core_ranges"
    rows = _listed(legacy, key, value, what, (4, 6))
    for row in rows:
        if row[2] < row[0] or row[3] < row[1]:
            raise legacy.error(key, row, "its last core comes before its first")
        if len(row) != len(rows[0]):
            raise legacy.error(key, value, "some of it has runs of tiles", _INSTEAD)
        if len(row) == 6 and row[:2] != row[2:4]:
            raise legacy.error(key, row, "several cores share one run of tiles", _INSTEAD)
    return rows


# Blocks and items ---------------------------------------------------------------------------------


def _given_blocks(legacy: Legacy, key: str, value: Any) -> Work:
    grid = legacy.grid
    if grid is None:
        raise legacy.error(key, value, "it needs tt.grid: a block for each core of it", _INSTEAD)
    shape = legacy.integers(key, value, "rows and columns of tiles", (2,))
    rows, columns = legacy.tiles
    wanted = [-(-rows // grid[1]), -(-columns // grid[0])]
    if shape != wanted:
        problem = f"{grid[0]}x{grid[1]} blocks of it are not the {rows}x{columns} output tiles"
        raise legacy.error(key, value, f"{problem}; {wanted} are", _INSTEAD)
    return _blocks(grid, legacy.tiles)


def _blocks(grid: Grid, tiles: Grid) -> Work:
    """Equal blocks of ``tiles`` for the cores of ``grid``; those at the edges may be smaller."""
    rows, columns = -(-tiles[0] // grid[1]), -(-tiles[1] // grid[0])
    return {
        (x, y): [
            WorkItem(row, column)
            for row in range(y * rows, min((y + 1) * rows, tiles[0]))
            for column in range(x * columns, min((x + 1) * columns, tiles[1]))
        ]
        for y in range(grid[1])
        for x in range(grid[0])
    }


_ITEM_KEYS = ("m_idx", "n_idx", "k_len")


def _given_items(legacy: Legacy, key: str, value: Any, order: str | None) -> Work:
    """``core_assignments``, which is today's form with other names."""
    what = f'it maps "(x, y)" to output tiles, each with {", ".join(_ITEM_KEYS[:2])}'
    if not isinstance(value, Mapping):
        raise legacy.error(key, value, what)
    named: dict[str, Any] = {}
    for core, items in value.items():
        fine = isinstance(items, Sequence) and not isinstance(items, str)
        for item in items if fine else [items]:
            known = isinstance(item, Mapping) and set(item) <= set(_ITEM_KEYS)
            if not (fine and known and {"m_idx", "n_idx"} <= set(item)):
                raise legacy.error(key, item, what)
        names = dict(zip(_ITEM_KEYS, ("io", "jo", "len_k"), strict=True))
        ordered = {} if order is None else {"tile_order": order}
        named[core] = [{names[k]: v for k, v in item.items()} | ordered for item in items]
    try:
        return read_work(named)
    except LoweringError as error:
        raise legacy.error(key, value, error.message, error.hint) from None


# Writing ------------------------------------------------------------------------------------------


def write(func: PrimFunc) -> dict[str, Any]:
    """``tt.work_partition`` of ``func`` in the first legacy form that has it.

    LoweringError where none has.
    """
    given = attrs.optional(func, attrs.WORK_PARTITION)
    work = read_work(given)
    at = attrs.kernel_place(func)
    tiles = output_tiles(analyse(func, at))
    orders = {item.tile_order for items in work.values() for item in items}
    order = next(iter(orders), None)
    if len(orders) > 1 or order not in (None, *_ORDERS):
        names = ", ".join(sorted(str(name) for name in orders))
        raise LoweringError(
            f"{attrs.WORK_PARTITION} has tiles in the order {names}: legacy attributes have "
            f"{' and '.join(_ORDERS)}",
            at=at,
            hint="leave tile_order out of its items",
        )
    named = {} if order is None else {"tt_schedule_order": order}
    grid = asked_grid(func)
    if grid is not None and work == _blocks(grid, tiles):
        block = [-(-tiles[0] // grid[1]), -(-tiles[1] // grid[0])]
        return {"tt.block_shape": block, "tt.start_tile": [0, 0]}
    return {
        **named,
        **(_as_runs(work, tiles, order, grid[0] if grid else _COLUMNS) or _as_items(work)),
    }


def _as_runs(work: Work, tiles: Grid, order: str | None, columns: int) -> dict[str, Any] | None:
    numbers = {place: n for n, place in enumerate(tile_places(tiles, order or _ORDERS[0]))}
    shares = [as_share(core, items, numbers) for core, items in work.items()]
    has_depth = any(item.len_k is not None for items in work.values() for item in items)
    if has_depth or any(share is None or share.core[0] >= columns for share in shares):
        return None
    runs = {s.core[1] * columns + s.core[0]: (s.start, s.count) for s in shares if s is not None}
    rows, width = tiles
    found: dict[str, Any] = {
        "tt_grid_x": width,
        "tt_grid_y": rows,
        "tt_grid_z": 1,
        "tt_num_tiles": prod(tiles),
        "tt_schedule": {
            "policy": "contiguous",
            **({} if order is None else {"order": order}),
            "grid_shape": [width, rows, 1],
            "total_tiles": prod(tiles),
            "assignments": [
                {"core_id": number, "start_tile": start, "tile_count": count}
                for number, (start, count) in runs.items()
            ],
        },
    }
    if list(runs) == list(range(len(runs))):
        found["tt_num_cores"] = len(runs)
        found["tt_tiles_per_core"] = [list(run) for run in runs.values()]
    return found


def _as_items(work: Work) -> dict[str, Any]:
    def item(tile: WorkItem) -> dict[str, int]:
        values = zip(_ITEM_KEYS, (tile.io, tile.jo, tile.len_k), strict=True)
        return {key: value for key, value in values if value is not None}

    named = {f"({x}, {y})": [item(tile) for tile in items] for (x, y), items in work.items()}
    return {"tt.runtime_args": {"core_assignments": named}}
