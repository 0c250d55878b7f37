"""The SCons tool: kernels as targets.

``env.TTKernel(name, source)`` declares a kernel, ``env.TTKernels(folder)`` every kernel in a
folder; ``env.TTPasses()`` builds the passes in C++. Each variant of a kernel becomes, below
``$TT_BUILD/<architecture>/<kernel>/``: a plan, its sources, five ELFs; and on demand golden values
and a test result. The aliases ``plans``, ``sources``, ``kernels`` and ``test`` collect them,
``bench`` measures what they take, and ``compiledb`` tells editors how to read the sources.

Construction variables: ``TT_BUILD`` (folder, ``build``), ``TT_ARCH`` (architectures, with commas;
empty: those of the spec), ``TT_KERNEL`` (globs over kernel names, with commas), ``TT_DEVICE``
(where tests run), ``TT_TIMEOUT`` (seconds that a test may run; empty: by the kernel's size),
``TT_TEMPLATES`` (folders of templates), ``TT_LINES`` (``source`` points compilers and debuggers
into the kernel source), ``TT_COMPILEDB`` (the file that ``compiledb`` makes).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from SCons.Action import Action
from SCons.Builder import Builder
from SCons.Errors import BuildError, UserError
from SCons.Scanner import Scanner

from ttgen.arch import ARCHITECTURES, architecture
from ttgen.build import scanners
from ttgen.build.aliases import Aliases
from ttgen.build.job import Declared, Job, declared
from ttgen.build.kernels import STEPS, Kernel, LateNodes
from ttgen.build.session import BuildSession, all_sessions, current_session, progress
from ttgen.errors import TTError
from ttgen.files import remove_leftovers
from ttgen.outputs import LINES, Lines

_DEFAULTS = {
    "TT_BUILD": "build",
    "TT_ARCH": "",
    "TT_KERNEL": "*",
    "TT_DEVICE": "auto",
    "TT_TIMEOUT": "",
    "TT_TEMPLATES": [],
    "TT_LINES": "generated",
    "TT_COMPILEDB": "$TT_BUILD/compile_commands.json",
}

#: What this SCons run is asked for, over all environments.
_aliases = Aliases()


def exists(env: Any) -> bool:
    """Whether the tool can be used: always, since it only declares targets."""
    return True


def generate(env: Any, **_: Any) -> None:
    """Add the builders and methods to ``env``; what the user has set stays."""
    env.SetDefault(**_DEFAULTS)
    imports = Scanner(scanners.scan_imports, name="kernel imports")
    templates = Scanner(scanners.scan_templates, name="templates")
    # Without one of ours, SCons would look for #include in what is rendered, and to do so decide
    # whether that is up to date before there is a plan to tell.
    nothing = Scanner(lambda node, env, path: [], name="nothing")
    work: dict[str, tuple[Callable[[BuildSession, Job, Any], object], Any]] = {
        "PLAN": (lambda session, job, _: session.steps.plan(job), imports),
        "GOLDEN": (lambda session, job, _: session.steps.golden(job), imports),
        "RENDER": (lambda session, job, _: session.steps.render(job), templates),
        "COMPILE": (lambda session, job, _: session.steps.compile(job), nothing),
        "RUN": (_run, nothing),
    }
    env.Append(
        BUILDERS={
            STEPS[verb].builder: _builder(verb, does, scanner)
            for verb, (does, scanner) in work.items()
        }
    )
    env.SetDefault(PRINT_CMD_LINE_FUNC=progress().print)
    _aliases.declare(env, {"test": _verdict, "bench": _bench})
    env.AddMethod(tt_kernel, "TTKernel")
    env.AddMethod(tt_kernels, "TTKernels")
    env.AddMethod(tt_passes, "TTPasses")


def tt_kernels(env: Any, folder: str = "kernels") -> LateNodes:
    """Declare every kernel of ``folder``: its Python files, but for those that begin with ``_``."""
    sources = [file for file in env.Glob(f"{folder}/*.py") if not file.name.startswith("_")]
    if not sources:
        raise UserError(f"there is no kernel source in {env.Dir(folder).abspath}")
    kernels = [
        kernel for file in sources for kernel in _declare(env, file.name.removesuffix(".py"), file)
    ]
    return LateNodes((), kernels)


def tt_kernel(
    env: Any, name: str, source: Any, spec: Any = None, templates: Iterable[Any] = ()
) -> LateNodes:
    """Declare the kernel ``name``; the ELFs of its variants.

    ``spec`` is its YAML file (beside the source by default), ``templates`` folders that come
    before those of the environment.
    """
    return LateNodes((), _declare(env, name, source, spec, templates))


def tt_passes(env: Any) -> list[Any]:
    """Have the passes in C++ built in ``$TT_BUILD/passes``, for ``passes`` and for ``kernels``.

    Where there is no C++ compiler, nothing is built: kernels are planned by the passes in Python.
    What plans kernels takes the library as soon as it is there, and does not wait for it.
    """
    from ttgen import native
    from ttgen.build import passes

    session = current_session(env)
    toolchain = passes.Toolchain.found()
    if toolchain is None:
        env.AlwaysBuild(env.Alias("passes", [], Action(_no_compiler, strfunction=None)))
        return []
    library = session.build / "passes" / native.LIBRARY
    os.environ.setdefault(native.VARIABLE, str(library))
    fact, said = "passes", f"{toolchain} {session.version('plan')}"

    def keep(target: list[Any], source: list[Any], env: Any) -> None:
        session.ledger.made([str(library)])
        session.ledger.note(fact, said, [*passes.inputs(), str(library), toolchain.compiler])

    is_fresh = session.ledger.recall(fact) == said and not _aliases.showing
    nodes = [] if is_fresh else passes.library(env, library.parent, toolchain)
    alias = env.Alias("passes", nodes, Action(keep, strfunction=None) if nodes else None)
    env.AlwaysBuild(alias)
    env.Clean(alias, env.Dir(str(library.parent)))
    env.Alias("kernels", alias)
    return nodes


def _no_compiler(target: list[Any], source: list[Any], env: Any) -> None:
    from ttgen.build.passes import COMPILERS

    seen = f"there is no C++ compiler: {', '.join(COMPILERS)}, or what $CXX names"
    raise BuildError(target[0], errstr=seen)


def _declare(
    env: Any, name: str, source: Any, spec: Any = None, templates: Iterable[Any] = ()
) -> list[Kernel]:
    (file,) = env.arg2nodes(source, env.fs.File)
    session = current_session(env)
    _seconds(env["TT_TIMEOUT"])
    try:
        variants = _variants(session, env, name, file, env.File(spec) if spec else None)
        wanted = [architecture(arch.strip()).name for arch in env["TT_ARCH"].split(",") if arch]
    except TTError as error:
        raise UserError(str(error)) from None
    folders = tuple(Path(env.Dir(f).abspath) for f in (*templates, *env["TT_TEMPLATES"]))
    project = Path(env.Dir("#").abspath)
    kernels = []
    for variant in variants:
        for arch in wanted or variant.arch:
            path = scanners.read_from(file)
            job = Job(
                *(project, session.build, variant, arch, folders, path),
                lines=_lines(env),
                kept=session.kept_templates,
            )
            if _aliases.selection.takes(job, env["TT_KERNEL"]):
                session.add(job)
                kernels.append(Kernel(job, session, env, file))
    whole = None if env["TT_KERNEL"] != "*" else set(wanted or ARCHITECTURES)
    _aliases.add(session, kernels, whole)
    return kernels


def _variants(session: BuildSession, env: Any, name: str, source: Any, spec: Any) -> list[Declared]:
    """The variants that the spec says, as an earlier build has read it if it is the same."""
    project = Path(env.Dir("#").abspath)
    path = Path(source.srcnode().abspath)
    spec_path = Path(spec.srcnode().abspath) if spec else path.with_suffix(".yaml")

    def read() -> str:
        from ttgen.spec import load_variants

        given = spec_path if spec else None
        found = load_variants(path, project, name=name, spec=given)
        return msgspec.json.encode([declared(variant) for variant in found]).decode()

    key = f"variants {name} {path} {session.version('spec')}"
    text = session.ledger.remember(key, lambda: [str(spec_path)], read)
    return msgspec.json.decode(text, type=list[Declared])


def _builder(verb: str, work: Callable[[BuildSession, Job, Any], object], scanner: Any) -> Any:
    """A builder whose action does ``work`` and whose line is the verb and the job."""

    def run(target: list[Any], source: list[Any], env: Any) -> None:
        kernel: Kernel = target[0].attributes.tt_kernel
        session, job = kernel.session, kernel.job
        made = [Path(node.abspath) for node in target]
        try:
            session.lock()
            remove_leftovers(made)
            _settle_cache_names(target, env)
            with progress().step(f"{verb} {job.label}"):
                session.start_workers(job, {verb, *kernel.awaited}, env["TT_DEVICE"])
                work(session, job, env)
        except TTError as error:
            session.failed(verb, job, str(error))
            # The whole message comes last, where the eye is.
            message = "interrupted" if session.interrupted else str(error).partition("\n")[0]
            raise BuildError(target[0], errstr=message) from None
        session.done(verb, job, made)
        kernel.done(verb)

    def line(target: list[Any], source: list[Any], env: Any) -> str:
        return f"{verb:<8}{target[0].attributes.tt_kernel.job.label}"

    return Builder(action=Action(run, strfunction=line), source_scanner=scanner)


def _settle_cache_names(target: list[Any], env: Any) -> None:
    """Have SCons' cache keep all targets by what was known before they were made.

    SCons works that out for the first target then, and for the others when they are there: by what
    a step has found out until then, they would have names that no clone asks for.
    """
    if env.get_CacheDir().is_enabled():
        for node in target:
            node.get_cachedir_bsig()


def _run(session: BuildSession, job: Job, env: Any) -> None:
    """Run and compare. A wrong kernel must not hide another: the verdict comes after the last."""
    from ttgen_runtime.devices import select

    session.run(job, str(select(env["TT_DEVICE"], job.arch)), _seconds(env["TT_TIMEOUT"]))


def _lines(env: Any) -> Lines:
    for choice in LINES:
        if env["TT_LINES"] == choice:
            return choice
    raise UserError(f"TT_LINES is '{env['TT_LINES']}', and must be one of: {', '.join(LINES)}")


def _seconds(text: Any) -> float | None:
    """What ``TT_TIMEOUT`` says; None where it leaves the limit to the kernel's size."""
    if text is None or text == "":
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise UserError(f"TT_TIMEOUT is '{text}', and must be a number of seconds above 0")
    return seconds


def _verdict(target: list[Any], source: list[Any], env: Any) -> int:
    """The last action of ``test``: fails where a result did, of whichever environment."""
    return sum(session.verdict() for session in all_sessions() if session.jobs)


def _bench(target: list[Any], source: list[Any], env: Any) -> int:
    """The last action of ``bench``: measures kernels one at a time, or wall times say nothing."""
    from ttgen_runtime.devices import select

    for kernel in _aliases.kernels:
        session, job = kernel.session, kernel.job
        try:
            session.lock()
            session.bench(job, str(select(kernel.env["TT_DEVICE"], job.arch)))
        except TTError as error:
            session.failed("BENCH", job, str(error))
            return 1
    return sum(session.bench_report() for session in all_sessions() if session.jobs)
