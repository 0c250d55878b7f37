"""Finding a kernel in a source and specialising it: PrimFuncs, functions that make one, and TE."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tvm
import tvm_ffi
from tvm import te
from tvm.tirx import PrimFunc

from ttgen.errors import Location, SourceError
from ttgen.frontend.author_grid import AuthorGrid, author_grid
from ttgen.frontend.places import location
from ttgen.frontend.source import SourceModule, failure_in, registered
from ttgen.frontend.spelling import current
from ttgen.frontend.tile_primitives import expanded, has_tile_primitives

_TAKES = "a kernel is a PrimFunc, or a function that returns one or a list of te tensors"


@dataclass(frozen=True)
class Kernel:
    """A specialised kernel: what the passes start from.

    ``at`` is where its function stands; ``parameters`` are those that it was specialised with.
    ``grid`` says what the blocks of an explicit grid store; ``func`` has loops in their place.
    """

    source: str
    function: str
    parameters: dict[str, int]
    func: PrimFunc
    at: Location
    grid: AuthorGrid | None = None

    @property
    def hash(self) -> str:
        """TVM's structural hash of the function: names and places do not change it."""
        return f"{tvm_ffi.structural_hash(self.func):016x}"


def find_kernel(
    source: SourceModule, function: str | None = None, parameters: Mapping[str, int] | None = None
) -> Kernel:
    """The kernel called ``function``, specialised with ``parameters``.

    Without a name it is the one that is called like the file, or the only one that there is.
    SourceError when it does not exist, does not take the parameters, or is no kernel. Its
    attributes are in today's spelling (:mod:`ttgen.frontend.spelling`); LoweringError at legacy
    ones that cannot be.
    """
    candidates = _candidates(source)
    name = function or _default(source, candidates)
    if name not in candidates:
        raise SourceError(
            f"no kernel '{name}' here; there is {_list(candidates) or 'none'}",
            at=Location(source.name, 1),
            hint=_TAKES,
        )
    made_from = candidates[name]
    given = dict(parameters or {})
    at = _place(source, made_from)
    if isinstance(made_from, PrimFunc):
        func = _specialise(made_from, given, at)
    else:
        func, given = _call(source, made_from, given, at)
    grid = None
    if has_tile_primitives(func):
        func, ids = expanded(func, at)
        grid = author_grid(func, ids)
    func = current(func, at).with_attr("global_symbol", name)
    return Kernel(source.name, name, given, func, at, grid)


def _candidates(source: SourceModule) -> dict[str, PrimFunc | Callable[..., Any]]:
    """Public PrimFuncs of the source and public functions that the source itself defines."""
    found: dict[str, PrimFunc | Callable[..., Any]] = {}
    for name, value in vars(source.namespace).items():
        own = inspect.isfunction(value) and value.__module__ == source.namespace.__name__
        if not name.startswith("_") and (isinstance(value, PrimFunc) or own):
            found[name] = value
    return found


def _default(source: SourceModule, candidates: Mapping[str, object]) -> str:
    stem = source.name.rpartition("/")[2].removesuffix(".py")
    if stem in candidates:
        return stem
    if len(candidates) == 1:
        return next(iter(candidates))
    raise SourceError(
        f"which kernel? None is called '{stem}'; there is {_list(candidates) or 'none'}",
        at=Location(source.name, 1),
        hint="name it: `function:` in the spec, or SRC:FUNC on the command line",
    )


def _list(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names))


def _place(source: SourceModule, made_from: PrimFunc | Callable[..., Any]) -> Location:
    if isinstance(made_from, PrimFunc):
        spans = [param.span for param in made_from.params if param.span is not None]
        return location(spans[0], Location(source.name, 1)) if spans else Location(source.name, 1)
    return Location(source.name, made_from.__code__.co_firstlineno)


def _specialise(func: PrimFunc, given: dict[str, int], at: Location) -> PrimFunc:
    """Bind symbolic dimensions, and scalar parameters, of a PrimFunc by name."""
    free = {var.name: var for var in _symbols(func)}
    _check_names(given, free, set(), at)
    scalars = {var: given[var.name] for var in free.values() if var in func.params}
    sizes = {var: given[var.name] for var in free.values() if var not in func.params}
    func = func.specialize(scalars) if scalars else func
    if not sizes:
        return func
    numbers = {var: tvm.ir.prim.IntImm(str(var.ty), value) for var, value in sizes.items()}
    return tvm_ffi.structural_map(func, (tvm.ir.Var, lambda var: numbers.get(var, var)))


def _symbols(func: PrimFunc) -> list[Any]:
    symbols: dict[str, Any] = {}
    for param in func.params:
        if not isinstance(param.ty, tvm.tirx.BufferType):
            symbols[param.name] = param
            continue
        for extent in param.ty.shape:
            if isinstance(extent, tvm.ir.Var):
                symbols[extent.name] = extent
    return list(symbols.values())


def _call(
    source: SourceModule, factory: Callable[..., Any], given: dict[str, int], at: Location
) -> tuple[PrimFunc, dict[str, int]]:
    signature = inspect.signature(factory).parameters
    optional = {n for n, p in signature.items() if p.default is not inspect.Parameter.empty}
    _check_names(given, signature, optional, at)
    try:
        with registered(source.namespace):
            made = factory(**given)
    except (Exception, SystemExit) as error:
        raise failure_in(source.name, error, f"{factory.__name__}{_shown(given)} failed") from error
    values = {n: p.default for n, p in signature.items() if n in optional} | given
    parameters = {n: int(v) for n, v in values.items() if isinstance(v, int)}
    return _as_prim_func(made, at), parameters


def _shown(given: Mapping[str, int]) -> str:
    return "(" + ", ".join(f"{name}={value}" for name, value in given.items()) + ")"


def _as_prim_func(made: Any, at: Location) -> PrimFunc:
    if isinstance(made, PrimFunc):
        return made
    is_sequence = isinstance(made, list | tuple)
    if is_sequence and made and all(isinstance(t, te.Tensor) for t in made):
        return te.create_prim_func(list(made))
    raise SourceError(f"this function returned {type(made).__name__}", at=at, hint=_TAKES)


def _check_names(
    given: Mapping[str, int], known: Mapping[str, object], optional: set[str], at: Location
) -> None:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else None
            takes = _list(known) or "none"
            raise SourceError(f"no parameter '{name}'; it takes {takes}", at=at, hint=hint)
    missing = [name for name in known if name not in given and name not in optional]
    if missing:
        raise SourceError(
            f"parameter {', '.join(missing)} needs a value",
            at=at,
            hint="give it under `parameters:` in the spec, or with --set NAME=VALUE",
        )
