"""The child process that interprets plans: a session of the device ``interp``.

``python -m ttgen_runtime.interp.session interp ARCH`` answers the requests that a session on a
device answers (:mod:`ttgen_runtime.session`). It needs no SDK; it is a process of its own so that
what hangs or dies ends as the error of one kernel.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ttgen import service
from ttgen.arch import architecture
from ttgen.errors import DeviceError
from ttgen.plan import load
from ttgen_runtime import interp
from ttgen_runtime.verdict import judge, load_golden, save_values


@dataclass(frozen=True)
class Session:
    """The interpreter in the place of a chip of one architecture."""

    device: str
    arch: str

    def open(self) -> dict[str, Any]:
        """What there is to know about it."""
        chip = architecture(self.arch)
        grid = list(chip.grid)
        return {"device": self.device, "arch": self.arch, "grid": grid, "l1_bytes": chip.l1_bytes}

    def run(
        self, plan: str, sources: str, golden: str, values: str | None = None
    ) -> dict[str, Any]:
        """Interpret a plan on the inputs in ``golden`` and compare: a Result as builtins.

        Nothing is read of ``sources``, the folder of the rendered programs. ``values`` is a file
        for the outputs.
        """
        loaded = load(Path(plan))
        if loaded.arch != self.arch:
            raise DeviceError(f"the plan is for {loaded.arch}, the session for {self.arch}")
        arrays = load_golden(loaded, Path(golden))
        inputs = {t.name: arrays[f"in_{t.name}"] for t in loaded.tensors if t.role == "input"}
        start = time.perf_counter()
        before, after = interp.run(loaded, inputs)
        seconds = time.perf_counter() - start
        if values is not None:
            save_values(loaded, after, Path(values))
        result = judge(loaded, self.device, arrays, before, after, seconds)
        return dict(msgspec.to_builtins(result))


def main(argv: list[str]) -> None:
    """Serve one session until the parent has had enough of it."""
    session = Session(*argv)
    service.serve({"open": session.open, "info": session.open, "run": session.run})


if __name__ == "__main__":
    main(sys.argv[1:])
