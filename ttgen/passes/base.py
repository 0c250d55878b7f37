"""What every pass is: a frozen set of options, a name, and a function on PrimFuncs or modules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import tvm
from tvm.ir import IRModule
from tvm.tirx import PrimFunc

from ttgen.errors import TTError
from ttgen.passes import attrs, invariants, twins


class TTPass(ABC):
    """A pass. Its dataclass fields are its options.

    ``pass_(module)`` runs it; ``pass_.as_tvm_pass()`` makes a ``tvm.transform.Pass`` of it, for a
    ``Sequential`` of one's own and for TVM's instruments.
    """

    name: ClassVar[str]

    @abstractmethod
    def transform(self, module: IRModule) -> IRModule:
        """The transformed module; LoweringError at what the pass does not understand."""

    def __call__(self, module: IRModule) -> IRModule:
        """Transform ``module``, and check what has been made of it.

        LoweringError, too, at an attribute that no pass knows, or that cannot be right
        (:mod:`ttgen.passes.invariants`).
        """
        return twins.transformed(self, module)

    def in_python(self, module: IRModule) -> IRModule:
        """What a call does, by the twin in Python."""
        attrs.check_all_known(module)
        result = self.transform(module)
        invariants.check(module, result, self.name)
        return result

    def as_tvm_pass(self) -> Any:
        """This pass as TVM sees it. Errors keep their text across TVM's C++, as RuntimeErrors."""

        @tvm.transform.module_pass(opt_level=0, name=self.name)  # type: ignore[untyped-decorator]
        def run(module: IRModule, _: Any) -> IRModule:
            try:
                return self(module)
            except TTError as error:
                raise RuntimeError(f"{type(error).__name__}: {error}") from error

        return run


class FuncPass(TTPass):
    """A pass that treats every PrimFunc of a module on its own, and leaves the others alone."""

    @abstractmethod
    def apply(self, func: PrimFunc) -> PrimFunc:
        """The transformed function."""

    def transform(self, module: IRModule) -> IRModule:
        """Apply the pass to each function."""
        return IRModule(
            {
                var: self.apply(func) if isinstance(func, PrimFunc) else func
                for var, func in module.functions.items()
            }
        )
