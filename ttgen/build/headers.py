"""The SDK's headers as a dependency of ELFs: those that the compiler has read, by content.

Which ones they are is known only once a kernel has been compiled: ``elf/headers.json`` says it.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from ttgen import outputs
from ttgen.build.job import Job


def headers_of(job: Job) -> list[Path]:
    """The headers that the kernel's ELFs were made from; none before they are made."""
    folder = _sdk_folder()
    try:
        names = json.loads((job.elf_folder / outputs.HEADERS).read_bytes())
        return [folder / name for name in names] if folder else []
    except (OSError, ValueError, TypeError):
        return []


def headers_signature(job: Job) -> str:
    """A hash of what those headers hold now."""
    digest = hashlib.sha256()
    for path in headers_of(job):
        digest.update(f"{path.name} {_hash_of(path)}\n".encode())
    return digest.hexdigest()


def edited_headers() -> list[Path]:
    """Headers of the SDK that were changed after it had been installed; sorted."""
    return _edited(_sdk_folder())


@cache
def _edited(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    installed = _installed_at(folder)
    parts = [folder / name for name in ("tt_metal", "ttnn")]
    headers = (path for part in parts for path in part.rglob("*.h*") if path.is_file())
    return sorted(path for path in headers if path.stat().st_mtime_ns > installed)


def _installed_at(folder: Path) -> int:
    """When the installer wrote the last file of the package, its RECORD; nanoseconds."""
    records = folder.parent.glob("ttnn-*.dist-info/RECORD")
    return max((record.stat().st_mtime_ns for record in records), default=0)


@cache
def _hash_of(path: Path) -> str:
    """Remembered: a build does not see headers change while it runs."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "missing"


@cache
def _sdk_folder() -> Path | None:
    from ttgen.sdk import find_sdk

    sdk = find_sdk()
    return sdk.package if sdk else None
