"""The stand-in for SFPI's ``riscv-tt-elf-g++``: what runs when tt-metal's JIT calls the compiler.

``ttgen.toolchain.install`` copies this package into the SDK root, beside a generated launcher, so
a root keeps working with the driver that its version line names. It runs about ten times per
program: in forks of one process where a session keeps that (``server.py``), in new ones otherwise,
so modules here import little: no dataclasses, typing or subprocess.
"""
