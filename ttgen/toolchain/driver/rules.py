"""Command lines: what tt-metal's JIT writes for SFPI's g++, and what clang and lld get instead.

Tables, not branches: a rule is a prefix, what takes the argument's place, and why.
"""

from __future__ import annotations


class DriverError(Exception):
    """The stand-in cannot do what was asked; the text goes to the JIT's log as it is."""


class Rule:
    """``replacement`` takes the place of an argument that starts with ``prefix``; () drops it."""

    __slots__ = ("prefix", "replacement", "why")

    def __init__(self, prefix: str, replacement: tuple[str, ...], why: str) -> None:
        self.prefix = prefix
        self.replacement = replacement
        self.why = why


# Simulators have no SFPLOADMACRO: the SDK is told to do without it, by a variable or this macro.
NO_LOAD_MACROS = "-DDISABLE_SFPLOADMACRO"

# First match wins; an argument that no rule knows is kept.
COMPILE_RULES = (
    Rule(
        "-std=c++17",
        ("-std=c++20", NO_LOAD_MACROS),
        "SFPI allows class-type template arguments in C++17; one object for all devices",
    ),
    Rule(NO_LOAD_MACROS, (), "it is said for every device: what is built is what is simulated"),
    Rule("-O3", ("-O2",), "clang unrolls at -O3 where GCC does not: firmware outgrows its region"),
    Rule("-mcpu=", (), "Tensix CPU names; the target flags say rv32im"),
    Rule("-ftt-", (), "language extensions of SFPI's g++ that C++20 has"),
    Rule("-flto", (), "lld gets native objects: GCC's link-time partitioning means nothing to it"),
    Rule("--param=", (), "GCC tuning"),
    Rule("-fno-tree-", (), "names of GCC passes; -fno-builtin forbids what they forbid"),
    Rule("-W", ("-w",), "the SDK's headers are clean under GCC's warnings, not under clang's"),
    Rule("-g", (), "it doubles the link time; compile.py adds line tables where #line is used"),
)

# An architecture is known by its CPU name. The value: tt-metal's folder name, SFPI's macro.
CPUS = {
    "tt-wh": ("wormhole", "__riscv_xtttensixwh"),
    "tt-bh": ("blackhole", "__riscv_xtttensixbh"),
}


class Arch:
    """``name`` as in tt-metal's folders (``wormhole``), ``macro`` that SFPI predefines."""

    __slots__ = ("macro", "name")

    def __init__(self, name: str, macro: str) -> None:
        self.name = name
        self.macro = macro


def architecture(args: list[str]) -> Arch:
    """The architecture that ``-mcpu=tt-wh…`` or ``-mcpu=tt-bh…`` asks for.

    Raises DriverError for another one (Quasar), and when none is named.
    """
    cpus = [a[len("-mcpu=") :] for a in args if a.startswith("-mcpu=")]
    for cpu in cpus:
        for prefix, (name, macro) in CPUS.items():
            if cpu == prefix or cpu.startswith(prefix + "-"):
                return Arch(name, macro)
    seen = ", ".join(cpus) or "no -mcpu"
    raise DriverError(
        f"error: the clang stand-in knows Wormhole and Blackhole, not {seen}; install SFPI"
    )


def translate(args: list[str]) -> list[str]:
    """A compile command's arguments for clang: COMPILE_RULES applied, order kept."""
    out: list[str] = []
    for arg in args:
        for rule in COMPILE_RULES:
            if arg.startswith(rule.prefix):
                out.extend(r for r in rule.replacement if r not in out)
                break
        else:
            out.append(arg)
    return out


def translate_link(args: list[str]) -> list[str]:
    """A link command's arguments for lld itself, which has no compiler driver in front of it.

    Kept: inputs, ``-o``, ``-L``; ``-Wl,`` and ``-T`` are unwrapped; any other option is the
    compiler's (language, optimisation, LTO) and dropped.
    """
    out: list[str] = []
    words = iter(args)
    for arg in words:
        if arg == "-o":
            out += ["-o", next(words)]
        elif arg.startswith("-Wl,"):
            out += arg[len("-Wl,") :].split(",")
        elif arg.startswith("-T"):
            out += ["-T", arg[2:] or next(words)]
        elif arg.startswith("-L") or not arg.startswith("-"):
            out.append(arg)
    return out


def value_of(args: list[str], option: str) -> str | None:
    """The argument after ``option``, or None."""
    return args[args.index(option) + 1] if option in args else None


def without(args: list[str], option: str) -> list[str]:
    """``args`` without ``option`` and the argument after it."""
    if option not in args:
        return list(args)
    at = args.index(option)
    return args[:at] + args[at + 2 :]
