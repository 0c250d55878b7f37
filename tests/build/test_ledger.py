"""What earlier builds have found out holds for as long as the files that it rests on."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from ttgen.build.ledger import Ledger

HOUR = 3600 * 10**9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "build").mkdir()
    (tmp_path / "a.txt").write_text("1")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "one.py").write_text("1")
    return tmp_path


def ledger(folder: Path, later: int = HOUR) -> Ledger:
    """The ledger of a build that begins so many nanoseconds from now."""
    return Ledger(folder / "build" / "ledger.json", time.time_ns() + later)


def noted(folder: Path) -> None:
    files = [folder / "a.txt", folder / "none.txt", folder / "code"]
    found = ledger(folder)
    found.note("fact", "text", map(str, files))
    found.save()


def recalled(folder: Path) -> str | None:
    return ledger(folder).recall("fact")


def test_a_fact_is_recalled_by_another_build(folder: Path) -> None:
    noted(folder)
    assert recalled(folder) == "text"


def change(folder: Path) -> None:
    (folder / "a.txt").write_text("2")


def change_and_keep_size_and_time(folder: Path) -> None:
    status = (folder / "a.txt").stat()
    change(folder)
    os.utime(folder / "a.txt", ns=(status.st_atime_ns, status.st_mtime_ns))


def replace(folder: Path) -> None:
    shutil.copy2(folder / "a.txt", folder / "b.txt")
    (folder / "b.txt").replace(folder / "a.txt")


def remove(folder: Path) -> None:
    (folder / "a.txt").unlink()


def appear(folder: Path) -> None:
    (folder / "none.txt").touch()


def add(folder: Path) -> None:
    (folder / "code" / "two.py").touch()


@pytest.mark.parametrize(
    "edit", [change, change_and_keep_size_and_time, replace, remove, appear, add]
)
def test_any_change_of_a_file_makes_it_forgotten(folder: Path, edit: object) -> None:
    noted(folder)
    assert callable(edit)
    edit(folder)
    assert recalled(folder) is None


def test_what_python_caches_in_a_folder_is_no_change(folder: Path) -> None:
    noted(folder)
    (folder / "code" / "__pycache__").mkdir()
    assert recalled(folder) == "text"


def test_what_somebody_changed_while_the_build_ran_is_not_kept(folder: Path) -> None:
    """The build may have read what was there before."""
    started = ledger(folder, later=-HOUR)
    started.note("fact", "text", [str(folder / "a.txt")])
    started.save()
    assert recalled(folder) is None


def test_what_the_build_has_made_itself_is_kept(folder: Path) -> None:
    started = ledger(folder, later=-HOUR)
    started.made([str(folder / "a.txt")])
    started.note("fact", "text", [str(folder / "a.txt")])
    started.save()
    assert recalled(folder) == "text"
    change(folder)
    assert recalled(folder) is None


def test_what_is_found_from_files_is_found_once(folder: Path) -> None:
    found: list[str] = []

    def find() -> str:
        found.append((folder / "a.txt").read_text())
        return found[-1]

    for _ in range(2):
        build = ledger(folder)
        assert build.remember("fact", lambda: [str(folder / "a.txt")], find) == "1"
        build.save()
    assert found == ["1"]
    change(folder)
    assert ledger(folder).remember("fact", lambda: [str(folder / "a.txt")], find) == "2"


def test_facts_of_other_builds_stay_until_they_are_forgotten(folder: Path) -> None:
    noted(folder)
    second = ledger(folder)
    second.note("more", "words", [])
    second.save()
    third = ledger(folder)
    assert third.names("") == ["fact", "more"]
    assert (third.recall("fact"), third.recall("more")) == ("text", "words")
    third.forget("fact")
    third.save()
    assert ledger(folder).names("") == ["more"]


@pytest.mark.parametrize("text", ["", "nonsense", '{"version": 0}'])
def test_a_file_that_is_no_ledger_counts_as_empty(folder: Path, text: str) -> None:
    noted(folder)
    (folder / "build" / "ledger.json").write_text(text)
    assert recalled(folder) is None
    noted(folder)
    assert recalled(folder) == "text"


def test_a_ledger_that_was_copied_with_its_folder_is_not_believed(folder: Path) -> None:
    """It speaks of the files that lie where it was made."""
    noted(folder)
    shutil.copytree(folder / "build", folder / "other" / "build")
    assert ledger(folder / "other").recall("fact") is None


def test_no_folder_no_ledger(tmp_path: Path) -> None:
    noted(tmp_path)
    assert list(tmp_path.iterdir()) == []
