"""The launcher `./scons`, run for real in throw-away projects.

The projects are stand-ins, so that these tests need no network: their lock lists one small package
that pip takes from a local folder; it is called SCons, and it prints how it was called. The
launcher, the shell, venv, pip and pip's check of the hashes are the real ones.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

LAUNCHER = Path(__file__).resolve().parents[1] / "scons"
SETTING_UP = "scons: setting up .venv with "
TIME_LIMIT = 120  # seconds, for one run of the launcher

# All that the launcher may call, besides the Pythons that it finds.
TOOLS = ("cksum", "env", "ls", "mkdir", "mv", "readlink", "rm", "sh", "tail")

STAND_IN_SCONS = """\
import importlib.metadata, json, os, sys
print(json.dumps({
    "arguments": sys.argv[1:],
    "folder": os.getcwd(),
    "python": sys.executable,
    "environment": dict(os.environ),
    "scons": importlib.metadata.version("scons"),
    "project": importlib.metadata.version("project"),
}))
sys.exit(7 if "fail" in sys.argv else 0)
"""


def make_wheel(folder: str, name: str, version: str, files: dict[str, str]) -> str:
    """Write a wheel with these files into the folder, without any help; return its file name."""
    info = f"{name}-{version}.dist-info"
    metadata = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    wheel = f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{wheel}", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        for path, text in metadata.items():
            archive.writestr(f"{info}/{path}", text)
    return wheel


# A build back end for editable installs, inside the project: it needs nothing to be installed.
BACKEND = f"""\
from __future__ import annotations

import pathlib, re, zipfile

{inspect.getsource(make_wheel)}

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    version = re.search('version = "(.+)"', pathlib.Path("pyproject.toml").read_text())[1]
    files = {{"project.pth": str(pathlib.Path.cwd())}}
    return make_wheel(wheel_directory, "project", version, files)
"""


@dataclass
class Project:
    """A project with a launcher, its wheels, and the environment that it is called from."""

    root: Path
    wheels: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def stamp(self) -> Path:
        return self.venv / ".ttgen-stamp"

    def lock(self, version: str, *, digest: str | None = None) -> None:
        """Make the lock ask for this version of the stand-in, by its hash or by a wrong one."""
        files = {"SCons/__init__.py": "", "SCons/__main__.py": STAND_IN_SCONS}
        wheel = self.wheels / make_wheel(str(self.wheels), "scons", version, files)
        digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
        line = f"scons=={version} \\\n    --hash=sha256:{digest}\n"
        (self.root / "requirements.lock").write_text(line)

    def configure(self, version: str) -> None:
        """Write a pyproject.toml with this version of the project."""
        (self.root / "pyproject.toml").write_text(
            "[build-system]\n"
            'requires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            f'[project]\nname = "project"\nversion = "{version}"\n'
        )

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start the launcher in a process group of its own."""
        return subprocess.Popen(
            [self.root / "scons", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )

    def run(
        self, *arguments: str, cwd: Path | None = None, program: Path | None = None, **extra: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the launcher to its end; ``extra`` are more environment variables."""
        return subprocess.run(
            [program or self.root / "scons", *arguments],
            env={**self.environment, **extra},
            cwd=cwd or self.root,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )


def make_project(folder: Path) -> Project:
    """A fresh clone of the stand-in project, with a space in its path; nothing is set up yet."""
    project = Project(root=folder / "a project", wheels=folder / "wheels")
    project.wheels.mkdir(parents=True)
    project.root.mkdir()
    shutil.copy(LAUNCHER, project.root / "scons")
    (project.root / "backend.py").write_text(BACKEND)
    project.configure("1.0")
    project.lock("1.0")

    tools = folder / "tools"
    tools.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found, name
        (tools / name).symlink_to(found)
    (folder / "home").mkdir()
    project.environment = {
        "PATH": str(tools),
        "HOME": str(folder / "home"),
        # A user's own way to packages: the launcher must not bring one of its own.
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": project.wheels.as_uri(),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_CACHE_DIR": "1",
    }
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project that nothing has been set up in."""
    return make_project(tmp_path)


@pytest.fixture
def real(project: Project) -> Project:
    """A project that can be set up: the Python that runs this test is named for it."""
    project.environment["TTGEN_PYTHON"] = sys.executable
    return project


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that has been set up. Tests that share it leave it complete."""
    project = make_project(tmp_path_factory.mktemp("ready"))
    project.environment["TTGEN_PYTHON"] = sys.executable
    first = project.run("--first")
    assert first.returncode == 0, first.stderr
    assert first.stderr.startswith(SETTING_UP)
    assert len(first.stderr.splitlines()) == 1
    assert seen(first)["arguments"] == ["--first"]
    del project.environment["TTGEN_PYTHON"]  # whatever .venv was made with is right from now on
    return project


def seen(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What the stand-in for SCons saw of its call."""
    assert run.stdout, run.stderr
    answer = json.loads(run.stdout)
    assert isinstance(answer, dict)
    return answer


# --- Later runs ----------------------------------------------------------------------------------


def written(path: Path) -> tuple[int, int]:
    """Which file that is, and when it was last written; reading it changes nothing of that."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def test_later_run_is_silent_and_passes_everything_on(ready: Project) -> None:
    before = written(ready.stamp)
    run = ready.run("-Q", "two words", "", "$x", "fail")
    assert run.stderr == ""
    assert seen(run)["arguments"] == ["-Q", "two words", "", "$x", "fail"]
    assert run.returncode == 7
    assert written(ready.stamp) == before


def test_lock_is_installed_and_nothing_else(ready: Project) -> None:
    [packages] = ready.venv.glob("lib/python3.*/site-packages")
    names = {path.name.split("-")[0] for path in packages.glob("*.dist-info")}
    assert names == {"scons", "project", "pip"}


def test_environment_of_the_caller_does_not_reach_in(ready: Project, tmp_path: Path) -> None:
    (tmp_path / "SCons.py").write_text("raise SystemExit('the wrong SCons')")
    run = ready.run(
        PYTHONPATH=str(tmp_path),
        PYTHONHOME=str(tmp_path),
        VIRTUAL_ENV=str(tmp_path),
        PYTHONDONTWRITEBYTECODE="1",
        KEPT="yes",
    )
    assert run.returncode == 0, run.stderr
    environment = seen(run)["environment"]
    unwanted = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE"}
    assert not unwanted & set(environment)
    assert environment["KEPT"] == "yes"
    assert seen(run)["python"] == str(ready.venv / "bin/python")


@pytest.mark.parametrize("arguments", [(), ("-u",), ("-D", "x")])
def test_folder_of_the_project_from_elsewhere(
    ready: Project, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert seen(ready.run(*arguments, cwd=tmp_path))["folder"] == str(ready.root)


def test_looking_upwards_stays_in_a_folder_of_the_project(ready: Project) -> None:
    inner = ready.root / "kernels"
    inner.mkdir(exist_ok=True)
    assert seen(ready.run(cwd=inner))["folder"] == str(ready.root)
    for option in ("-u", "-U", "-D", "--up", "--search-up"):
        assert seen(ready.run("x", option, cwd=inner))["folder"] == str(inner)


def test_symbolic_link_leads_to_the_project(ready: Project, tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(os.path.relpath(ready.root / "scons", tmp_path))
    (tmp_path / "two").symlink_to("one")
    run = ready.run(cwd=tmp_path, program=tmp_path / "two")
    assert seen(run)["folder"] == str(ready.root)


# --- When .venv is made, and when not ------------------------------------------------------------


def test_changes_are_followed(ready: Project) -> None:
    """Project: installed again, packages kept. Lock: .venv anew, and nothing old stays in it."""
    marker = ready.venv / "marker"
    marker.touch()

    ready.configure("2.0")
    run = ready.run()
    assert (seen(run)["scons"], seen(run)["project"]) == ("1.0", "2.0")
    assert run.stderr == ""
    assert marker.exists()

    ready.lock("1.1")
    run = ready.run()
    assert (seen(run)["scons"], seen(run)["project"]) == ("1.1", "2.0")
    assert run.stderr.startswith(SETTING_UP)
    assert not marker.exists()

    assert ready.run().stderr == ""


def test_broken_project_file_does_not_cost_the_packages(ready: Project) -> None:
    marker = ready.venv / "marker"
    marker.touch()
    good = (ready.root / "pyproject.toml").read_text()
    (ready.root / "pyproject.toml").write_text("[[[")
    run = ready.run()
    (ready.root / "pyproject.toml").write_text(good)
    assert run.returncode == 2
    assert "TOMLDecodeError" in run.stderr
    assert ready.run().returncode == 0
    assert marker.exists()


def test_naming_the_same_python_keeps_the_environment(ready: Project) -> None:
    marker = ready.venv / "marker"
    marker.touch()
    for _ in range(2):
        run = ready.run(TTGEN_PYTHON=os.path.realpath(sys.executable))
        assert (run.returncode, run.stderr) == (0, "")
    assert marker.exists()


def test_moved_project_is_set_up_again(ready: Project, tmp_path: Path) -> None:
    """An environment holds absolute paths: a copy of the folder must not use the first one's."""
    copy = Project(tmp_path / "copy", ready.wheels, ready.environment)
    shutil.copytree(ready.root, copy.root, symlinks=True)
    run = copy.run(TTGEN_PYTHON=sys.executable)
    assert run.stderr.startswith(SETTING_UP)
    assert seen(run)["python"] == str(copy.venv / "bin/python")
    [path_file] = copy.venv.glob("lib/python3.*/site-packages/project.pth")
    assert path_file.read_text() == str(copy.root)


def test_wrong_hash_installs_nothing(real: Project) -> None:
    real.lock("1.0", digest="0" * 64)
    run = real.run()
    assert run.returncode == 2
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in run.stderr
    assert str(real.venv / "setup.log") in run.stderr
    assert run.stdout == ""
    assert not real.stamp.exists()
    assert not list(real.venv.glob("lib/python3.*/site-packages/SCons"))


def test_killed_run_leaves_no_stamp_and_no_lock(real: Project) -> None:
    deadline = time.monotonic() + TIME_LIMIT
    with real.start() as process:
        while not (real.venv / "bin/python").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not real.stamp.exists()

    again = real.run()
    assert again.returncode == 0, again.stderr
    assert again.stderr.startswith(SETTING_UP)
    assert len(again.stderr.splitlines()) == 1  # it waited for nobody


def test_two_at_the_same_time_set_up_once(real: Project) -> None:
    with real.start("one") as one, real.start("two") as two:
        outputs = [process.communicate(timeout=TIME_LIMIT) for process in (one, two)]
    assert [one.returncode, two.returncode] == [0, 0], outputs
    assert [json.loads(out)["arguments"] for out, _ in outputs] == [["one"], ["two"]]
    messages = "".join(err for _, err in outputs)
    assert messages.count(SETTING_UP) == 1
    assert messages.count("scons: waiting for another ./scons to set up .venv\n") == 1


def test_environment_of_somebody_else_is_left_alone(real: Project) -> None:
    mine = real.venv / "bin" / "mine"
    mine.parent.mkdir(parents=True)
    mine.touch()
    run = real.run()
    assert run.returncode == 2
    assert "was not made by ./scons" in run.stderr
    assert [path for path in real.venv.rglob("*") if path.is_file()] == [mine]


def test_incomplete_project(project: Project) -> None:
    (project.root / "requirements.lock").unlink()
    run = project.run()
    assert run.returncode == 2
    assert "requirements.lock" in run.stderr


# --- Which Python --------------------------------------------------------------------------------


def stand_in(path: Path, answer: str) -> Path:
    """A program that answers the launcher's question as a Python would, and can do nothing else.

    Its `-m venv` fails, so that a run ends once the launcher has made its choice.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f'*ensurepip*) echo "{answer}" ;;\n'
        "*fcntl*) ;;\n"
        '*) echo "$0 cannot do this"; exit 1 ;;\n'
        "esac\n"
    )
    path.chmod(0o755)
    return path


def fitting(path: Path, version: str) -> Path:
    return stand_in(path, f"{version} {path}")


def chosen(run: subprocess.CompletedProcess[str]) -> str:
    """The Python that the launcher chose."""
    assert run.returncode == 2
    assert run.stderr.startswith(SETTING_UP), run.stderr
    return run.stderr[len(SETTING_UP) :].partition(" (once")[0]


@pytest.fixture
def bin_folder(project: Project, tmp_path: Path) -> Path:
    """A folder on PATH, before the tools."""
    project.environment["PATH"] = f"{tmp_path / 'bin'}:{project.environment['PATH']}"
    return tmp_path / "bin"


def test_no_python_at_all(project: Project) -> None:
    run = project.run()
    assert run.returncode == 2
    assert run.stdout == ""
    assert "no fitting Python: this needs CPython 3.12 or 3.10" in run.stderr
    assert "Seen: none" in run.stderr
    for remedy in ("apt install", "uv python install", "pyenv install", "TTGEN_PYTHON="):
        assert remedy in run.stderr
    assert not project.venv.exists()


def test_unfitting_pythons_are_named_with_the_reason(project: Project, bin_folder: Path) -> None:
    eleven = stand_in(bin_folder / "python3", "- is Python 3.11")
    broken = stand_in(bin_folder / "python3.12", "")
    broken.write_text("#!/bin/sh\nexit 127\n")  # like a shim of a version that is not selected
    run = project.run()
    assert run.returncode == 2
    assert f"{eleven} is Python 3.11" in run.stderr
    assert f"{broken} does not run" in run.stderr


def test_the_question_put_to_a_real_python(project: Project, bin_folder: Path) -> None:
    """The stand-ins answer as real Pythons do: this one is real, and fits or is refused."""
    bin_folder.mkdir()
    (bin_folder / "python3").symlink_to(sys.executable)
    (project.root / "requirements.lock").write_text("no-such-package==1\n")  # ends the run early
    run = project.run()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version in ("3.10", "3.12"):
        assert Path(chosen(run)) == Path(os.path.realpath(sys.executable))
    else:
        assert f"is Python {version}" in run.stderr


def test_312_before_310_wherever_it_lies(project: Project, bin_folder: Path) -> None:
    """PATH before pyenv before uv, but a 3.12 of any of them before any 3.10."""
    versions = Path(project.environment["HOME"]) / ".pyenv/versions"
    path_310 = fitting(bin_folder / "python3.10", "3.10")
    assert chosen(project.run()) == str(path_310)
    fitting(versions / "3.10.13/bin/python", "3.10")
    assert chosen(project.run()) == str(path_310)

    uv_312 = fitting(bin_folder.parent / "uv-312", "3.12")
    uv = stand_in(bin_folder / "uv", "")
    uv.write_text(f'#!/bin/sh\n[ "$1 $2" = "python find" ] && echo "{uv_312}"\n')
    assert chosen(project.run()) == str(uv_312)
    pyenv_312 = fitting(versions / "3.12.1/bin/python", "3.12")
    assert chosen(project.run()) == str(pyenv_312)
    path_312 = fitting(bin_folder / "python", "3.12")
    assert chosen(project.run()) == str(path_312)


def test_path_is_searched_behind_a_python_that_does_not_fit(
    project: Project, bin_folder: Path
) -> None:
    stand_in(bin_folder / "python3", "- is Python 3.11")
    hidden = fitting(bin_folder.parent / "tools" / "python3", "3.12")
    assert chosen(project.run()) == str(hidden)


def test_pyenv_root(project: Project, tmp_path: Path) -> None:
    there = fitting(tmp_path / "my pyenv" / "versions/3.12.9/bin/python", "3.12")
    assert chosen(project.run(PYENV_ROOT=str(tmp_path / "my pyenv"))) == str(there)


def test_named_python_is_the_one(project: Project, bin_folder: Path, tmp_path: Path) -> None:
    fitting(bin_folder / "python3.12", "3.12")
    mine = fitting(tmp_path / "mine", "3.10")
    assert chosen(project.run(TTGEN_PYTHON=str(mine))) == str(mine)
    assert chosen(project.run(TTGEN_PYTHON="./mine", cwd=tmp_path)) == str(mine)
    assert chosen(project.run(TTGEN_PYTHON="python3.12")) == str(bin_folder / "python3.12")


def test_named_python_that_does_not_fit_is_an_error(
    project: Project, bin_folder: Path, tmp_path: Path
) -> None:
    """Another one that would fit is not taken in its place."""
    fitting(bin_folder / "python3.12", "3.12")
    nine = stand_in(tmp_path / "nine", "- is Python 3.9")
    run = project.run(TTGEN_PYTHON=str(nine))
    assert run.returncode == 2
    assert f"{nine} is Python 3.9" in run.stderr
    run = project.run(TTGEN_PYTHON="no-such-python")
    assert run.returncode == 2
    assert "TTGEN_PYTHON=no-such-python: there is no such program" in run.stderr
    assert not project.venv.exists()
