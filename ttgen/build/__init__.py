"""Kernels as SCons targets: the builders, what they depend on, and the processes that do the work.

Nothing here imports TVM or ttnn, and reading an SConscript starts no process.
"""
