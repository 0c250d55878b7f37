"""From a kernel's source file to a specialised PrimFunc.

The modules import TVM, except :mod:`.imports`; so this package imports nothing by itself.
"""
