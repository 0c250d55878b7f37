"""ttgen: tensor programs in, TT-Metalium programs out, inside a build."""

__version__ = "0.1.0"
