"""The SCons tool: kernels as targets.

``env.TTKernel(name, source)`` declares a kernel, ``env.TTKernels(folder)`` every kernel in a
folder. Each variant becomes, below ``$TT_BUILD/<architecture>/<kernel>/``: a plan, its sources,
five ELFs; and on demand golden values and a test result. The aliases ``plans``, ``sources``,
``kernels`` and ``test`` collect them.

Construction variables: ``TT_BUILD`` (folder, ``build``), ``TT_ARCH`` (architectures, with commas;
empty: those of the spec), ``TT_KERNEL`` (globs over kernel names, with commas), ``TT_DEVICE``
(where tests run), ``TT_TIMEOUT`` (seconds that a test may run; empty: by the kernel's size),
``TT_TEMPLATES`` (folders of templates), ``TT_LINES`` (``source``: compilers and debuggers name the
kernel's lines).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from SCons.Action import Action
from SCons.Builder import Builder
from SCons.Errors import BuildError, UserError
from SCons.Scanner import Scanner

from ttgen.arch import ARCHITECTURES, architecture
from ttgen.build import scanners
from ttgen.build.job import Job
from ttgen.build.selection import Selection
from ttgen.build.session import REPORTS, BuildSession, all_sessions, current_session
from ttgen.errors import TTError
from ttgen.fingerprint import fingerprint
from ttgen.render import LINES, Lines
from ttgen.spec import Variant, load_variants
from ttgen_runtime.devices import select

_DEFAULTS = {
    "TT_BUILD": "build",
    "TT_ARCH": "",
    "TT_KERNEL": "*",
    "TT_DEVICE": "auto",
    "TT_TIMEOUT": "",
    "TT_TEMPLATES": [],
    "TT_LINES": "generated",
}

#: Aliases that fail where the selection means no kernel; ``test`` does so as well.
_SELECTING = ("plans", "sources", "kernels")
#: What a build folder holds, to be removed by ``-c``; whatever else is in it is the user's.
_OWN_FOLDERS = (*ARCHITECTURES, ".cache")
#: What this SCons run is asked for, over all environments.
_selection = Selection()
_aliases: list[Any] = []


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
    env.Append(
        BUILDERS={
            "TTPlan": _builder("PLAN", lambda s, job, _: s.steps.plan(job), imports),
            "TTGolden": _builder("GOLDEN", lambda s, job, _: s.steps.golden(job), imports),
            "TTSources": _builder("RENDER", lambda s, job, _: s.steps.render(job), templates),
            "TTElfs": _builder("COMPILE", lambda s, job, _: s.steps.compile(job), nothing),
            "TTResult": _builder("RUN", _run, nothing),
        }
    )
    _declare_aliases(env)
    env.AddMethod(tt_kernel, "TTKernel")
    env.AddMethod(tt_kernels, "TTKernels")


def _declare_aliases(env: Any) -> None:
    """The aliases, which all environments share: they get their actions once."""
    if _aliases:
        return
    # What an action would print is asked for in a dry run too, which does not run it.
    check = Action(_check_selection, strfunction=_check_dry_run)
    verdict = Action(_verdict, strfunction=lambda *_: None)
    for name in _SELECTING:
        _aliases.extend(env.Alias(name, [], check))
    env.AlwaysBuild(env.Alias("test", [], [check, verdict]))


def tt_kernels(env: Any, folder: str = "kernels") -> list[Any]:
    """Declare every kernel of ``folder``: its Python files, but for those that begin with ``_``."""
    sources = [file for file in env.Glob(f"{folder}/*.py") if not file.name.startswith("_")]
    if not sources:
        raise UserError(f"there is no kernel source in {env.Dir(folder).abspath}")
    nodes = [tt_kernel(env, file.name.removesuffix(".py"), file) for file in sources]
    return [node for group in nodes for node in group]


def tt_kernel(
    env: Any, name: str, source: Any, spec: Any = None, templates: Iterable[Any] = ()
) -> list[Any]:
    """Declare the kernel ``name``; the ELFs of its variants.

    ``spec`` is its YAML file (beside the source by default), ``templates`` folders that come
    before those of the environment.
    """
    file = env.File(source)
    spec_file = env.File(spec) if spec else None
    project = Path(env.Dir("#").abspath)
    try:
        spec_path = Path(spec_file.abspath) if spec_file else None
        variants = load_variants(Path(file.abspath), project, name=name, spec=spec_path)
        jobs = list(_jobs(env, file, variants, templates))
    except TTError as error:
        raise UserError(str(error)) from None
    for alias in _aliases:
        alias.set_always_build(_selection.problem() is not None)
    return [node for job in jobs for node in _declare(env, job, file)]


def _jobs(env: Any, file: Any, variants: list[Variant], templates: Iterable[Any]) -> Iterable[Job]:
    wanted = [architecture(name.strip()).name for name in env["TT_ARCH"].split(",") if name]
    folders = [*templates, *env["TT_TEMPLATES"]]
    for variant in variants:
        for arch in wanted or variant.arch:
            job = Job(
                project=Path(env.Dir("#").abspath),
                build=Path(env.Dir(env["TT_BUILD"]).abspath),
                variant=variant,
                arch=arch,
                templates=tuple(Path(env.Dir(folder).abspath) for folder in folders),
                path=Path(file.abspath),
                lines=_lines(env["TT_LINES"]),
            )
            if _selection.takes(job, env["TT_KERNEL"]):
                yield job


def _declare(env: Any, job: Job, source: Any) -> list[Any]:
    """The targets of one job. What decides a target beyond its sources is a Value."""
    session = current_session(env)
    session.jobs.append(job)
    _seconds(env["TT_TIMEOUT"])
    job_env = env.Override({"TT_JOB": job, "TT_SESSION": session})

    def declare(builder: str, targets: Iterable[Path], sources: list[Any], version: str) -> Any:
        nodes = getattr(job_env, builder)([env.File(str(t)) for t in targets], sources)
        env.Depends(nodes, env.Value(version))
        return nodes

    plan = declare("TTPlan", [job.plan], [source], f"{job.identity()} {fingerprint('plan')}")
    templates = scanners.template_names_in(job.template_set().folders)
    sources = declare(
        "TTSources", job.sources, plan, f"{fingerprint('render')} {job.lines} {templates}"
    )
    kernel_sources = [env.File(str(path)) for path in job.kernel_sources]
    elfs = declare("TTElfs", job.elfs, [*plan, *kernel_sources], session.toolchain)
    golden = declare("TTGolden", [job.golden], [source, *plan], fingerprint("golden"))
    result = declare(
        "TTResult",
        [job.result],
        [*plan, *kernel_sources, *golden],
        f"{session.toolchain} {session.device(env['TT_DEVICE'], job.arch)}",
    )
    aliases = {"plans": plan, "sources": [*plan, *sources], "kernels": [*sources, *elfs]}
    for alias, nodes in {**aliases, "test": result}.items():
        env.Depends(env.Alias(alias), nodes)  # as sources they would be scanned for #include
        env.Clean(env.Alias(alias), env.Dir(str(job.folder)))
    if env["TT_KERNEL"] == "*" and not env["TT_ARCH"]:
        env.Clean(env.Alias("kernels"), [env.Dir(str(job.build / name)) for name in _OWN_FOLDERS])
        env.Clean(env.Alias("kernels"), [env.File(str(job.build / name)) for name in REPORTS])
    return list(elfs)


def _builder(
    verb: str,
    work: Callable[[BuildSession, Job, Any], object],
    scanner: Any = None,
) -> Any:
    """A builder whose action does ``work`` and whose line is the verb and the job."""

    def run(target: list[Any], source: list[Any], env: Any) -> None:
        session: BuildSession = env["TT_SESSION"]
        job: Job = env["TT_JOB"]
        try:
            work(session, job, env)
        except TTError as error:
            session.failed(verb, job, str(error))
            message = "interrupted" if session.interrupted else str(error)
            raise BuildError(target[0], errstr=message) from None
        session.done(verb, job)

    def line(target: list[Any], source: list[Any], env: Any) -> str:
        return f"{verb:<8}{env['TT_JOB'].label}"

    return Builder(action=Action(run, strfunction=line), source_scanner=scanner)


def _run(session: BuildSession, job: Job, env: Any) -> None:
    """Run and compare. A wrong kernel must not hide another: the verdict comes after the last."""
    session.run(job, str(select(env["TT_DEVICE"], job.arch)), _seconds(env["TT_TIMEOUT"]))


def _lines(text: Any) -> Lines:
    """What ``TT_LINES`` says."""
    for lines in LINES:
        if text == lines:
            return lines
    raise UserError(f"TT_LINES is '{text}', and must be one of: {', '.join(LINES)}")


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


def _check_selection(target: list[Any], source: list[Any], env: Any) -> None:
    """An action of the aliases: fails where the user has asked for what is not there."""
    problem = _selection.problem()
    if problem is not None:
        raise BuildError(target[0], errstr=problem)


def _check_dry_run(target: list[Any], source: list[Any], env: Any) -> None:
    """What the action prints, which is nothing; where it will not be run, the same check."""
    if env.GetOption("no_exec"):
        _check_selection(target, source, env)


def _verdict(target: list[Any], source: list[Any], env: Any) -> int:
    """The last action of ``test``: fails where a result did, of whichever environment."""
    return sum(session.verdict() for session in all_sessions() if session.jobs)
