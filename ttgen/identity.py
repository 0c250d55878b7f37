"""TVM's objects by which one they are.

Python sees a TVM object through a new wrapper each time, and ``==`` of two variables makes an
expression of them first: a set of variables takes ten times as long as one of their addresses.
"""

from __future__ import annotations

import tvm


def address(node: tvm.runtime.Object) -> int:
    """Where ``node`` lies in memory: its own for as long as somebody holds it."""
    found: int = node.__chandle__()
    return found
