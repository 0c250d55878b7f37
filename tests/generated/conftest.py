"""What became of the generated programs, at the end of the run's output.

The counts travel in the tests' reports, which come from other processes where several share the
work.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

import pytest

from ttgen.passes import twins

_TITLE = "generated programs"


@pytest.fixture
def report(
    record_property: Callable[[str, object], None],
) -> Callable[[str, Counter[str]], None]:
    """Keeps counts of outcomes for the summary and for JUnit."""

    def keep(what: str, outcomes: Counter[str]) -> None:
        for outcome, count in sorted(outcomes.items()):
            record_property(outcome, count)
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        compared = "; twins compared" if os.environ.get(twins.VARIABLE) == "both" else ""
        record_property(_TITLE, f"{what}: {counts}{compared}")

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [
        *terminalreporter.getreports("passed"),
        *terminalreporter.getreports("failed"),
    ]
    kept = [pair for report in reports if report.when == "call" for pair in report.user_properties]
    lines = sorted(str(line) for name, line in kept if name == _TITLE)
    if lines:
        terminalreporter.section(_TITLE)
    for line in lines:
        terminalreporter.write_line(line)
