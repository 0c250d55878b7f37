// Included before every translation unit.
//
// .ttinsn WORD puts a Tensix instruction into the RISC-V instruction stream. The word is stored
// rotated left by two, so that its low bits are never 0b11: those mark a RISC-V instruction.
// SFPI's assembler knows the directive; for clang's it is a macro, defined once per assembly.
#ifndef TTGEN_COMPAT_H
#define TTGEN_COMPAT_H
#ifndef __ASSEMBLER__
__asm__(
    ".ifndef ttgen_has_ttinsn\n"
    ".set ttgen_has_ttinsn, 1\n"
    ".macro .ttinsn word:req\n"
    ".4byte ((((\\word) << 2) & 0xfffffffc) | (((\\word) >> 30) & 3))\n"
    ".endm\n"
    ".endif\n");
#endif
#endif
