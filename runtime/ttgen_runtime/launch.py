"""The parent's side of a session: starting one, compiling and running kernels in it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

import ttgen
from ttgen.counterpart import Counterpart
from ttgen.errors import DeviceError, TTError
from ttgen.plan import load
from ttgen.plan.model import Plan
from ttgen.sdk import prepare_root
from ttgen.service import Service
from ttgen_runtime.bench import Entry, Figures, Measured, MeasuredTtnn, Ttnn, entry
from ttgen_runtime.cycles import Count, Window
from ttgen_runtime.devices import DEVICES, Device, Selection, environment, select
from ttgen_runtime.result import Result, Status, save

#: Seconds for a compilation of three kernels.
COMPILE_LIMIT = 300.0
#: How much slower a cost model makes a simulator.
_COST_MODEL_FACTOR = 6.0
#: How many programs of a kernel's size a benchmark may take as long as: its own, and ttnn's.
_BENCH_PROGRAMS = 2
#: Seconds that a simulator gets to end and to write what it has counted.
_REPORT_LIMIT = 60.0


@dataclass(frozen=True)
class DeviceKey:
    """What a session is for: a name as in :func:`ttgen_runtime.devices.select`, an architecture."""

    device: str
    arch: str


def device_service(
    device: str, arch: str, cache: Path, *, log: Path | None = None, cycles: Path | None = None
) -> Service:
    """A service for ``device`` (``auto`` and the like, or ``mock``); nothing is started yet.

    ``cache`` is the folder that holds ``jit``, ``sdk`` and ``toolchain``. ``log`` takes what SDK
    and simulator print. With ``cycles``, a simulator that can do so models cycles (three to six
    times slower) and leaves its counters in that folder when the service is closed.
    Raises DeviceError and SdkError for what is not there.
    """
    selection = select(device, arch)
    root = prepare_root(cache) if selection.device.needs_sdk else None
    env = environment(selection, arch, root, cache)
    env["PYTHONPATH"] = os.pathsep.join([*_import_path(), env.get("PYTHONPATH", "")]).rstrip(":")
    if cycles is not None and can_model_cycles(selection):
        env.update(TT_SIM_COST_MODEL="1", TT_SIM_TRACE_COUNTERS=str(cycles.absolute()))
    argv = [sys.executable, "-m", selection.device.session, selection.device.name, arch]
    return Service(argv, name=f"{selection} {arch}", env=env, log=log)


def can_model_cycles(selection: Selection) -> bool:
    """Whether that device is a simulator with a cost model."""
    return selection.device.name == "wolfpine"


def _import_path() -> list[str]:
    """The folders that this process has ttgen and ttgen_runtime from, for the child."""
    packages = (Path(ttgen.__file__).parent, Path(__file__).parent)
    return list(dict.fromkeys(str(package.resolve().parent) for package in packages))


def compile_kernel(
    service: Service, plan: Path, sources: Path, elf_dir: Path, *, timeout: float = COMPILE_LIMIT
) -> list[str]:
    """Compile the kernels of ``plan`` in a session; the names of the ELFs in ``elf_dir``.

    SdkError with the compiler's messages; DeviceError when the session died or was too slow.
    """
    service.call("open", timeout=DEVICES["mock"].open_limit)
    args = _paths(plan=plan, sources=sources, elf_dir=elf_dir)
    return list(service.call("compile", args, timeout)["elves"])


def run_kernel(
    service: Service,
    plan: Path,
    sources: Path,
    golden: Path,
    result: Path | None = None,
    *,
    device: str,
    timeout: float | None = None,
    values: Path | None = None,
) -> Result:
    """Run the kernels of ``plan`` and compare with ``golden``; the result, also as a file.

    ``values`` is a file for the outputs, ``out_<name>`` each, as in a golden file.

    Nothing that goes wrong in the session is raised: a kernel that does not compile, a device
    that dies or does not end in time gives a result with the status ``error``. The next call
    starts a new session. PlanError is raised for a plan that is not one. ``device`` is the name
    that the service was made for (not ``auto``); ``timeout`` overrides :func:`run_limit`.
    """
    loaded = load(plan)
    limit = run_limit(loaded, device) if timeout is None else timeout
    try:
        service.call("open", timeout=_kind(device).open_limit)
        args = _paths(plan=plan, sources=sources, golden=golden)
        if values is not None:
            args |= _paths(values=values)
        found = service.call("run", args, limit)
        outcome = msgspec.convert(found, Result)
        outcome = msgspec.structs.replace(outcome, device=device)
    except TTError as error:
        outcome = _error_result(loaded, device, error)
    if result is not None:
        save(outcome, result)
    return outcome


def run_with_cycles(
    device: str,
    arch: str,
    cache: Path,
    plan: Path,
    sources: Path,
    golden: Path,
    result: Path | None = None,
    *,
    log: Path | None = None,
    timeout: float | None = None,
) -> Result:
    """As :func:`run_kernel`, in a session of its own that models cycles if the device can."""
    selection = select(device, arch)
    if timeout is None:
        timeout = run_limit(load(plan), str(selection)) * _COST_MODEL_FACTOR
    with tempfile.TemporaryDirectory(prefix="ttgen-cycles-") as folder:
        service = device_service(str(selection), arch, cache, log=log, cycles=Path(folder))
        try:
            outcome = run_kernel(
                service, plan, sources, golden, device=str(selection), timeout=timeout
            )
        finally:
            service.close(_REPORT_LIMIT)
        if outcome.status != "error" and can_model_cycles(selection):
            (count,) = _count_cycles(Path(folder))
            outcome = msgspec.structs.replace(outcome, cycles=count.cycles)
    if result is not None:
        save(outcome, result)
    return outcome


def bench_kernel(
    device: str,
    arch: str,
    cache: Path,
    plan: Path,
    sources: Path,
    golden: Path,
    call: Counterpart | None,
    *,
    log: Path | None = None,
) -> Entry:
    """What a kernel takes, and then ttnn's own ``call`` in the same session on the same tensors.

    Nothing that goes wrong in the session is raised: what takes too long, dies or gives other
    values is told in the entry. An operation of ttnn's that does not end leaves the kernel its
    figures, from a session without it.
    """
    selection = select(device, arch)
    loaded = load(plan)
    if selection.device.session != "ttgen_runtime.session" or not selection.device.runs:
        raise DeviceError(f"{selection} runs no program of ttnn's, which a benchmark is about")
    measure = partial(_measured, selection, loaded, cache, plan, sources, golden, log)
    lost = None
    try:
        try:
            measured, counts = measure(call)
        except DeviceError as error:
            if call is None:
                raise
            lost = error.message
            measured, counts = measure(None)
    except TTError as error:
        return entry(loaded, str(selection), "error", str(error), None, None)
    result = measured.result
    own = Figures(result.seconds, *counts[0])
    ttnn, problem = None, None
    if call is not None and result.passed:
        ttnn, problem = _figures_of_ttnn(call, measured.ttnn, counts, lost)
    status: Status = "error" if problem else result.status
    return entry(loaded, str(selection), status, problem or result.message, own, ttnn)


#: Cores and cycles of a program, as far as they are modelled.
_Counted: TypeAlias = tuple[int | None, int | None]


def _figures_of_ttnn(
    call: Counterpart, measured: MeasuredTtnn | None, counts: list[_Counted], lost: str | None
) -> tuple[Ttnn, str | None]:
    """What is told of ttnn's operation, and the error that its values are."""
    if measured is None or measured.unavailable is not None:
        why = lost if measured is None else measured.unavailable
        return Ttnn(str(call), None, why), None
    if measured.problem is not None:
        problem = f"ttnn.{call} is not what the kernel means: {measured.problem}"
        return Ttnn(str(call), None, measured.problem), problem
    cores, cycles = counts[1]
    if measured.programs != 1:
        # Between two programs the host is at work, while the device counts on.
        why = f"it is {measured.programs} programs, whose cycles are not one span"
        return Ttnn(str(call), Figures(measured.seconds, cores), why), None
    return Ttnn(str(call), Figures(measured.seconds, cores, cycles), None), None


def _measured(
    selection: Selection,
    loaded: Plan,
    cache: Path,
    plan: Path,
    sources: Path,
    golden: Path,
    log: Path | None,
    call: Counterpart | None,
) -> tuple[Measured, list[_Counted]]:
    """A session that runs the kernel and ``call``; what it says, and what its counters do."""
    device, models = str(selection), can_model_cycles(selection)
    limit = _BENCH_PROGRAMS * run_limit(loaded, device) * (_COST_MODEL_FACTOR if models else 1.0)
    with tempfile.TemporaryDirectory(prefix="ttgen-cycles-") as folder:
        service = device_service(device, loaded.arch, cache, log=log, cycles=Path(folder))
        try:
            service.call("open", timeout=selection.device.open_limit)
            args = _paths(plan=plan, sources=sources, golden=golden)
            args["call"] = msgspec.to_builtins(call)
            measured = msgspec.convert(service.call("bench", args, limit), Measured)
        finally:
            service.close(_REPORT_LIMIT)
        if not models:
            return measured, [(None, None)] * len(measured.windows)
        counts = _count_cycles(Path(folder), measured.windows)
    return measured, [(count.cores, count.cycles) for count in counts]


def run_limit(plan: Plan, device: str) -> float:
    """Seconds that a run of ``plan`` may take on ``device``, by the device's row in the table."""
    products = plan.partition.tiles[0] * plan.partition.tiles[1] * plan.partition.len_k
    pages = sum(tensor.pages for tensor in plan.tensors)
    kind = _kind(device)
    return kind.run_limit + kind.tile_limit * (products + pages)


def _kind(device: str) -> Device:
    kind = DEVICES.get(device.partition(":")[0])
    if kind is None:
        raise DeviceError(f"'{device}' is not a device; one has to be chosen with select()")
    return kind


def _count_cycles(folder: Path, windows: Sequence[Window] = ()) -> list[Count]:
    """Read the counters in a process of its own: pyarrow is not for everyone's interpreter."""
    asked = [f"{first}:{last}" for first, last in windows]
    argv = [sys.executable, "-m", "ttgen_runtime.cycles", str(folder), *asked]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(_import_path())}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise DeviceError(f"the simulator's counters cannot be read: {reason}")
    lines = (line.split() for line in done.stdout.splitlines())
    return [Count(None if cycles == "-" else int(cycles), int(cores)) for cycles, cores in lines]


def _paths(**paths: Path) -> dict[str, Any]:
    return {name: str(path.absolute()) for name, path in paths.items()}


def _advice(device: str, error: TTError) -> str:
    after = _kind(device).after_failure if isinstance(error, DeviceError) else ""
    return f"\n  {after}" if after else ""


def _error_result(plan: Plan, device: str, error: TTError) -> Result:
    return Result(
        kernel=plan.kernel,
        arch=plan.arch,
        device=device,
        status="error",
        message=str(error) + _advice(device, error),
        cores=sum(work.count > 0 for work in plan.partition.cores),
        seconds=0.0,
        cycles=None,
        outputs=(),
    )
