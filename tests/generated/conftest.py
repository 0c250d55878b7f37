"""What became of the generated programs, at the end of the run's output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

_LINES = pytest.StashKey[list[str]]()


@pytest.fixture
def report(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Callable[[str, Counter[str]], None]:
    """Keeps counts of outcomes for the summary and for JUnit."""

    def keep(what: str, outcomes: Counter[str]) -> None:
        for outcome, count in sorted(outcomes.items()):
            record_property(outcome, count)
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        request.config.stash.setdefault(_LINES, []).append(f"{what}: {counts}")

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = terminalreporter.config.stash.get(_LINES, [])
    if lines:
        terminalreporter.section("generated programs")
    for line in lines:
        terminalreporter.write_line(line)
