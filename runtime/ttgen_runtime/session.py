"""The child process that owns one device: compiles programs for it and runs them on it.

``python -m ttgen_runtime.session DEVICE ARCH`` answers requests of :class:`ttgen.service.Service`,
in the environment that :func:`ttgen_runtime.devices.environment` makes. This is the only module
that imports ttnn.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from ttgen import service
from ttgen.errors import DeviceError, SdkError
from ttgen.files import write_atomically, write_bytes_atomically
from ttgen.outputs import HEADERS
from ttgen.toolchain.standby import Standby
from ttgen_runtime.devices import DEVICES, Device
from ttgen_runtime.headers import encode, headers_read

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ttgen.counterpart import Counterpart
    from ttgen.plan.model import Plan, Tensor
    from ttgen_runtime.bench import Measured, MeasuredTtnn
    from ttgen_runtime.clock import Clock

    Array = npt.NDArray[np.generic]

#: Variables that make Wolfpine write something when it ends.
_REPORTS = ("TT_SIM_PROFILE", "TT_SIM_TRACE", "TT_SIM_RECORD")
#: What a tensor's page is filled with that the program has not written, where NaN will not do.
_POISON = {"int32": -0x5A5A5A5B, "uint32": 0xA5A5A5A5, "uint16": 0xA5A5, "uint8": 0xA5}
_ELF_PATH = re.compile(r"(/.+?\.elf)(?=:/|$)")


@dataclass
class Session:
    """One device, opened when it is first needed."""

    device: Device
    arch: str
    _open: _OpenDevice | None = field(default=None, init=False)

    def open(self) -> dict[str, Any]:
        """Open the device; what there is to know about it. Does nothing when it is open."""
        if self._open is None:
            standby = Standby(Path(os.environ["TT_METAL_RUNTIME_ROOT"]))
            with ExitStack() as undo, _translated_errors():
                undo.callback(standby.close)
                self._open = _open_device(self.device, self.arch, standby)
                undo.pop_all()
        return self._open.facts

    def compile(self, plan: str, sources: str, elf_dir: str) -> dict[str, list[str]]:
        """Build the kernels in the folder ``sources``; their five ELFs go to ``elf_dir``.

        So does a list of the SDK's headers that the compiler has read.
        """
        from ttgen.plan import load

        if self.device.runs:
            raise DeviceError(f"device '{self.device.name}' runs kernels: compile them with 'mock'")
        self.open()
        assert self._open is not None
        loaded = load(Path(plan))
        with _translated_errors():
            _compile(self._open, loaded, Path(sources))
        elves = _program_elves(self._open.logs, loaded, Path(sources))
        for name, path in elves.items():
            write_bytes_atomically(Path(elf_dir) / name, path.read_bytes())
        read = headers_read(elves.values(), Path(os.environ["TT_METAL_RUNTIME_ROOT"]))
        write_atomically(Path(elf_dir) / HEADERS, encode(read))
        return {"elves": sorted(elves)}

    def run(
        self, plan: str, sources: str, golden: str, values: str | None = None
    ) -> dict[str, Any]:
        """Run the kernels on the inputs in ``golden`` and compare: a Result as builtins.

        ``values`` is a file for the outputs.
        """
        import msgspec

        from ttgen.plan import load

        if not self.device.runs:
            raise DeviceError(f"device '{self.device.name}' compiles kernels and cannot run them")
        self.open()
        assert self._open is not None
        loaded = load(Path(plan))
        with _translated_errors():
            result = _run(self._open, loaded, Path(sources), Path(golden), values)
        return dict(msgspec.to_builtins(result))

    def bench(self, plan: str, sources: str, golden: str, call: Any) -> dict[str, Any]:
        """Run the kernels, then ttnn's operation ``call`` (a Counterpart as builtins, or None).

        A :class:`~ttgen_runtime.bench.Measured` as builtins.
        """
        import msgspec

        from ttgen.counterpart import Counterpart
        from ttgen.plan import load

        self.open()
        assert self._open is not None
        loaded, meant = load(Path(plan)), msgspec.convert(call, Counterpart | None)
        with _translated_errors():
            measured = _bench(self._open, loaded, Path(sources), Path(golden), meant)
        return dict(msgspec.to_builtins(measured))

    def close(self) -> None:
        """Give the device back."""
        if self._open is None:
            return
        opened, self._open = self._open, None
        if not self.device.simulated and self.device.runs:
            opened.ttnn.close_device(opened.handle)
        opened.standby.close()
        shutil.rmtree(opened.logs, ignore_errors=True)


@dataclass(frozen=True)
class _OpenDevice:
    ttnn: Any
    handle: Any
    device: Device
    arch: str
    grid: tuple[int, int]
    logs: Path
    standby: Standby
    facts: dict[str, Any]


def _open_device(device: Device, arch: str, standby: Standby) -> _OpenDevice:
    logs = _log_folder()
    os.environ["TT_METAL_LOGS_PATH"] = str(logs)
    try:
        import ttnn
    except ImportError as error:
        hint = "pip install 'ttgen[sim]'"
        raise SdkError(f"the tt-metal SDK cannot be imported: {error}", hint=hint) from None
    handle = ttnn.open_device(device_id=0)
    # A program is then always made anew, and named in the log that _program_elves reads.
    handle.disable_and_clear_program_cache()
    found = str(handle.arch()).rpartition(".")[2].lower()
    if found != arch:
        ttnn.close_device(handle)
        raise DeviceError(f"the device is a {found}, the kernels are for {arch}")
    size = handle.compute_with_storage_grid_size()
    facts = {
        "device": device.name,
        "arch": found,
        "grid": [size.x, size.y],
        "l1_bytes": ttnn.get_memory_view(handle, ttnn.BufferType.L1).total_bytes_per_bank,
        "ttnn": _version("ttnn"),
    }
    if device.server:
        _watch_simulator(standby)
    return _OpenDevice(ttnn, handle, device, arch, (size.x, size.y), logs, standby, facts)


def _log_folder() -> Path:
    """A new folder: tt-metal numbers the kernels of a process in files there.

    The folders of sessions that were killed are removed.
    """
    prefix, temporary = "session-", Path(tempfile.gettempdir())
    for folder in temporary.glob(f"{prefix}*"):
        owner = folder.name.removeprefix(prefix)
        if owner.isdigit() and (int(owner) == os.getpid() or not psutil.pid_exists(int(owner))):
            shutil.rmtree(folder, ignore_errors=True)
    logs = temporary / f"{prefix}{os.getpid()}"
    logs.mkdir()
    return logs


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def _watch_simulator(standby: Standby) -> None:
    started = [child for child in psutil.Process().children() if child.pid != standby.pid]
    for process in started:
        for one in (process, *process.children(recursive=True)):
            service.watch(one.pid, "simulator")


@contextmanager
def _translated_errors() -> Iterator[None]:
    """What ttnn raises, as errors of ours: the compiler's messages, or what went wrong."""
    from ttgen.toolchain import summarize

    try:
        yield
    except RuntimeError as error:
        text = str(error)
        summary = summarize(text)
        if "build failed" in text:
            raise SdkError(f"the kernels do not compile:\n{summary}") from None
        raise DeviceError(f"tt-metal: {summary}") from None


def _compile(opened: _OpenDevice, plan: Plan, sources: Path) -> None:
    from ttgen_runtime import program

    ttnn = opened.ttnn
    tensors = {
        tensor.name: ttnn.empty(
            list(tensor.device_shape),
            dtype=program.data_type(ttnn, tensor.layout.dtype),
            layout=program.page_layout(ttnn, tensor),
            device=opened.handle,
            memory_config=program.memory_config(ttnn, tensor),
        )
        for tensor in plan.tensors
    }
    _launch(opened, plan, sources, tensors)


def _launch(
    opened: _OpenDevice,
    plan: Plan,
    sources: Path,
    tensors: Mapping[str, Any],
    clock: Clock | None = None,
) -> float:
    """Run the program to its end; seconds. On a mock device this only compiles.

    ``clock`` takes a stamp before the program and one after it.
    """
    from ttgen_runtime import program

    _check(opened, plan, tensors)
    descriptor = program.build_program(opened.ttnn, plan, sources, tensors)
    # ttnn wants the outputs last.
    ordered = sorted(plan.tensors, key=lambda tensor: tensor.role == "output")
    operands = [tensors[tensor.name] for tensor in ordered]
    if opened.device.runs:
        opened.ttnn.generic_op(operands, program.poison_program(opened.ttnn, plan))
        opened.ttnn.synchronize_device(opened.handle)
    return _timed(opened, lambda: opened.ttnn.generic_op(operands, descriptor), clock)[1]


def _timed(
    opened: _OpenDevice, work: Callable[[], Any], clock: Clock | None = None
) -> tuple[Any, float]:
    """What ``work`` gives once the device is done with it, and the seconds that it took."""
    if clock is not None:
        clock.stamp()
    start = time.perf_counter()
    result = work()
    if opened.device.runs:
        opened.ttnn.synchronize_device(opened.handle)
    seconds = time.perf_counter() - start
    if clock is not None:
        clock.stamp()
    return result, seconds


def _check(opened: _OpenDevice, plan: Plan, tensors: Mapping[str, Any]) -> None:
    """What plan and SDK must agree on; DeviceError where they do not."""
    if plan.arch != opened.arch:
        raise DeviceError(f"the plan is for {plan.arch}, the session for {opened.arch}")
    computed = plan.buffers_of(plan.programs.compute)
    unknown = {cb.dtype for cb in computed} & opened.device.lacks_formats
    if unknown:
        raise DeviceError(
            f"{opened.device.name} does not model the format {', '.join(sorted(unknown))}",
            hint="run it on hardware, on ttsim, or on the plan interpreter: device interp",
        )
    width, height = opened.grid
    for x, y in (work.core for work in plan.partition.cores):
        if x >= width or y >= height:
            raise DeviceError(f"the plan uses core ({x}, {y}), the device has {width}x{height}")
    for tensor in plan.tensors:
        found = tensors[tensor.name]
        pages = (found.buffer_num_pages(), found.buffer_page_size())
        if pages != (tensor.pages, tensor.page_bytes):
            planned = f"{tensor.pages} pages of {tensor.page_bytes} bytes"
            problem = f"the plan says {planned}, ttnn {pages[0]} of {pages[1]}"
            raise DeviceError(f"tensor '{tensor.name}': {problem}")


def _program_elves(logs: Path, plan: Plan, sources: Path) -> dict[str, Path]:
    """The ELFs of the program that was made last, by file name.

    tt-metal lists the kernels of a process as ``<number>: <source>``, and in a second file as
    ``<number>: <ELF>:<ELF>…``.
    """
    from ttgen_runtime import program

    folder = logs / "generated" / "watcher"
    names = _numbered(folder / "kernel_names.txt")
    paths = _numbered(folder / "kernel_elf_paths.txt")
    elves: dict[str, Path] = {}
    for name, _ in plan.programs.items():
        source = str(program.source_path(sources, name))
        numbers = [number for number, text in names.items() if text == source and number in paths]
        if numbers:
            found = [Path(path) for path in _ELF_PATH.findall(paths[max(numbers)])]
            elves.update((path.name, path) for path in found)
        missing = [elf for elf in program.ELFS[name] if elf not in elves]
        if missing:
            raise SdkError(f"tt-metal has made no {missing[0]} from {source}")
    return elves


def _numbered(path: Path) -> dict[int, str]:
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise SdkError(f"tt-metal has left no {path.name}: {error.strerror}") from None
    pairs = (line.partition(": ") for line in lines)
    return {int(number): text for number, found, text in pairs if found and number.isdigit()}


def _run(opened: _OpenDevice, plan: Plan, sources: Path, golden: Path, values: str | None) -> Any:
    from ttgen_runtime.verdict import judge, load_golden, save_values

    arrays = load_golden(plan, golden)
    with _placed(opened, plan, arrays) as (tensors, before):
        seconds = _launch(opened, plan, sources, tensors)
        after = _all_values(opened, plan, tensors)
    if values is not None:
        save_values(plan, after, Path(values))
    return judge(plan, opened.device.name, arrays, before, after, seconds)


@contextmanager
def _placed(
    opened: _OpenDevice, plan: Plan, arrays: Mapping[str, Array]
) -> Iterator[tuple[dict[str, Any], dict[str, Array]]]:
    """The tensors of ``plan`` on the device by name, for as long; and the values that they hold."""
    from ttgen_runtime.ordering import in_source

    tensors: dict[str, Any] = {}
    before: dict[str, Array] = {}
    try:
        for tensor in plan.tensors:
            host = _host_tensor(opened.ttnn, tensor, arrays)
            before[tensor.name] = in_source(tensor, _values(opened.ttnn, host))
            tensors[tensor.name] = _to_device(opened, tensor, host)
        yield tensors, before
    finally:
        for device_tensor in tensors.values():
            device_tensor.deallocate()


def _bench(
    opened: _OpenDevice, plan: Plan, sources: Path, golden: Path, meant: Counterpart | None
) -> Measured:
    from ttgen_runtime.bench import Measured
    from ttgen_runtime.clock import Clock
    from ttgen_runtime.verdict import judge, load_golden

    arrays = load_golden(plan, golden)
    clock = Clock(opened.ttnn, opened.handle)
    other = None
    with _placed(opened, plan, arrays) as (tensors, before):
        seconds = _launch(opened, plan, sources, tensors, clock)
        after = _all_values(opened, plan, tensors)
        result = judge(plan, opened.device.name, arrays, before, after, seconds)
        if meant is not None and result.passed:
            other = _bench_ttnn(opened, plan, tensors, arrays, meant, clock)
        stamps = clock.read()
    return Measured(result, tuple(zip(stamps[::2], stamps[1::2], strict=True)), other)


def _bench_ttnn(
    opened: _OpenDevice,
    plan: Plan,
    tensors: Mapping[str, Any],
    arrays: Mapping[str, Array],
    meant: Counterpart,
    clock: Clock,
) -> MeasuredTtnn:
    """Run ttnn's own operation on the kernel's tensors, and hold it to the same values."""
    from ttgen.toolchain import summarize
    from ttgen_runtime import ttnn_call
    from ttgen_runtime.bench import MeasuredTtnn
    from ttgen_runtime.compare import compare
    from ttgen_runtime.ordering import in_source

    output = next(tensor for tensor in plan.tensors if tensor.role == "output")
    started = _programs_made(opened.logs)
    try:
        result, seconds = _timed(
            opened,
            lambda: ttnn_call.call(opened.ttnn, opened.handle, plan, meant, tensors),
            clock,
        )
    except (RuntimeError, TypeError) as error:  # a kernel that does not compile; what it refuses
        clock.stamp()
        return MeasuredTtnn(unavailable=summarize(str(error)))
    # The stamps before and after it are programs, too.
    programs = _programs_made(opened.logs) - started - 2
    values = _values(opened.ttnn, result.cpu())
    result.deallocate()
    expected = arrays[f"out_{output.name}"]
    if values.size != expected.size:
        problem: str | None = f"it gives the shape {values.shape}, the kernel {expected.shape}"
    else:
        values = in_source(output, values)
        problem = compare(output.name, values, expected, plan.tolerance).problem
    return MeasuredTtnn(seconds=seconds, programs=programs, problem=problem)


def _programs_made(logs: Path) -> int:
    """How many programs this process has run so far, as tt-metal's inspector counts them."""
    log = logs / "generated" / "inspector" / "programs_log.yaml"
    return log.read_text().count("program_compile_started:") if log.is_file() else 0


def _host_tensor(ttnn: Any, tensor: Tensor, arrays: Mapping[str, Array]) -> Any:
    """A tensor on the host, in its pages: an input's values, or an output's poison."""
    import numpy as np

    from ttgen.formats import FORMATS
    from ttgen_runtime import program
    from ttgen_runtime.ordering import on_device

    name = FORMATS[tensor.layout.dtype].ttnn or tensor.layout.dtype
    dtype = np.dtype(name) if name in _POISON else np.dtype(np.float32)
    if tensor.role == "input":
        values = on_device(tensor, arrays[f"in_{tensor.name}"].astype(dtype))
    else:
        values = np.full(tensor.device_shape, _POISON.get(name, np.nan), dtype)
    data_type = program.data_type(ttnn, tensor.layout.dtype)
    return ttnn.Tensor(values, data_type=data_type, layout=program.page_layout(ttnn, tensor))


def _all_values(opened: _OpenDevice, plan: Plan, tensors: Mapping[str, Any]) -> dict[str, Array]:
    """What the tensors of ``plan`` hold on the device, by name, in the source's shapes."""
    from ttgen_runtime.ordering import in_source

    return {
        tensor.name: in_source(tensor, _values(opened.ttnn, tensors[tensor.name].cpu()))
        for tensor in plan.tensors
    }


def _to_device(opened: _OpenDevice, tensor: Tensor, host: Any) -> Any:
    from ttgen_runtime import program

    return host.to(opened.handle, program.memory_config(opened.ttnn, tensor))


def _values(ttnn: Any, host: Any) -> Array:
    """The values of a host tensor in its logical shape: float32, or its integer type."""
    import numpy as np

    if host.dtype == ttnn.bfloat16:  # which DLPack has, and numpy has not
        host = ttnn.to_dtype(host, ttnn.float32)
    return np.array(np.from_dlpack(host.to_numpy()))


def handlers(session: Session) -> dict[str, Callable[..., Any]]:
    """The operations of a session by name."""
    return {
        "open": session.open,
        "info": session.open,
        "compile": session.compile,
        "run": session.run,
        "bench": session.bench,
        "close": session.close,
    }


def _end(session: Session) -> None:
    """End the process, the simulator's with it.

    tt-metal's own way out waits 5 s for a simulator and prints what nanobind has leaked. Nothing
    of a simulated or mock device is worth that, unless the simulator has a report to write.
    """
    if not session.device.simulated and session.device.runs:
        return
    if any(name.startswith(_REPORTS) for name in os.environ):
        return
    for process in psutil.Process().children(recursive=True):
        process.kill()
    sys.stdout.flush()
    os._exit(0)


def main(argv: list[str]) -> None:
    """Serve one session until the parent has had enough of it."""
    kind, arch = argv
    session = Session(DEVICES[kind], arch)
    service.serve(handlers(session), prepare=session.open)
    _end(session)


if __name__ == "__main__":
    main(sys.argv[1:])
