"""The command line: the steps of a build by hand, for any source file, without SCons."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from ttgen import __version__, outputs
from ttgen.arch import ARCHITECTURES
from ttgen.build.job import Job, declared
from ttgen.build.steps import Steps
from ttgen.build.workers import Workers
from ttgen.errors import TTError
from ttgen.outputs import LINES
from ttgen.spec import Variant, load_base, load_variants, parse_value
from ttgen.template_tools import Layer, Tools

#: Exit status: results differ or a kernel could not be run; the request itself is wrong.
_WRONG_VALUES, _WRONG_REQUEST = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except TTError as error:
        print(f"ttgen: {error}", file=sys.stderr)
        return _WRONG_REQUEST
    except KeyboardInterrupt:
        return 130


def cache_folder() -> Path:
    """Where compiled firmware and kernels are kept between runs of the command line."""
    if own := os.environ.get("TTGEN_CACHE"):
        return Path(own).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ttgen"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ttgen", description="Tensor programs in, TT-Metalium programs out."
    )
    parser.add_argument("--version", action="version", version=f"ttgen {__version__}")
    commands = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")
    for name, (command, text) in _COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text)
        _add_kernel_arguments(sub)
        if name != "plan":
            sub.add_argument(
                "--lines", choices=LINES, default=LINES[0], help="what compilers and debuggers name"
            )
        if name == "plan":
            sub.add_argument("--timing", action="store_true", help="how long each step took, in ms")
        if name in ("run", "bench"):
            sub.add_argument(
                "--device", default="auto", help="auto, hw, wolfpine, ttsim:/path, interp"
            )
        if name == "run":
            sub.add_argument("--cycles", action="store_true", help="model cycles (slower)")
        sub.set_defaults(command=command)
    _add_templates(commands)
    doctor = commands.add_parser("doctor", help="what is there, what is missing, how to get it")
    doctor.set_defaults(command=_doctor)
    return parser


def _add_templates(commands: Any) -> None:
    """``ttgen templates`` and its own commands."""
    text = "what templates there are, copies to start from, and what is different in them"
    parser = commands.add_parser("templates", help=text, description=text)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    for name, (command, about) in _TEMPLATE_COMMANDS.items():
        sub = verbs.add_parser(name, help=about, description=about)
        if name in ("show", "eject"):
            sub.add_argument("name", metavar="NAME", help="for example ops/pack_tile.j2")
        if name == "diff":
            sub.add_argument("name", metavar="NAME", nargs="?", help="this one alone")
        if name == "show":
            sub.add_argument("--builtin", action="store_true", help="the built-in one")
        if name == "eject":
            sub.add_argument("--to", type=Path, metavar="DIR", help="default: the first folder")
            sub.add_argument("--force", action="store_true", help="replace what is there")
        sub.add_argument("--templates", action="append", default=[], type=Path, metavar="DIR")
        sub.add_argument("--kernel", metavar="SRC", help="with the templates that its spec names")
        sub.add_argument("--variant", help="the variant of that spec; default: the first")
        sub.set_defaults(command=command)


def _add_kernel_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC[:FUNC]", help="a kernel source, and its function")
    parser.add_argument("--arch", default="wormhole_b0", choices=sorted(ARCHITECTURES))
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        type=_assignment,
        help="a parameter of the function",
    )
    parser.add_argument(
        "--option",
        "-O",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        type=_assignment,
        help="a key of the build spec, for example grid=[2,2] or fidelity=HiFi2",
    )
    parser.add_argument("--variant", help="the variant of the spec to take; default: all")
    parser.add_argument("--templates", action="append", default=[], type=Path, metavar="DIR")
    parser.add_argument("--out", "-o", default=Path("build"), type=Path, metavar="DIR")
    parser.add_argument(
        "--dump-ir",
        type=Path,
        metavar="DIR",
        help="write TVMScript after each pass into DIR/<architecture>/<kernel>",
    )


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=VALUE")
    try:
        return name, parse_value(value)
    except yaml.YAMLError:
        raise argparse.ArgumentTypeError(f"'{value}' is no YAML value") from None


def _jobs(options: argparse.Namespace) -> list[Job]:
    """What the arguments mean: every variant of the spec, one of them, or one made up here."""
    name, _, function = options.source.partition(":")
    source, project = _kernel_source(name)
    if any(key == "arch" for key, _ in options.option):
        raise TTError("arch is no --option here; give --arch")
    variants = _variants(options, source, project, function)
    chosen = [variant for variant in variants if options.arch in variant.arch]
    if not chosen:
        made_for = ", ".join(sorted({arch for variant in variants for arch in variant.arch}))
        raise TTError(f"{name} is for {made_for} by its spec, not for {options.arch}")
    return [
        Job(
            project=project,
            build=options.out.absolute(),
            declared=declared(variant),
            arch=options.arch,
            templates=tuple(folder.absolute() for folder in options.templates),
            path=source,
            lines=getattr(options, "lines", LINES[0]),
        )
        for variant in chosen
    ]


def _kernel_source(name: str) -> tuple[Path, Path]:
    """A kernel source, and the project it is of: this folder, or its own if it lies elsewhere."""
    source = Path(name).absolute()
    if not source.is_file():
        raise TTError(f"there is no kernel source '{name}'")
    return source, Path.cwd() if source.is_relative_to(Path.cwd()) else source.parent


def _variants(
    options: argparse.Namespace, source: Path, project: Path, function: str
) -> list[Variant]:
    if options.set or options.option or function:
        if options.variant:
            raise TTError("--variant takes everything from the spec; leave out --set and --option")
        given = {"parameters": dict(options.set), "options": dict(options.option)}
        return [load_base(source, project, function=function or None, **given)]
    return _chosen(load_variants(source, project), source, options.variant)


def _chosen(variants: list[Variant], source: Path, name: str | None) -> list[Variant]:
    """The variant called ``name``, or all of them; TTError where there is none of that name."""
    if name is None:
        return variants
    found = [variant for variant in variants if variant.name == f"{source.stem}-{name}"]
    if not found:
        known = ", ".join(v.name.removeprefix(f"{source.stem}-") for v in variants)
        raise TTError(f"there is no variant '{name}'; there is {known}")
    return found


def _each(
    options: argparse.Namespace, work: Callable[[Steps, Job], bool], device: str | None = None
) -> int:
    """Do ``work`` for every job; ``device`` is what it is going to need one of."""
    workers = Workers(cache_folder())
    try:
        workers.start_planner()
        if device is not None:
            workers.start_device(device, options.arch)
        steps = Steps(workers)
        passed = [work(steps, job) for job in _jobs(options)]
    finally:
        workers.close()
    return 0 if all(passed) else _WRONG_VALUES


def _dump_folder(options: argparse.Namespace) -> Path | None:
    return options.dump_ir.absolute() if options.dump_ir else None


def _plan(options: argparse.Namespace) -> int:
    def work(steps: Steps, job: Job) -> bool:
        timing = steps.plan(job, _dump_folder(options))
        _say("planned", job.plan)
        if options.timing:
            print(timing)
        return True

    return _each(options, work)


def _render(options: argparse.Namespace) -> int:
    def work(steps: Steps, job: Job) -> bool:
        steps.plan(job, _dump_folder(options))
        steps.render(job)
        _say("rendered", *job.sources)
        return True

    return _each(options, work)


def _build(options: argparse.Namespace) -> int:
    def work(steps: Steps, job: Job) -> bool:
        steps.plan(job, _dump_folder(options))
        steps.render(job)
        steps.compile(job)
        _say("compiled", *job.elfs)
        return True

    return _each(options, work, "mock")


def _run(options: argparse.Namespace) -> int:
    from ttgen_runtime.devices import select
    from ttgen_runtime.result import summary

    device = str(select(options.device, options.arch))

    def work(steps: Steps, job: Job) -> bool:
        steps.plan(job, _dump_folder(options))
        steps.golden(job)
        steps.render(job)
        run = steps.run_with_cycles if options.cycles else steps.run
        result = run(job, device)
        print(summary(result))
        if not result.passed:
            print(f"ttgen: {result.message}", file=sys.stderr)
        return result.passed

    # A run that counts cycles has a session of its own.
    return _each(options, work, None if options.cycles else device)


def _bench(options: argparse.Namespace) -> int:
    from ttgen_runtime.bench import save, table
    from ttgen_runtime.devices import select

    device = str(select(options.device, options.arch))
    entries = []

    def work(steps: Steps, job: Job) -> bool:
        steps.plan(job, _dump_folder(options))
        steps.golden(job)
        steps.render(job)
        entries.append(steps.bench(job, device))
        return entries[-1].status == "passed"

    status = _each(options, work)
    print(table(entries))
    report = options.out.absolute() / outputs.BENCH
    save(entries, report)
    _say("written", report)
    return status


def _template_tools(options: argparse.Namespace) -> Tools:
    """The folders that the arguments mean, in their order: a kernel's own come first."""
    layers = [Layer(folder.absolute(), "--templates") for folder in options.templates]
    if options.variant and not options.kernel:
        raise TTError("--variant is one of a kernel's: give --kernel, too")
    if options.kernel:
        source, project = _kernel_source(options.kernel)
        variant = _chosen(load_variants(source, project), source, options.variant)[0]
        own = [Layer(project / folder, f"spec of {variant.name}") for folder in variant.templates]
        layers = [*own, *layers]
    return Tools(tuple(layers), Path.cwd())


def _list_templates(options: argparse.Namespace) -> int:
    print(_template_tools(options).listing())
    return 0


def _show_template(options: argparse.Namespace) -> int:
    path, text = _template_tools(options).text(options.name, builtin=options.builtin)
    print(f"{os.path.relpath(path)}:", file=sys.stderr)
    sys.stdout.write(text)
    return 0


def _eject_template(options: argparse.Namespace) -> int:
    folder = options.to or next(iter(options.templates), Path("templates"))
    path = _template_tools(options).eject(options.name, folder.absolute(), force=options.force)
    _say("copied to", path)
    return 0


def _diff_templates(options: argparse.Namespace) -> int:
    text, stale = _template_tools(options).changes(options.name)
    print(text)
    return _WRONG_VALUES if stale else 0


def _doctor(_: argparse.Namespace) -> int:
    from ttgen.doctor import report

    text, healthy = report()
    print(text)
    return 0 if healthy else _WRONG_VALUES


def _say(verb: str, *paths: Path) -> None:
    for path in paths:
        print(f"{verb} {os.path.relpath(path)}")


_COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], int], str]] = {
    "plan": (_plan, "make the plan of a kernel"),
    "render": (_render, "plan, and render the programs and host programs"),
    "build": (_build, "plan, render, and compile for the chip"),
    "run": (_run, "plan, render, run on a device, and compare with the source's meaning"),
    "bench": (_bench, "what a kernel takes, next to ttnn's own operation"),
}

_TEMPLATE_COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], int], str]] = {
    "list": (_list_templates, "every template, which file wins, and why"),
    "show": (_show_template, "the text of the file that wins"),
    "eject": (_eject_template, "copy a built-in template, to change it"),
    "diff": (_diff_templates, "what is different from the built-in templates, and since when"),
}

if __name__ == "__main__":
    sys.exit(main())
