"""Finding a kernel in a source, and its parameters (D3)."""

from __future__ import annotations

from pathlib import Path

import pytest
from sources import HEADER, elementwise, gemm, kernel, plan_of

from ttgen.errors import SourceError
from ttgen.frontend.kernel import find_kernel
from ttgen.frontend.source import load_source

FACTORY = """\
def k(M: int, N: int = 64, wide=False, dtype="bfloat16"):
    @T.prim_func
    def inner(A: T.Buffer((M, N), dtype), C: T.Buffer((M, N), dtype)):
        for i, j in T.grid(M, N):
            C[i, j] = A[i, j]
    return inner
"""
TWO = (
    "@T.prim_func\ndef other"
    + elementwise("copy", (32, 32)).partition("def k")[2]
    + elementwise("copy", (64, 64))
)


def test_the_kernel_called_like_the_file_is_the_default() -> None:
    assert int(kernel(TWO).func.params[0].ty.shape[0]) == 64
    assert int(kernel(TWO, "other").func.params[0].ty.shape[0]) == 32


def test_the_only_kernel_is_the_default() -> None:
    assert kernel(TWO.partition("@T.prim_func\ndef k")[0]).function == "other"


def test_helpers_and_private_names_are_no_kernels() -> None:
    source = "from math import sqrt\n\ndef _private(): ...\n\n" + elementwise("copy", (32, 32))
    with pytest.raises(SourceError, match=r"kernels/k.py:1: no kernel 'sqrt' here; there is k"):
        kernel(source, "sqrt")


def test_parameters_and_defaults_are_recorded_as_numbers() -> None:
    """A flag's default is a number in the plan."""
    made = kernel(FACTORY, M=96)
    assert made.parameters == {"M": 96, "N": 64, "wide": 0}
    assert [type(value) for value in made.parameters.values()] == [int, int, int]
    assert made.func.attrs["global_symbol"] == "k"
    assert plan_of(FACTORY.replace("M: int", "M=32")).source.parameters == {
        "M": 32,
        "N": 64,
        "wide": 0,
    }


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "kernels/k.py:3: parameter M needs a value\n.*--set NAME=VALUE"),
        ({"M": 32, "K": 1}, "kernels/k.py:3: no parameter 'K'; it takes M, N, dtype, wide"),
        ({"M": 32, "wid": 1}, "no parameter 'wid'.*\n  did you mean 'wide'"),
    ],
)
def test_parameters_that_do_not_fit(given: dict[str, int], says: str) -> None:
    with pytest.raises(SourceError, match=says):
        kernel(FACTORY, **given)


def test_a_prim_func_without_parameters_takes_none() -> None:
    with pytest.raises(SourceError, match="no parameter 'M'; it takes none"):
        kernel(gemm(32, 32, 32), M=1)


def test_the_hash_knows_the_computation_and_nothing_else() -> None:
    """Structural: names, places and comments do not change it; shapes and operations do."""
    reference = kernel(elementwise("sub", (64, 64))).hash
    assert len(reference) == 16
    assert int(reference, 16) >= 0
    same = elementwise("sub", (64, 64), names=("X", "Y", "Z"))
    assert kernel("# a comment\n" + same).hash == reference
    for other in (elementwise("add", (64, 64)), elementwise("sub", (64, 96))):
        assert kernel(other).hash != reference


def test_all_hashes_are_hexadecimal() -> None:
    """Of either sign in TVM."""
    hashes = [kernel(elementwise("copy", (32, 32 * n))).hash for n in range(1, 9)]
    assert all(len(text) == 16 and int(text, 16) >= 0 for text in hashes)


def test_two_variants_of_one_source_keep_apart(tmp_path: Path) -> None:
    path = tmp_path / "k.py"
    path.write_text(HEADER + FACTORY)
    source = load_source(path, tmp_path)
    shapes = [find_kernel(source, None, {"M": m}).func.params[0].ty.shape for m in (32, 64)]
    assert [int(shape[0]) for shape in shapes] == [32, 64]
