"""Which of the declared kernels the user has asked for, and what was asked for in vain."""

from __future__ import annotations

from ttgen.build.job import Job


class Selection:
    """Filters jobs by pattern and architecture, and notices patterns that match no kernel.

    A project may declare its kernels in many calls, so only at the end is it known that a pattern
    means none of them.
    """

    def __init__(self) -> None:
        self._kernels: dict[str, None] = {}
        self._vain: dict[str, bool] = {}
        self._skipped: Job | None = None
        self._chosen = 0

    def takes(self, job: Job, pattern: str) -> bool:
        """Whether ``job`` is asked for; ``pattern`` as in :meth:`Job.matches`."""
        self._kernels.setdefault(job.name)
        matched = False
        for part in pattern.split(","):
            matches = job.matches(part)
            self._vain[part] = self._vain.get(part, True) and not matches
            matched = matched or matches
        if matched and job.arch not in job.declared.arch:
            self._skipped = job
            return False
        self._chosen += matched
        return matched

    def problem(self) -> str | None:
        """What the user has asked for that is not there, or None."""
        for part, vain in self._vain.items():
            if vain:
                return f"no kernel matches '{part.strip()}'; there is {', '.join(self._kernels)}"
        if self._skipped is not None and not self._chosen:
            arch, name = self._skipped.arch, self._skipped.name
            made_for = ", ".join(self._skipped.declared.arch)
            return f"nothing to build for {arch}: the spec of '{name}' says arch: [{made_for}]"
        return None
