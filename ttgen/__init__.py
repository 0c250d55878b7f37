"""ttgen: tensor programs in, TT-Metalium programs out, inside a build."""

from pathlib import Path

__version__ = "0.1.0"


def toolpath() -> str:
    """Where SCons finds the tool: ``Environment(tools=["ttgen"], toolpath=[ttgen.toolpath()])``."""
    package = Path(__file__).parent
    installed = package / "site_tools"
    return str(installed if installed.is_dir() else package.parent / "site_scons" / "site_tools")
