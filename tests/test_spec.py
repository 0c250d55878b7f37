"""Build specs: variants, merging, and errors with file, line and the nearest known key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ttgen.errors import SpecError
from ttgen.passes.pipeline import pipeline_options
from ttgen.plan.model import Tolerance
from ttgen.spec import Options, Variant, load_base, load_variants, relative


def variants(project: Path, text: str | None, **options: Any) -> list[Variant]:
    source = project / "kernels" / "gemm.py"
    source.parent.mkdir(exist_ok=True)
    if text is not None:
        source.with_suffix(".yaml").write_text(text)
    return load_variants(source, project, **options)


def test_without_a_spec_there_is_one_variant_for_both_architectures(tmp_path: Path) -> None:
    (only,) = variants(tmp_path, None)
    assert only == Variant(
        name="gemm",
        source="kernels/gemm.py",
        function=None,
        arch=("wormhole_b0", "blackhole"),
        parameters={},
        options={},
        tolerance=Tolerance(pcc=0.999, relative_error=0.02),
        templates=(),
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}"])
def test_an_empty_spec_says_nothing(tmp_path: Path, text: str) -> None:
    assert variants(tmp_path, text) == variants(tmp_path / ".." / tmp_path.name, None)


FULL = """\
function: gemm
arch: [blackhole]
parameters: {M: 64, N: 96}
grid: [2, 3]
core_ranges: [[0, 0, 2, 3]]
partition: column_major
partition_mode: global
layouts:
  A: {memory: DRAM}
fidelity: HiFi2
fp32_dest_acc: false
math_approx: true
dst_full_sync: true
block_tiles: 4
buffering: 3
tolerance: {relative_error: 0.05}
templates: [../templates, mine]
variants:
  plain:
  other:
    parameters: {N: 32, K: 64}
    layouts: {A: {dtype: bf16}, B: {layout: interleaved}}
    tolerance: {pcc: 0.9}
    grid: [1, 1]
"""


def test_a_spec_with_everything(tmp_path: Path) -> None:
    plain, other = variants(tmp_path, FULL)
    assert (plain.name, other.name) == ("gemm-plain", "gemm-other")
    assert plain.function == "gemm"
    assert plain.arch == ("blackhole",)
    assert plain.parameters == {"M": 64, "N": 96}
    assert plain.templates == ("kernels/../templates", "kernels/mine")
    assert plain.options == {
        "grid": (2, 3),
        "core_ranges": ((0, 0, 2, 3),),
        "partition": "column_major",
        "partition_mode": "global",
        "layouts": {"A": {"memory": "DRAM"}},
        "fidelity": "HiFi2",
        "fp32_dest_acc": False,
        "math_approx": True,
        "dst_full_sync": True,
        "block_tiles": 4,
        "buffering": 3,
    }


def test_a_variant_merges_mappings_and_replaces_the_rest(tmp_path: Path) -> None:
    """At every depth: a variant's layout key does not lose the spec's others."""
    _, other = variants(tmp_path, FULL)
    assert other.parameters == {"M": 64, "N": 32, "K": 64}
    assert other.options["layouts"] == {
        "A": {"memory": "DRAM", "dtype": "bf16"},
        "B": {"layout": "interleaved"},
    }
    assert other.options["grid"] == (1, 1)
    assert other.tolerance == Tolerance(pcc=0.9, relative_error=0.05)


def test_every_pass_option_but_the_architecture_has_a_key() -> None:
    assert set(pipeline_options()) - {"arch"} <= set(Options.__struct_fields__)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gird: [1, 1]\n", r"gemm.yaml:1:1: unknown key 'gird'\n  did you mean 'grid'"),
        ("\nzzz: 1\n", r"gemm.yaml:2:1: unknown key 'zzz'\n  known: function, arch"),
        ("variants:\n  a:\n    gird: [1, 1]\n", r":3:5: unknown key 'gird'\n  did you mean 'grid'"),
        (
            "layouts:\n  A:\n    memroy: L1\n",
            r":3:5: unknown key 'memroy'\n  did you mean 'memory'",
        ),
        ("tolerance: {pc: 1}\n", r":1:13: unknown key 'pc'\n  did you mean 'pcc'"),
        ("variants:\n  a: {variants: {}}\n", r":2:7: unknown key 'variants'"),
        ("fidelity: HiFi5\n", r":1:1: fidelity: .*\n  one of: LoFi, HiFi2, HiFi3, HiFi4"),
        (
            "layouts: {A: {memory: SRAM}}\n",
            r":1:15: layouts.A.memory: Invalid enum value .SRAM.\n  one of: DRAM, L1",
        ),
        ("layouts: {A: {halo: 1}}\n", r":1:15: 'halo': halos are not supported"),
        (
            "layouts: {A: {nd_shard: {gird: [2, 1]}}}\n",
            r":1:26: unknown key 'gird'\n  did you mean 'grid'",
        ),
        (
            "layouts: {A: {nd_shard: {order: z}}}\n",
            r"layouts.A.nd_shard.order: .*\n  one of: row_major, column_major",
        ),
        ("partition_mode: local\n", r":1:1: partition_mode: .*\n  one of: global, local_shard"),
        ("core_ranges: [[0, 0, 0, 1]]\n", r":1:22: core_ranges.0.2: Expected `int` >= 1"),
        ("core_ranges: [[0, 0, 1]]\n", r"core_ranges.0: Expected `array` of length 4"),
        ("grid: [1]\n", r":1:1: grid: Expected `array` of length 2"),
        ("grid: [0, 1]\n", r":1:8: grid.0: Expected `int` >= 1"),
        ("parameters: {M: 1.5}\n", r":1:14: parameters.M: Expected `int`, got `float`"),
        ("parameters: {M: true}\n", r"Expected `int`, got `bool`"),
        ("parameters: {'a-b': 1}\n", r":1:1: parameters: Expected `str` matching"),
        ("block_tiles: many\n", r":1:1: block_tiles: Expected `int`, got `str`"),
        (
            "arch: [wormhole]\n",
            r":1:8: unknown architecture 'wormhole'; known: blackhole, wormhole_b0",
        ),
        ("arch: [grayskull]\n", r":1:8: tt-metal dropped Grayskull"),
        ("arch: wormhole_b0\n", r":1:1: arch: Expected `array`, got `str`"),
        ("tolerance: {pcc: 2}\n", r":1:13: tolerance.pcc: Expected `float` <= 1"),
        ("- 1\n", r":1:1: a spec is a mapping"),
        ("variants: {}\n", r":1:1: must map at least one variant"),
        ("variants: [a]\n", r":1:1: must map at least one variant"),
        ("variants:\n  a/b: {}\n", r":2:3: 'a/b' cannot be part of a path"),
        ("variants:\n  a: 3\n", r":2:3: .*Expected `object`, got `int`"),
        ("grid: [1, 1]\ngrid: [2, 2]\n", r":2:1: not valid YAML: 'grid' is given twice"),
        ("grid: [1, 1\n", r":2:1: not valid YAML"),
        ("grid: *a\n", r":1:7: not valid YAML"),
    ],
)
def test_errors_say_file_line_and_what_is_wanted(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SpecError, match=says) as caught:
        variants(tmp_path, text)
    assert str(caught.value).startswith("kernels/gemm.yaml:")


def test_a_spec_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"^mine.yaml: cannot read the spec"):
        variants(tmp_path, None, spec=tmp_path / "mine.yaml")
    (tmp_path / "mine.yaml").write_bytes(b"# \xff")
    with pytest.raises(SpecError, match=r"^mine.yaml: not UTF-8"):
        variants(tmp_path, None, spec=tmp_path / "mine.yaml")


def test_values_given_elsewhere_come_on_top_of_the_spec(tmp_path: Path) -> None:
    variants(tmp_path, FULL)
    source = tmp_path / "kernels" / "gemm.py"
    made = load_base(
        source, tmp_path, parameters={"K": 32}, options={"grid": [1, 2], "parameters": {"M": 32}}
    )
    assert made.name == "gemm"
    assert made.parameters == {"M": 32, "N": 96, "K": 32}
    assert made.options["grid"] == (1, 2)
    assert made.options["fidelity"] == "HiFi2"
    named = load_base(source, tmp_path, parameters={}, options={}, function="other")
    assert (named.name, named.function) == ("gemm-other", "other")


def test_values_given_elsewhere_have_errors_without_a_file(tmp_path: Path) -> None:
    source = tmp_path / "gemm.py"
    with pytest.raises(SpecError, match=r"^unknown key 'gird'\n  did you mean 'grid'"):
        load_base(source, tmp_path, parameters={}, options={"gird": 1})
    with pytest.raises(SpecError, match=r"^parameters.*Expected `int`, got `str`"):
        load_base(source, tmp_path, parameters={"M": "x"}, options={})  # type: ignore[dict-item]


def test_paths_relative_to_the_project(tmp_path: Path) -> None:
    assert relative(tmp_path / "a" / "b.py", tmp_path) == "a/b.py"
    assert relative(tmp_path / "b.py", tmp_path / "a") == "b.py"


@pytest.mark.parametrize("written", ["1e-9", "1E-9", "0.000000001", "1.0e-9"])
def test_numbers_with_an_exponent_are_numbers(tmp_path: Path, written: str) -> None:
    (only,) = variants(tmp_path, f"tolerance: {{relative_error: {written}}}\n")
    assert only.tolerance.relative_error == 1e-9
