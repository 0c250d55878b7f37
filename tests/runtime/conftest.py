"""Sessions that the tests share: opening one takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ttgen.plan import model
from ttgen.service import Service
from ttgen_runtime.launch import device_service, run_kernel
from ttgen_runtime.result import Result


@dataclass
class Bench:
    """A cache, logs, and one session per device and architecture."""

    cache: Path
    logs: Path
    _services: dict[tuple[str, str], Service] = field(default_factory=dict)

    def service(self, device: str, arch: str) -> Service:
        key = (device, arch)
        if key not in self._services:
            log = self.logs / f"{device}-{arch}.log"
            self._services[key] = device_service(device, arch, self.cache, log=log)
        return self._services[key]

    def run(self, kernel: Path, plan: model.Plan, timeout: float = 120.0) -> Result:
        return run_kernel(
            self.service("wolfpine", plan.arch),
            kernel / "tt.plan.json",
            kernel,
            kernel / "golden.npz",
            kernel / "result.json",
            device="wolfpine",
            timeout=timeout,
        )

    def close(self) -> None:
        for service in self._services.values():
            service.close()


@pytest.fixture(scope="session")
def bench(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Sessions that are closed at the end of the run."""
    bench = Bench(cache, tmp_path_factory.mktemp("logs"))
    yield bench
    bench.close()
