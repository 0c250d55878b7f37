"""Which of ttnn's own vector operations the clang stand-in compiles, and how close they come.

    python benchmarks/vector_coverage.py                    all of them, on both chips, in bf16
    python benchmarks/vector_coverage.py --arch blackhole --dtype float32 exp gelu tanh

Each operation runs on one tile on Wolfpine, and is held to NumPy in float64: the largest error in
units of the last place of the output, and the correlation. Half a unit is what rounding takes. An
operation takes some ten seconds, most of them for compilation, unless --cache has it from before.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import select as selecting
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import psutil

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURES = ("wormhole_b0", "blackhole")
MANTISSA = {"bfloat16": 8, "float32": 24}
#: Seconds for an operation, compilation included.
LIMIT = 300.0

Array: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Operation:
    """``arguments`` follow the tensor; ``values`` are drawn from there, or normally distributed."""

    meaning: Callable[[Array], Any]
    arguments: tuple[Any, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    values: tuple[float, float] | None = None


def each(function: Callable[[float], float]) -> Callable[[Array], Array]:
    return np.vectorize(function, otypes=[np.float64])


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softplus(x: Array) -> Array:
    return np.logaddexp(0, x)


def slope_of(function: Callable[[Array], Array], x: Array, step: float = 1e-4) -> Array:
    return (function(x + step) - function(x - step)) / (2 * step)


def inverse_of_erf(y: Array) -> Array:
    x = np.zeros_like(y)
    for _ in range(60):
        x -= (each(math.erf)(x) - y) * math.sqrt(math.pi) / 2 * np.exp(x * x)
    return x


def normalised(x: Array) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)


def softmax(x: Array) -> Array:
    exponentials = np.exp(x - x.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def shrunk(x: Array) -> Array:
    return np.sign(x) * np.maximum(np.abs(x) - 0.5, 0)


POSITIVE, UNIT, ABOVE_ONE, SMALL = (0.01, 10.0), (-0.98, 0.98), (1.0, 10.0), (-3.0, 3.0)
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

OPERATIONS: dict[str, Operation] = {
    "abs": Operation(np.abs),
    "acos": Operation(np.arccos, values=UNIT),
    "acosh": Operation(np.arccosh, values=ABOVE_ONE),
    "asin": Operation(np.arcsin, values=UNIT),
    "asinh": Operation(np.arcsinh),
    "atan": Operation(np.arctan),
    "atanh": Operation(np.arctanh, values=UNIT),
    "cbrt": Operation(np.cbrt),
    "ceil": Operation(np.ceil),
    "celu": Operation(
        lambda x: np.maximum(x, 0) + np.minimum(0, np.expm1(x)), options=(("alpha", 1.0),)
    ),
    "clamp": Operation(lambda x: np.clip(x, -0.5, 0.75), (-0.5, 0.75)),
    "cos": Operation(np.cos),
    "cosh": Operation(np.cosh),
    "deg2rad": Operation(np.deg2rad),
    "digamma": Operation(lambda x: slope_of(each(math.lgamma), x), values=ABOVE_ONE),
    "elu": Operation(lambda x: np.where(x > 0, x, np.expm1(x)), options=(("alpha", 1.0),)),
    "eqz": Operation(lambda x: x == 0),
    "erf": Operation(each(math.erf)),
    "erfc": Operation(each(math.erfc), values=(-2.0, 2.0)),
    "erfinv": Operation(inverse_of_erf, values=(-0.9, 0.9)),
    "exp": Operation(np.exp),
    "exp2": Operation(np.exp2),
    "expm1": Operation(np.expm1),
    "floor": Operation(np.floor),
    "frac": Operation(lambda x: x - np.trunc(x)),
    "gelu": Operation(lambda x: x / 2 * (1 + each(math.erf)(x / math.sqrt(2)))),
    "gez": Operation(lambda x: x >= 0),
    "gtz": Operation(lambda x: x > 0),
    "hardmish": Operation(lambda x: x * np.clip(x / 2 + 1, 0, 1)),
    "hardshrink": Operation(lambda x: np.where(np.abs(x) > 0.5, x, 0), options=(("lambd", 0.5),)),
    "hardsigmoid": Operation(lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    "hardswish": Operation(lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    "hardtanh": Operation(lambda x: np.clip(x, -1, 1)),
    "heaviside": Operation(lambda x: np.heaviside(x, 0.5), (0.5,)),
    "i0": Operation(np.i0, values=SMALL),
    "i1": Operation(lambda x: slope_of(np.i0, x), values=SMALL),
    "isfinite": Operation(np.isfinite),
    "isinf": Operation(np.isinf),
    "isnan": Operation(np.isnan),
    "layer_norm": Operation(normalised, options=(("epsilon", 1e-5),)),
    "leaky_relu": Operation(lambda x: np.where(x > 0, x, x / 8), (0.125,)),
    "lez": Operation(lambda x: x <= 0),
    "lgamma": Operation(each(math.lgamma), values=ABOVE_ONE),
    "log": Operation(np.log, values=POSITIVE),
    "log10": Operation(np.log10, values=POSITIVE),
    "log1p": Operation(np.log1p, values=POSITIVE),
    "log2": Operation(np.log2, values=POSITIVE),
    "log_sigmoid": Operation(lambda x: -softplus(-x)),
    "logical_not": Operation(lambda x: x == 0),
    "logit": Operation(lambda x: np.log(x / (1 - x)), values=(0.05, 0.95)),
    "ltz": Operation(lambda x: x < 0),
    "mish": Operation(lambda x: x * np.tanh(softplus(x))),
    "neg": Operation(np.negative),
    "nez": Operation(lambda x: x != 0),
    "pow": Operation(lambda x: x**3, (3,)),
    "rad2deg": Operation(np.rad2deg),
    "reciprocal": Operation(np.reciprocal),
    "relu": Operation(lambda x: np.maximum(x, 0)),
    "relu6": Operation(lambda x: np.clip(x, 0, 6)),
    "relu_max": Operation(lambda x: np.clip(x, 0, 0.75), (0.75,)),
    "relu_min": Operation(lambda x: np.maximum(x, 0.5), (0.5,)),
    "rms_norm": Operation(
        lambda x: x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5), options=(("epsilon", 1e-5),)
    ),
    "round": Operation(np.round),
    "rpow": Operation(lambda x: 2.0**x, (2.0,)),
    "rsqrt": Operation(lambda x: 1 / np.sqrt(x), values=POSITIVE),
    "rsub": Operation(lambda x: 2 - x, (2.0,)),
    "selu": Operation(lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(x))),
    "sigmoid": Operation(sigmoid),
    "sigmoid_accurate": Operation(sigmoid),
    "sign": Operation(np.sign),
    "signbit": Operation(np.signbit),
    "silu": Operation(lambda x: x * sigmoid(x)),
    "sin": Operation(np.sin),
    "sinh": Operation(np.sinh),
    "softmax": Operation(softmax, options=(("dim", -1),)),
    "softplus": Operation(softplus),
    "softshrink": Operation(shrunk, options=(("lambd", 0.5),)),
    "softsign": Operation(lambda x: x / (1 + np.abs(x))),
    "sqrt": Operation(np.sqrt, values=POSITIVE),
    "square": Operation(np.square),
    "swish": Operation(lambda x: x * sigmoid(x)),
    "tan": Operation(np.tan, values=(-1.4, 1.4)),
    "tanh": Operation(np.tanh),
    "tanhshrink": Operation(lambda x: x - np.tanh(x)),
    "threshold": Operation(lambda x: np.where(x > 0.5, x, 0.25), (0.5, 0.25)),
    "trunc": Operation(np.trunc),
}


def operand(operation: Operation) -> npt.NDArray[np.float32]:
    random = np.random.default_rng(2)
    if operation.values is None:
        return random.standard_normal((32, 32)).astype(np.float32) * 2
    return random.uniform(*operation.values, (32, 32)).astype(np.float32)


def closeness(found: Array, meant: Array, mantissa: int) -> tuple[float, float]:
    """The largest error in units of the last place of a result, and the correlation."""
    unit = np.ldexp(1.0, np.frexp(np.where(meant == 0, 1, meant))[1] - mantissa)
    constant = np.ptp(meant) == 0 or np.ptp(found) == 0
    pcc = (
        float(np.array_equal(found, meant))
        if constant
        else np.corrcoef(found.flat, meant.flat)[0, 1]
    )
    return float((np.abs(found - meant) / unit).max()), float(pcc)


def measure(names: Iterable[str], dtype: str) -> None:
    """In a process that has the device: a line of JSON for each operation."""
    import ttnn

    device = ttnn.open_device(device_id=0)
    for name in names:
        operation = OPERATIONS[name]
        tensor = ttnn.Tensor(
            operand(operation),
            data_type=getattr(ttnn, dtype),
            device=device,
            layout=ttnn.TILE_LAYOUT,
            mem_config=ttnn.DRAM_MEMORY_CONFIG,
        )
        try:
            result = getattr(ttnn, name)(tensor, *operation.arguments, **dict(operation.options))
            before, after = (values_of(ttnn, t) for t in (tensor, result))
            with np.errstate(all="ignore"):
                meant = np.asarray(operation.meaning(before), np.float64)
                ulps, pcc = closeness(after, meant, MANTISSA[dtype])
            line: dict[str, Any] = {"name": name, "ulps": ulps, "pcc": pcc}
        except (RuntimeError, TypeError) as error:
            line = {"name": name, "error": str(error)}
        print(f"\nRESULT {json.dumps(line)}", flush=True)
    os._exit(0)  # ttnn's own end waits for the simulator


def values_of(ttnn: Any, tensor: Any) -> Array:
    host = ttnn.to_dtype(tensor.cpu(), ttnn.float32)
    return np.array(np.from_dlpack(host.to_numpy())).astype(np.float64)


def results(arch: str, dtype: str, names: list[str], cache: Path) -> Iterator[dict[str, Any]]:
    """The lines of processes that measure: another one where one has died or taken too long."""
    from ttgen.sdk import prepare_root
    from ttgen_runtime.devices import environment, select

    os.environ.setdefault("TTGEN_TOOLCHAIN", "clang")
    env = environment(select("wolfpine", arch), arch, prepare_root(cache), cache)
    left = list(names)
    while left:
        command = [sys.executable, __file__, "--measure", "--dtype", dtype, *left]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=quiet) as child:
            family = [psutil.Process(child.pid)]
            for line in lines(child, family):
                left.remove(line["name"])
                yield line
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        if left:
            yield {"name": left.pop(0), "error": "the simulator died of it, or it took too long"}


def lines(child: subprocess.Popen[bytes], family: list[psutil.Process]) -> Iterator[dict[str, Any]]:
    """What a process has found, until it ends or says nothing more for LIMIT seconds.

    The simulator may outlive it and keep the pipe open: ``family`` gets to know all that it starts.
    """
    assert child.stdout is not None
    text, silent = b"", 0.0
    while silent < LIMIT:
        with suppress(psutil.NoSuchProcess):
            family += [p for p in family[0].children(recursive=True) if p not in family]
        if selecting.select([child.stdout], [], [], 1)[0]:
            *whole, text = (text + os.read(child.stdout.fileno(), 1 << 16)).split(b"\n")
            yield from (json.loads(line[7:]) for line in whole if line.startswith(b"RESULT "))
            silent = 0.0
        elif child.poll() is not None:
            return
        else:
            silent += 1


def shown(line: dict[str, Any]) -> str:
    if "error" in line:
        problem = re.search(r"error: (.*)", line["error"])
        return (problem[1] if problem else line["error"].strip().splitlines()[0])[:90]
    return f"{line['ulps']:.1f} ulp, {line['pcc']:.6f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--arch", action="append", choices=ARCHITECTURES)
    parser.add_argument("--dtype", choices=sorted(MANTISSA), default="bfloat16")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / ".cache")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "names", nargs="*", metavar="operation", help="all of them if none is named"
    )
    chosen = parser.parse_args()
    if chosen.measure:
        measure(chosen.names, chosen.dtype)
    sys.path[:0] = [str(ROOT), str(ROOT / "runtime")]
    for arch in chosen.arch or ARCHITECTURES:
        for line in results(arch, chosen.dtype, chosen.names or list(OPERATIONS), chosen.cache):
            print(f"{arch:12} {line['name']:18} {shown(line)}", flush=True)


if __name__ == "__main__":
    main()
