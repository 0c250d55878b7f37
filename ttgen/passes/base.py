"""What every pass is: a frozen set of options, a name, and a function on PrimFuncs or modules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import tvm
from tvm.ir import IRModule
from tvm.tirx import PrimFunc

from ttgen.errors import TTError
from ttgen.passes import attrs


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
        return self.transform(module)

    def as_tvm_pass(self) -> Any:
        """This pass as TVM sees it. Errors keep their text across TVM's C++, as RuntimeErrors."""

        @tvm.transform.module_pass(opt_level=0, name=self.name)  # type: ignore[untyped-decorator]
        def run(module: IRModule, _: Any) -> IRModule:
            try:
                return self.transform(module)
            except TTError as error:
                raise RuntimeError(f"{type(error).__name__}: {error}") from error

        return run


class FuncPass(TTPass):
    """A pass that treats every PrimFunc of a module on its own."""

    @abstractmethod
    def apply(self, func: PrimFunc) -> PrimFunc:
        """The transformed function."""

    def transform(self, module: IRModule) -> IRModule:
        """Apply the pass to each function."""
        result = {}
        for var, func in module.functions.items():
            if isinstance(func, PrimFunc):
                attrs.check_known(func)
                func = self.apply(func)
            result[var] = func
        return IRModule(result)
