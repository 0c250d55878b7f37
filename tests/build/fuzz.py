"""Random edits of a project: after each, a build makes just what it has to, as a clean one would.

    python -m tests.build.fuzz --steps 300 --seed 1

What had to be rebuilt is worked out here from what a step reads, independently of the product: by
content, for each target since it was last built. What should have come of it is planned and
rendered anew in this process.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import yaml

from ttgen.build.job import Job, declared
from ttgen.plan import load
from ttgen.planner import Request, forget, plan
from ttgen.render import TemplateSet, write_sources
from ttgen.spec import load_variants

from .project import CHECKOUT, Project, make

ARCHS = ("wormhole_b0", "blackhole")
SOURCES = ("reader.cpp", "compute.cpp", "writer.cpp", "host.py", "host.cpp")
OPS = ("+", "-", "*")
#: A template that the project may put in the place of the built-in one, and how it then differs.
SHADOWED = ("ops/add_tiles.j2", "ops/mul_tiles.j2", "ops/read_page.j2", "program.j2", "host.py.j2")
#: Code that decides what a step makes.
CODE = {"PLAN": "ttgen/passes/pipeline.py", "RENDER": "ttgen/render/rendering.py"}
#: Releases that do: of a distribution that a step depends on.
RELEASES = {"PLAN": "apache-tvm", "RENDER": "jinja2"}
_NAMED = re.compile(r"""\{%-?\s*(?:extends|include|import|from)\s+["']([^"']+)["']""")
_REMOVED = re.compile(r"^ttgen: removed build/(\S+)/: there is no such kernel any more$", re.M)

SCONSTRUCT = """\
DefaultEnvironment(tools=[])
env = Environment(
    tools=["ttgen"],
    TT_TEMPLATES={templates},
    TT_ARCH=ARGUMENTS.get("arch", ""),
    TT_KERNEL=ARGUMENTS.get("kernel", "*"),
)
env.TTKernels("kernels")
"""
KERNEL = """\
from tvm import te

{imports}

def f(M: int = {rows}, N: int = {columns}):
    A = te.placeholder((M, N), "bfloat16", name="A")
    B = te.placeholder((M, N), "bfloat16", name="B")
    C = te.compute((M, N), lambda i, j: A[i, j] {op} B[i, j], name="C")
    return te.create_prim_func([A, B, C])
"""


def sha(*parts: str | bytes) -> str:
    state = hashlib.sha256()
    for part in parts:
        state.update(part.encode() if isinstance(part, str) else part)
        state.update(b"\0")
    return state.hexdigest()


@dataclass
class World:
    """The project, what was built in it last, and what each edit was called."""

    project: Project
    random: random.Random
    #: For each target set (verb, job) the digest of all that it was last made from.
    made: dict[tuple[str, str], str] = field(default_factory=dict)
    #: Plans and sources by the digest of what they are made from.
    clean: dict[str, dict[str, bytes]] = field(default_factory=dict)
    snapshots: list[dict[str, str]] = field(default_factory=list)
    #: The jobs that builds know of: what is left of those can be removed.
    known: set[str] = field(default_factory=set)
    #: What is left of jobs that builds had forgotten when they went.
    strays: set[str] = field(default_factory=set)
    remarks: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def root(self) -> Path:
        return self.project.root

    def remark(self) -> str:
        """A text that was never used before."""
        self.remarks += 1
        return f"remark {self.remarks}"

    def files(self, pattern: str) -> list[Path]:
        return sorted(self.root.glob(pattern))

    def kernels(self) -> list[Path]:
        return [path for path in self.files("kernels/*.py") if not path.name.startswith("_")]

    def any_kernel(self) -> Path:
        return self.random.choice(self.kernels())

    def templates(self) -> tuple[Path, ...]:
        uses = 'TT_TEMPLATES=["mine"]' in self.project.read("SConstruct")
        return (self.root / "mine",) if uses else ()

    # --- What has to be made -----------------------------------------------------------------

    def jobs(self) -> dict[str, tuple[Path, Job]]:
        """Every job by its label, with its source."""
        found = {}
        for path in self.kernels():
            for variant in load_variants(path, self.root):
                for arch in variant.arch:
                    job = Job(self.root, self.root / "build", declared(variant), arch, (), path)
                    found[job.label] = (path, job)
        return found

    def plan_key(self, path: Path, job: Job) -> str:
        spec = path.with_suffix(".yaml")
        said = yaml.safe_load(spec.read_text()) if spec.is_file() else {}
        imported = sorted(self.imported(path))
        return sha(
            job.label,
            json.dumps(said, sort_keys=True),
            path.read_bytes(),
            *(file.read_bytes() for file in imported),
            self.code("PLAN"),
        )

    def imported(self, path: Path) -> set[Path]:
        names = re.findall(r"^(?:from|import) (_\w+)", path.read_text(), re.M)
        found = {path.with_name(f"{name}.py") for name in names}
        return found.union(*(self.imported(file) for file in found)) if found else found

    def render_key(self, job: Job, plan_bytes: bytes) -> str:
        names = {f"{name}.j2" for name in SOURCES}
        names |= {f"ops/{name}.j2" for name in operations(json.loads(plan_bytes))}
        used = self.winners(names)
        filters = self.root / "mine" / "filters.py"
        if self.templates() and filters.is_file():
            used += [filters, *sorted(self.imported(filters))]
        texts = [text for path in used for text in (str(path), path.read_bytes())]
        return sha(job.label, plan_bytes, *texts, self.code("RENDER"))

    def winners(self, names: set[str]) -> list[Path]:
        """The files of these templates and of what they name."""
        folders = [*self.templates(), self.project.code / "templates"]
        found: dict[str, Path] = {}
        pending = list(names)
        while pending:
            name = pending.pop()
            if name in found:
                continue
            prefix, _, rest = name.partition("/")
            places = [self.project.code / "templates" / rest] if prefix == "ttgen" else []
            places = places or [folder / name for folder in folders]
            found[name] = next(place for place in places if place.is_file())
            pending += _NAMED.findall(found[name].read_text())
        return sorted(set(found.values()))

    def code(self, verb: str) -> str:
        release = self.root / "fake-packages" / RELEASES[verb]
        text = (self.project.code / CODE[verb]).read_text()
        return sha(text, release.read_text() if release.is_file() else "")

    # --- What a clean build makes ------------------------------------------------------------

    def clean_plan(self, key: str, job: Job) -> bytes:
        if key not in self.clean:
            forget()
            request = Request(str(self.root), job.variant, job.arch, str(job.path))
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "tt.plan.json"
                plan(msgspec.to_builtins(request), str(path))
                self.clean[key] = {"tt.plan.json": path.read_bytes()}
        return self.clean[key]["tt.plan.json"]

    def clean_sources(self, key: str, plan_bytes: bytes) -> dict[str, bytes]:
        if key not in self.clean:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "tt.plan.json"
                path.write_bytes(plan_bytes)
                write_sources(load(path), TemplateSet(self.templates()), Path(folder))
                self.clean[key] = {name: (Path(folder) / name).read_bytes() for name in SOURCES}
        return self.clean[key]

    # --- A build, and what is to be seen of it -----------------------------------------------

    def build(self, edit: str, kernel: str = "*", arch: str = "") -> None:
        """Build the sources, and compare with what had to happen."""
        options = [f"kernel={kernel}"] * (kernel != "*") + [f"arch={arch}"] * bool(arch)
        whole = not options
        wanted: dict[str, list[str]] = {}
        files: dict[str, bytes] = {}
        jobs = self.jobs()
        chosen = {
            label: (path, job)
            for label, (path, job) in jobs.items()
            if (kernel == "*" or job.matches(kernel)) and arch in ("", job.arch)
        }
        if not chosen:
            run = self.project.scons(*options, "sources", ok=False, PYTHONPATH=self.overlay())
            assert f"nothing to build for {arch}" in run.err, f"after {edit}: {run.text}"
            return
        for label, (path, job) in chosen.items():
            key = self.plan_key(path, job)
            plan_bytes = self.clean_plan(key, job)
            render_key = self.render_key(job, plan_bytes)
            made = {"tt.plan.json": plan_bytes, **self.clean_sources(render_key, plan_bytes)}
            files |= {f"{label}/{name}": content for name, content in made.items()}
            for verb, now, names in (
                ("PLAN", key, ("tt.plan.json",)),
                ("RENDER", render_key, SOURCES),
            ):
                missing = any(not (job.folder / name).is_file() for name in names)
                if missing or self.made.get((verb, label)) != now:
                    wanted.setdefault(verb, []).append(label)
                self.made[verb, label] = now
            self.known.add(label)
        left = self.known - set(jobs) if whole else set()
        self.known -= left
        self.strays = {label for _, label in self.made} - set(jobs) - left
        gone = sorted(label for label in left if any(self.files(f"build/{label}/*")))
        run = self.project.scons("-j2", *options, "sources", PYTHONPATH=self.overlay())
        context = f"after {edit}: {run.text}"
        assert run.steps == {verb: sorted(labels) for verb, labels in wanted.items()}, context
        assert sorted(_REMOVED.findall(run.out)) == gone, context
        for label in left:
            assert not (self.root / "build" / label).exists(), context
            for verb in ("PLAN", "RENDER"):
                self.made.pop((verb, label), None)
        for name, content in files.items():
            assert (self.root / "build" / name).read_bytes() == content, f"{name} {context}"
        if whole:
            built = [path for arch in ARCHS for path in self.files(f"build/{arch}/*/*")]
            there = {str(path.relative_to(self.root / "build")) for path in built}
            strays = {name for name in there if name.rpartition("/")[0] in self.strays}
            assert there - strays == set(files), context
        self.counts["builds with nothing to do"] += not wanted
        for verb, labels in wanted.items():
            self.counts[verb] += len(labels)

    def overlay(self) -> str:
        return str(self.root / "fake-packages")

    def snapshot(self) -> dict[str, str]:
        patterns = ("kernels/*", "mine/**/*", "SConstruct")
        files = [path for pattern in patterns for path in self.files(pattern) if path.is_file()]
        return {str(path.relative_to(self.root)): path.read_text() for path in files}


def operations(document: dict[str, Any]) -> set[str]:
    """The operations of a plan's programs."""

    def walk(body: Iterable[dict[str, Any]]) -> set[str]:
        found = set()
        for statement in body:
            found |= walk(statement.get("body", ()))
            found |= {statement["op"]} if statement["kind"] == "op" else set()
        return found

    return set().union(*(walk(program["body"]) for program in document["programs"].values()))


# --- Edits. Each changes the project, or says False where there is nothing for it to change ------


def change_operation(world: World) -> None:
    path = world.any_kernel()
    text = path.read_text()
    old = re.search(r"A\[i, j\] (.) B", text)
    assert old is not None
    new = world.random.choice([op for op in OPS if op != old[1]])
    path.write_text(text.replace(f"A[i, j] {old[1]} B", f"A[i, j] {new} B"))


def change_operation_and_keep_the_time(world: World) -> None:
    """Same size, same time of change: only the content tells."""
    before = {path: path.stat() for path in world.kernels()}
    change_operation(world)
    for path, status in before.items():
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def change_size(world: World) -> None:
    path = world.any_kernel()
    size = world.random.choice([32, 33, 64, 96])
    path.write_text(re.sub(r"N: int = \d+", f"N: int = {size}", path.read_text()))


def remark_in_kernel(world: World) -> None:
    path = world.any_kernel()
    path.write_text(f"{path.read_text()}\n# {world.remark()}\n")


def import_a_module(world: World) -> None:
    path = world.any_kernel()
    module = world.random.choice(["from _sizes import ROWS", "from _deep import ROWS", ""])
    text = re.sub(r"^from _\w+ import ROWS\n", "", path.read_text(), flags=re.M)
    text = text.replace("from tvm import te\n", f"from tvm import te\n{module}\n" if module else "")
    text = text if module else f"from tvm import te\n{text}"
    path.write_text(re.sub(r"M: int = \w+", f"M: int = {'ROWS' if module else 64}", text))


def change_module(world: World) -> None:
    path = world.root / "kernels" / world.random.choice(["_sizes.py", "_deep.py", "_unused.py"])
    if path.name == "_sizes.py":
        path.write_text(f"from _deep import ROWS\n\nCOLUMNS = {world.random.randint(1, 99)}\n")
    else:
        path.write_text(f"ROWS = {world.random.choice([32, 64, 96])}\n")


def change_spec(world: World) -> None:
    spec = world.any_kernel().with_suffix(".yaml")
    options: dict[str, Any] = {"arch": world.random.sample(ARCHS, world.random.randint(1, 2))}
    if world.random.random() < 0.5:
        options["grid"] = [world.random.randint(1, 2), world.random.randint(1, 2)]
    if world.random.random() < 0.3:
        options["buffering"] = world.random.randint(2, 3)
    if world.random.random() < 0.3:
        options["variants"] = {"wide": {"parameters": {"N": 128}}, "narrow": {}}
    spec.write_text(yaml.safe_dump(options))


def remark_in_spec(world: World) -> None:
    spec = world.any_kernel().with_suffix(".yaml")
    if spec.is_file():
        spec.write_text(f"{spec.read_text()}# {world.remark()}\n")


def remove_spec(world: World) -> None:
    world.any_kernel().with_suffix(".yaml").unlink(missing_ok=True)


def add_kernel(world: World) -> None:
    if len(world.kernels()) < 6:
        new_kernel(world, f"k{world.random.randint(0, 30)}")


def new_kernel(world: World, name: str) -> None:
    rows, columns = world.random.choice([32, 64]), world.random.choice([32, 50, 64])
    op = world.random.choice(OPS)
    text = KERNEL.format(imports="", rows=rows, columns=columns, op=op)
    world.project.write(f"kernels/{name}.py", text)


def remove_kernel(world: World) -> None:
    if len(world.kernels()) > 2:
        path = world.any_kernel()
        path.unlink()
        path.with_suffix(".yaml").unlink(missing_ok=True)


def rename_kernel(world: World) -> None:
    path = world.any_kernel()
    name = path.with_name(f"k{world.random.randint(31, 60)}.py")
    if not name.exists():
        path.rename(name)
        if path.with_suffix(".yaml").is_file():
            path.with_suffix(".yaml").rename(name.with_suffix(".yaml"))


def shadow_template(world: World) -> None:
    name = world.random.choice(SHADOWED)
    text = (world.project.code / "templates" / name).read_text()
    comment = "{# " + world.remark() + " #}\n"
    # What is seen of it in what is rendered, and what is not.
    visible = world.random.random() < 0.5 and name.startswith("ops/")
    line = f"// {world.remark()}, {{{{ word | default('no word') }}}}\n"
    text = text.replace("{% endmacro", f"{line}{{% endmacro") if visible else text
    world.project.write(f"mine/{name}", comment + text)


def change_filters(world: World) -> None:
    """A global that the shadowing templates show, if they are in use, and what it comes from."""
    if world.random.random() < 0.5:
        text = f'from _words import WORD\n\nGLOBALS = {{"word": WORD}}\n# {world.remark()}\n'
        world.project.write("mine/filters.py", text)
    world.project.write("mine/_words.py", f'WORD = "{world.random.choice(["one", "two"])}"\n')


def remove_filters(world: World) -> None:
    (world.root / "mine" / "filters.py").unlink(missing_ok=True)


def remove_shadow(world: World) -> None:
    shadows = [path for path in world.files("mine/**/*.j2") if path.is_file()]
    if shadows:
        world.random.choice(shadows).unlink()


def rename_shadow(world: World) -> None:
    shadows = [path for path in world.files("mine/**/*.j2") if path.is_file()]
    if shadows:
        path = world.random.choice(shadows)
        path.rename(path.with_suffix(".off"))


def change_builtin_template(world: World) -> None:
    name = world.random.choice([*SHADOWED, "ops/transpose_tile.j2"])
    path = world.project.code / "templates" / name
    path.write_text(path.read_text() + "{# " + world.remark() + " #}")


def change_templates_option(world: World) -> None:
    folders = '["mine"]' if not world.templates() else "[]"
    world.project.write("SConstruct", SCONSTRUCT.format(templates=folders))


def change_code(world: World) -> None:
    path = world.project.code / CODE[world.random.choice(sorted(CODE))]
    path.write_text(f"{path.read_text()}\n# {world.remark()}\n")


def change_release(world: World) -> None:
    name = RELEASES[world.random.choice(sorted(RELEASES))]
    release = f"9.{world.random.randint(0, 3)}"
    folder = world.root / "fake-packages"
    for old in folder.glob(f"{name.replace('-', '_')}-*.dist-info"):
        shutil.rmtree(old)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {release}\n"
    path = f"fake-packages/{name.replace('-', '_')}-{release}.dist-info/METADATA"
    world.project.write(path, metadata)
    world.project.write(f"fake-packages/{name}", release)


def touch_everything(world: World) -> None:
    for pattern in ("kernels/*", "mine/**/*", "build/[bw]*/*/*", "SConstruct"):
        for path in world.files(pattern):
            path.touch()


def remove_an_output(world: World) -> None:
    outputs = world.files("build/[bw]*/*/*.*")
    if outputs:
        world.random.choice(outputs).unlink()


def remove_all_outputs(world: World) -> None:
    for arch in ARCHS:
        shutil.rmtree(world.root / "build" / arch, ignore_errors=True)


def forget_what_builds_know(world: World) -> None:
    (world.root / "build" / ".ttgen.json").write_text("nonsense")
    world.known.clear()


def revert(world: World) -> None:
    """Back to an earlier state of all files that a user edits."""
    if not world.snapshots:
        return
    now, then = world.snapshot(), world.random.choice(world.snapshots)
    for path in now.keys() - then.keys():
        (world.root / path).unlink()
    for path, text in then.items():
        if now.get(path) != text:
            world.project.write(path, text)


def nothing(world: World) -> None:
    """No edit."""


#: Every edit and how often it comes, relative to the others.
EDITS: dict[Callable[[World], None], int] = {
    change_operation: 6,
    change_operation_and_keep_the_time: 3,
    change_size: 4,
    remark_in_kernel: 3,
    import_a_module: 5,
    change_module: 5,
    change_spec: 6,
    remark_in_spec: 3,
    remove_spec: 2,
    add_kernel: 4,
    remove_kernel: 3,
    rename_kernel: 3,
    shadow_template: 6,
    change_filters: 4,
    remove_filters: 1,
    remove_shadow: 3,
    rename_shadow: 2,
    change_builtin_template: 4,
    change_templates_option: 3,
    change_code: 2,
    change_release: 2,
    touch_everything: 3,
    remove_an_output: 4,
    remove_all_outputs: 1,
    forget_what_builds_know: 2,
    revert: 4,
    nothing: 6,
}


def run(folder: Path, steps: int, seed: int, report: Callable[[str], None] = print) -> World:
    """Make a project in ``folder`` and edit and build it ``steps`` times."""
    project = make(folder / "project", tuple(n for n in CHECKOUT if n not in ("kernels",)))
    world = World(project, random.Random(seed))
    project.write("SConstruct", SCONSTRUCT.format(templates='["mine"]'))
    project.write("kernels/_deep.py", "ROWS = 64\n")
    project.write("kernels/_sizes.py", "from _deep import ROWS\n")
    project.write("kernels/_unused.py", "ROWS = 64\n")
    for name in ("k1", "k2", "k3"):
        new_kernel(world, name)
    world.build("making the project")
    edits, weights = list(EDITS), list(EDITS.values())
    for step in range(steps):
        edit = world.random.choices(edits, weights)[0]
        world.snapshots = [*world.snapshots[-5:], world.snapshot()]
        edit(world)
        name = f"step {step} of seed {seed}, {edit.__name__}"
        if world.random.random() < 0.1:  # not everything is built at once
            world.build(name, kernel=world.any_kernel().stem, arch=world.random.choice(ARCHS))
        else:
            world.build(name)
        world.counts[edit.__name__] += 1
    report(f"{steps} edits: {dict(sorted(world.counts.items()))}")
    return world


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), options.steps, options.seed)


if __name__ == "__main__":
    main()
