"""Build specs: the YAML file beside a kernel source that says which variants to build, and how.

A spec is optional; without one a kernel is built once, for both architectures, with its
function's default parameters.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

import msgspec
import yaml
from msgspec import UNSET, Meta, Struct, UnsetType

from ttgen.arch import ARCHITECTURES, REFUSED
from ttgen.errors import Location, SpecError
from ttgen.layouts import REFUSED as REFUSED_KEYS
from ttgen.plan.model import Extent, Identifier, PartitionMode, Tolerance
from ttgen.textpos import PathItem, locate, parse_msgspec_path

#: x, y, width, height of cores.
Rectangle: TypeAlias = tuple[Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=0)], Extent, Extent]
Fidelity: TypeAlias = Literal["LoFi", "HiFi2", "HiFi3", "HiFi4"]
_DEFAULT_TOLERANCE = {"pcc": 0.999, "relative_error": 0.02}
_VARIANT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+]*")


class NdShardSpec(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a sharded tensor is cut; see :mod:`ttgen.layouts`."""

    axes: tuple[str, ...] | UnsetType = UNSET
    grid: tuple[Extent, ...] | UnsetType = UNSET
    shard_shape: tuple[Extent, ...] | UnsetType = UNSET
    order: Literal["row_major", "column_major"] | UnsetType = UNSET
    cores: tuple[Rectangle, ...] | UnsetType = UNSET


class LayoutSpec(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A tensor's layout as the user asks for it; what is not said follows from the source."""

    memory: Literal["DRAM", "L1"] | UnsetType = UNSET
    layout: Literal["interleaved", "sharded"] | UnsetType = UNSET
    tile_shape: tuple[Extent, Extent] | UnsetType = UNSET
    dtype: str | UnsetType = UNSET
    nd_shard: NdShardSpec | UnsetType = UNSET
    page: Literal["tile", "row"] | UnsetType = UNSET
    order: tuple[Annotated[int, Meta(ge=0)], ...] | UnsetType = UNSET


class ToleranceSpec(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What counts as equal; see :class:`ttgen.plan.model.Tolerance`."""

    pcc: Annotated[float, Meta(ge=0.0, le=1.0)] | UnsetType = UNSET
    relative_error: Annotated[float, Meta(ge=0.0)] | UnsetType = UNSET


class Options(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a variant may set. A variant's value replaces the spec's; mappings are merged.

    ``grid`` is (columns, rows) of cores, ``core_ranges`` are rectangles of them: [x, y, width,
    height]; ``stream_tiles`` tiles of a row at a time, where it is streamed; ``block_tiles`` tiles
    per barrier and ``buffering`` blocks per circular buffer; ``templates`` folders, relative to the
    spec.
    """

    function: Identifier | UnsetType = UNSET
    arch: tuple[str, ...] | UnsetType = UNSET
    parameters: dict[Identifier, int] | UnsetType = UNSET
    grid: tuple[Extent, Extent] | UnsetType = UNSET
    core_ranges: tuple[Rectangle, ...] | UnsetType = UNSET
    partition: str | UnsetType = UNSET
    partition_mode: PartitionMode | UnsetType = UNSET
    layouts: dict[Identifier, LayoutSpec] | UnsetType = UNSET
    fidelity: Fidelity | UnsetType = UNSET
    fp32_dest_acc: bool | UnsetType = UNSET
    math_approx: bool | UnsetType = UNSET
    dst_full_sync: bool | UnsetType = UNSET
    stream_tiles: Extent | UnsetType = UNSET
    block_tiles: Extent | UnsetType = UNSET
    buffering: Extent | UnsetType = UNSET
    tolerance: ToleranceSpec | UnsetType = UNSET
    templates: tuple[str, ...] | UnsetType = UNSET


#: Options that go to the passes, under the same names.
_PASS_OPTIONS = (
    "grid",
    "core_ranges",
    "partition",
    "partition_mode",
    "layouts",
    "fidelity",
    "fp32_dest_acc",
    "math_approx",
    "dst_full_sync",
    "stream_tiles",
    "block_tiles",
    "buffering",
)


class Variant(Struct, frozen=True):
    """One kernel to build: a source, a function of it, and everything that decides its plan.

    ``source`` and ``templates`` are relative to the project. ``name`` is the kernel's folder name.
    """

    name: str
    source: str
    function: str | None
    arch: tuple[str, ...]
    parameters: dict[str, int]
    options: dict[str, Any]
    tolerance: Tolerance
    templates: tuple[str, ...]


#: Reads a variant from JSON. Made here, at import: msgspec 0.22 crashes where two threads look at
#: a type for the first time.
VARIANTS = msgspec.json.Decoder(Variant)


def load_variants(
    source: Path, project: Path, *, name: str | None = None, spec: Path | None = None
) -> list[Variant]:
    """The variants of the kernel source ``source``, from ``spec`` or the one beside it, if any.

    ``name`` is what the kernel is called, its file's name without suffix by default.
    SpecError says file, line and column of what is wrong.
    """
    name = name or source.stem
    if spec is None:
        spec = source.with_suffix(".yaml")
        if not spec.is_file():
            return [_variant(source, project, name, Options())]
    text = _read(spec, project)
    return _Parser(text, spec, source, project, name).variants()


def _read(spec: Path, project: Path) -> str:
    at = Location(relative(spec, project))
    try:
        return spec.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"cannot read the spec: {error.strerror}", at=at) from None
    except UnicodeDecodeError as error:
        raise SpecError(f"not UTF-8: {error.reason}", at=at) from None


def relative(path: Path, project: Path) -> str:
    """``path`` relative to the project; the file name alone for a file elsewhere."""
    return path.relative_to(project).as_posix() if path.is_relative_to(project) else path.name


def load_base(
    source: Path,
    project: Path,
    *,
    parameters: Mapping[str, int],
    options: Mapping[str, Any],
    function: str | None = None,
) -> Variant:
    """What the spec beside ``source`` says for all variants, with values given elsewhere on top.

    ``options`` have the spec's keys. SpecError as in :func:`load_variants`.
    """
    spec = source.with_suffix(".yaml")
    text = _read(spec, project) if spec.is_file() else ""
    parser = _Parser(text, spec, source, project, source.stem)
    own = _merged(parser.given(options), parser.given({"parameters": dict(parameters)}))
    variant = _variant(source, project, source.stem, _merged(parser.base(), own))
    if function is None:
        return variant
    name = source.stem if function == source.stem else f"{source.stem}-{function}"
    return msgspec.structs.replace(variant, name=name, function=function)


class _UniqueKeyLoader(yaml.CSafeLoader):
    """YAML that refuses a key given twice, instead of losing the first."""


def _unique_mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.value in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"'{key.value}' is given twice", key.start_mark
            )
        seen.add(key.value)
    return loader.construct_mapping(node, deep=True)


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)
# YAML 1.1 takes 1e-9 for a string, since it has no dot; nobody means that here.
_UniqueKeyLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def parse_value(text: str) -> Any:
    """A YAML value as specs have them; yaml.YAMLError where it is none."""
    return yaml.load(text, Loader=_UniqueKeyLoader)


class _Parser:
    """One spec's text, turned into variants."""

    def __init__(self, text: str, spec: Path, source: Path, project: Path, kernel: str) -> None:
        self._text, self._file, self._kernel = text, relative(spec, project), kernel
        self._spec, self._source, self._project = spec, source, project

    def variants(self) -> list[Variant]:
        document = self._document()
        variants = document.pop("variants", None)
        base = self._options(document, [])
        if variants is None:
            return [self._variant(self._kernel, base)]
        if not isinstance(variants, dict) or not variants:
            raise self._error(["variants"], "must map at least one variant's name to its options")
        return list(self._named_variants(variants, base))

    def base(self) -> Options:
        """The options outside of ``variants``."""
        document = self._document()
        document.pop("variants", None)
        return self._options(document, [])

    def given(self, options: Mapping[str, Any]) -> Options:
        """Options that stand in no file."""
        try:
            return msgspec.convert(options, Options)
        except msgspec.ValidationError as error:
            raised = self._invalid(str(error), options, [])
            raise SpecError(raised.message, hint=raised.hint) from None

    def _named_variants(self, variants: Mapping[Any, Any], base: Options) -> Iterator[Variant]:
        for key, value in variants.items():
            name, path = str(key), ["variants", str(key)]
            if not _VARIANT_NAME.fullmatch(name):
                problem = f"'{name}' cannot be part of a path: use letters, digits, '_', '.', '+'"
                raise self._error(path, problem)
            own = self._options({} if value is None else value, path)
            full_name = f"{self._kernel}-{name}"
            yield self._variant(full_name, _merged(base, own))

    def _variant(self, name: str, options: Options) -> Variant:
        return _variant(self._source, self._project, name, options, self._spec)

    def _document(self) -> dict[str, Any]:
        try:
            document = yaml.load(self._text, Loader=_UniqueKeyLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            at = Location(self._file, mark.line + 1, mark.column + 1) if mark else None
            raise SpecError(
                f"not valid YAML: {error.problem}", at=at or Location(self._file)
            ) from None
        if document is None:
            return {}
        if not isinstance(document, dict):
            raise self._error([], "a spec is a mapping of keys to values")
        return document

    def _options(self, value: Any, path: list[str]) -> Options:
        try:
            options = msgspec.convert(value, Options)
        except msgspec.ValidationError as error:
            raise self._invalid(str(error), value, path) from None
        for i, arch in enumerate(options.arch or ()):
            if arch not in ARCHITECTURES:
                known = ", ".join(sorted(ARCHITECTURES))
                problem = REFUSED.get(arch, f"unknown architecture '{arch}'; known: {known}")
                raise self._error([*path, "arch", i], problem)
        return options

    def _invalid(self, text: str, value: Any, path: list[str]) -> SpecError:
        problem, below = parse_msgspec_path(text)
        unknown = re.search(r"unknown field `(.*)`", problem)
        if unknown is None:
            below = _with_entry(value, below)
            where = ".".join(str(item) for item in below)
            return self._error([*path, *below], f"{where}: {problem}", _choices(below))
        key = unknown[1]
        if key in REFUSED_KEYS:
            return self._error([*path, *_path_to_key(value, key)], f"'{key}': {REFUSED_KEYS[key]}")
        known = _known_keys(below)
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
        return self._error([*path, *_path_to_key(value, key)], f"unknown key '{key}'", hint)

    def _error(self, path: Sequence[PathItem], problem: str, hint: str | None = None) -> SpecError:
        return SpecError(problem, at=locate(self._text, self._file, path), hint=hint)


def _known_keys(below: Sequence[PathItem]) -> list[str]:
    """The keys that the mapping at ``below`` in an options mapping may have."""
    inner: dict[PathItem, type[Struct]] = {"layouts": LayoutSpec, "tolerance": ToleranceSpec}
    struct = inner.get(below[0], Options) if below else Options
    struct = NdShardSpec if "nd_shard" in below else struct
    return [*struct.__struct_fields__, *(["variants"] if struct is Options else [])]


def _choices(below: Sequence[PathItem]) -> str | None:
    """The values that the option at ``below`` may have, if it is one of a list."""
    struct: type[Struct] = LayoutSpec if below and below[0] == "layouts" else Options
    hints = get_type_hints(NdShardSpec if "nd_shard" in below else struct)
    for alternative in get_args(hints.get(str(below[-1]))) if below else ():
        if get_origin(alternative) is Literal:
            return f"one of: {', '.join(get_args(alternative))}"
    return None


def _with_entry(value: Any, below: list[PathItem]) -> list[PathItem]:
    """``below`` with the entry of a mapping, which msgspec leaves out: the first that is wrong."""
    kinds: dict[PathItem, Any] = {"layouts": LayoutSpec, "parameters": int}
    for key in below[:1]:
        entries = value[key] if key in kinds else None
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            try:
                msgspec.convert(entry, kinds[key])
            except msgspec.ValidationError:
                return [key, name, *below[1:]]
    return below


def _path_to_key(value: Any, key: str) -> list[PathItem]:
    """Where in ``value`` the key stands; msgspec does not say which entry of a mapping it means."""
    if not isinstance(value, dict):
        return []
    if key in value:
        return [key]
    for name, inner in value.items():
        found = _path_to_key(inner, key)
        if found:
            return [name, *found]
    return []


def _merged(base: Options, own: Options) -> Options:
    """``base`` with what ``own`` sets; mappings are merged key by key, at every depth."""
    return msgspec.convert(
        _merged_values(msgspec.to_builtins(base), msgspec.to_builtins(own)), Options
    )


def _merged_values(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        both = isinstance(base.get(key), dict) and isinstance(value, dict)
        merged[key] = _merged_values(base[key], value) if both else value
    return merged


def _variant(
    source: Path, project: Path, name: str, options: Options, spec: Path | None = None
) -> Variant:
    """The variant ``name``; folders that ``options`` name are relative to ``spec``."""
    given = {key: getattr(options, key) for key in _PASS_OPTIONS}
    tolerance = msgspec.to_builtins(options.tolerance) if options.tolerance else {}
    folder = Path(relative(spec or source, project)).parent
    return Variant(
        name=name,
        source=relative(source, project),
        function=options.function or None,
        arch=options.arch or tuple(ARCHITECTURES),
        parameters=options.parameters or {},
        options={key: msgspec.to_builtins(v) for key, v in given.items() if v is not UNSET},
        tolerance=Tolerance(**{**_DEFAULT_TOLERANCE, **tolerance}),
        templates=tuple((folder / path).as_posix() for path in options.templates or ()),
    )
