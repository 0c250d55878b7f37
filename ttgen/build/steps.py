"""The steps of a build, one function each: plan, golden, render, compile, run.

SCons and the command line call the same functions. Each works on a :class:`~ttgen.build.job.Job`
and writes its files whole or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from ttgen import plan as plans
from ttgen import render as rendering
from ttgen.build.job import Job
from ttgen.build.workers import Workers
from ttgen.counterpart import Counterpart
from ttgen.errors import SdkError
from ttgen_runtime.bench import Entry
from ttgen_runtime.launch import bench_kernel, compile_kernel, run_kernel, run_with_cycles
from ttgen_runtime.result import Result, save

#: Seconds after which a planner that does not answer is given up. Golden values of large kernels
#: take long on a CPU.
_PLAN_LIMIT = 300.0
_GOLDEN_LIMIT = 1800.0


@dataclass(frozen=True)
class Steps:
    """The steps, on the worker processes that they share."""

    workers: Workers

    def plan(self, job: Job, dump_ir: Path | None = None) -> str:
        """Kernel source to ``tt.plan.json``; how long each step of it took, as a table.

        ``dump_ir``: a folder for the module after each pass, ``<architecture>/<kernel>`` below it.
        """
        with self.workers.planner() as planner:
            folder = dump_ir / job.label if dump_ir else None
            args = {
                "request": job.request(),
                "plan_path": str(job.plan),
                "dump_ir": str(folder) if folder else None,
            }
            return str(planner.call("plan", args, timeout=_PLAN_LIMIT)["timing"])

    def golden(self, job: Job) -> None:
        """Kernel source to the values that its plan should give."""
        with self.workers.planner() as planner:
            args = {
                "request": job.request(),
                "plan_path": str(job.plan),
                "golden_path": str(job.golden),
            }
            planner.call("golden", args, timeout=_GOLDEN_LIMIT)

    def render(self, job: Job) -> None:
        """Plan to C++ and Python, in this process: it takes milliseconds."""
        plan = plans.load(job.plan)
        if job.kept is not None:
            rendering.kept.make(job.kept)
        rendering.write_sources(plan, job.template_set(), job.folder, job.lines)

    def compile(self, job: Job) -> None:
        """C++ to ELFs, through the SDK on a mock device."""
        with self.workers.device("mock", job.arch) as session:
            try:
                compile_kernel(session, job.plan, job.folder, job.elf_folder)
            except SdkError as error:
                raise SdkError(_explained(job, error.message), hint=error.hint) from None

    def run(self, job: Job, device: str, timeout: float | None = None) -> Result:
        """Run on ``device`` and compare; the result, which is also written.

        After ``timeout`` seconds a run is given up; None: by the kernel's size.
        """
        with self.workers.device(device, job.arch) as session:
            result = run_kernel(
                session,
                job.plan,
                job.folder,
                job.golden,
                job.result,
                device=device,
                timeout=timeout,
            )
        return _explained_result(job, result)

    def run_with_cycles(self, job: Job, device: str, timeout: float | None = None) -> Result:
        """The same in a session of its own whose simulator models cycles, if it can."""
        result = run_with_cycles(
            device,
            job.arch,
            self.workers.cache,
            job.plan,
            job.folder,
            job.golden,
            job.result,
            log=self.workers.log(f"cycles-{job.arch}-{job.name}"),
            timeout=timeout,
        )
        return _explained_result(job, result)

    def counterpart(self, job: Job) -> Counterpart | None:
        """The call of ttnn's own that means what the kernel does, if one alone does."""
        with self.workers.planner() as planner:
            found = planner.call("counterpart", {"request": job.request()}, timeout=_PLAN_LIMIT)
        return msgspec.convert(found["call"], Counterpart | None)

    def bench(self, job: Job, device: str) -> Entry:
        """What the kernel takes, next to ttnn's own operation, in a session of its own."""
        return bench_kernel(
            device,
            job.arch,
            self.workers.cache,
            job.plan,
            job.folder,
            job.golden,
            self.counterpart(job),
            log=self.workers.log(f"bench-{job.arch}-{job.name}"),
        )


def _explained_result(job: Job, result: Result) -> Result:
    """``result``, also as written, with a compiler's messages explained."""
    message = _explained(job, result.message) if result.status == "error" else result.message
    if message == result.message:
        return result
    explained = msgspec.structs.replace(result, message=message)
    save(explained, job.result)
    return explained


def _explained(job: Job, message: str) -> str:
    """A compiler's message with the lines of templates and of the kernel that it is about."""
    return rendering.explain(message, plans.load(job.plan), job.template_set(), job.folder)
