// Vector registers as the compiler sees them, and one instruction at a time.
//
// A vector of 32 lanes is held in a C++ float. f8-f15 (the constraint "cf") stand for LReg0-7, which
// the compiler's own allocator so places; f0-f7 stand for the constant registers LReg8-15, which are
// only read. Each operation is one .ttinsn whose register fields are assembler symbols, named after
// the operand (L_fa0 and so on). Copies that the allocator writes as fmv.s become SFPMOV on all lanes.
//
// Encodings: ckernel_ops.h of the SDK. What instructions do: tt-isa-documentation, VectorUnit.
#pragma once

#include <bit>
#include <cstdint>

#define sfpi_inline [[gnu::always_inline]] inline

__asm__(
    ".ifndef L_fs0\n"
    ".set L_fs0, 0\n.set L_fs1, 1\n.set L_fa0, 2\n.set L_fa1, 3\n"
    ".set L_fa2, 4\n.set L_fa3, 5\n.set L_fa4, 6\n.set L_fa5, 7\n"
    ".set L_ft0, 8\n.set L_ft1, 9\n.set L_ft2, 10\n.set L_ft3, 11\n"
    ".set L_ft4, 12\n.set L_ft5, 13\n.set L_ft6, 14\n.set L_ft7, 15\n"
    ".endif\n");

extern volatile std::uint32_t __instrn_buffer[];

namespace sfpi {

using u32 = std::uint32_t;
using i32 = std::int32_t;

#if defined(__riscv_xtttensixbh)
inline constexpr bool is_blackhole = true;
#else
inline constexpr bool is_blackhole = false;
#endif

namespace encoding {

constexpr u32 op(u32 opcode, u32 fields = 0) { return (opcode << 24) + fields; }

constexpr u32 INCRWC = 0x38, LOAD = 0x70, LOADI = 0x71, STORE = 0x72, LUT = 0x73, MULI = 0x74, ADDI = 0x75;
constexpr u32 DIVP2 = 0x76, EXEXP = 0x77, EXMAN = 0x78, IADD = 0x79, SHFT = 0x7a, SETCC = 0x7b;
constexpr u32 MOV = 0x7c, ABS = 0x7d, AND = 0x7e, OR = 0x7f, NOT = 0x80, LZ = 0x81, SETEXP = 0x82;
constexpr u32 SETMAN = 0x83, MAD = 0x84, PUSHC = 0x87, POPC = 0x88, SETSGN = 0x89, COMPC = 0x8b;
constexpr u32 TRANSP = 0x8c, XOR = 0x8d, STOCH_RND = 0x8e, NOP = 0x8f, CAST = 0x90, CONFIG = 0x91;
constexpr u32 SWAP = 0x92, SHFT2 = 0x94, LUTFP32 = 0x95, LE = 0x96, GT = 0x97, MUL24 = 0x98;
constexpr u32 ARECIP = 0x99;

// An immediate of 12 bits, at its place.
constexpr u32 imm12(i32 value) { return (u32(value) & 0xfff) << 12; }

// The address mode that leaves the destination counter alone, at its place in SFPLOAD and SFPSTORE.
constexpr u32 ADDRESS_MODE = is_blackhole ? 13 : 14;
constexpr u32 NO_INCREMENT = is_blackhole ? 7 : 3;

// Destination rows per vector.
constexpr u32 ROWS = 2;

}  // namespace encoding

template <u32 word>
sfpi_inline void issue() {
    __asm__ volatile(".ttinsn %0" ::"i"(word));
}

// Results of multiply-add, swaps and tables can be used one instruction later. On Wormhole SFPNOP comes
// between, as part of what is written out: the compiler may put a copy of the result after it, not
// before it.
#if defined(__riscv_xtttensixbh)
#define SFPI_SETTLED
#else
#define SFPI_SETTLED "\n.ttinsn 0x8f000000"
#endif

// Blackhole waits by itself, but does not see everything that an instruction reads: of SFPIADD and
// SFPSHFT the register that they write to, of SFPSWAP, SFPSHFT2 and SFPCONFIG nothing. (SFPMAD,
// "Instruction scheduling")
constexpr bool reads_unseen(u32 word) {
    const u32 opcode = word >> 24;
    return opcode == encoding::IADD || opcode == encoding::SHFT || opcode == encoding::SWAP ||
           opcode == encoding::SHFT2 || opcode == encoding::CONFIG;
}

template <u32 word>
sfpi_inline void await_operands() {
    if constexpr (is_blackhole && reads_unseen(word)) issue<encoding::op(encoding::NOP)>();
}

// dest = op(c), every enabled lane of dest new.
template <u32 word>
sfpi_inline float unary(float c) {
    float dest;
    __asm__ volatile(".ttinsn (%2 + (L_%1 << 8) + (L_%0 << 4))" : "=cf"(dest) : "f"(c), "i"(word));
    return dest;
}

// The same with a word that is known only after inlining.
sfpi_inline float unary_with(u32 word, float c) {
    float dest;
    __asm__ volatile(".ttinsn (%2 + (L_%1 << 8) + (L_%0 << 4))" : "=cf"(dest) : "f"(c), "i"(word));
    return dest;
}

// dest = op(dest, c), dest kept where lanes are off.
template <u32 word>
sfpi_inline float update(float dest, float c) {
    await_operands<word>();
    __asm__ volatile(".ttinsn (%2 + (L_%1 << 8) + (L_%0 << 4))" : "+cf"(dest) : "f"(c), "i"(word));
    return dest;
}

// dest = op(dest), with everything else in the word.
template <u32 opcode>
sfpi_inline float update_with(u32 fields, float dest) {
    await_operands<encoding::op(opcode)>();
    __asm__ volatile(".ttinsn (%1 + (L_%0 << 4))" : "+cf"(dest) : "i"(encoding::op(opcode, fields)));
    return dest;
}

// A condition on c.
template <u32 word>
sfpi_inline void on(float c) {
    __asm__ volatile(".ttinsn (%1 + (L_%0 << 8))" ::"f"(c), "i"(word));
}

// a * b + c, with its modifier; into the lanes of dest that are on.
sfpi_inline float multiply_add(float a, float b, float c, u32 modifier = 0) {
    float dest;
    __asm__ volatile(".ttinsn (%4 + (L_%1 << 16) + (L_%2 << 12) + (L_%3 << 8) + (L_%0 << 4))" SFPI_SETTLED
                     : "=cf"(dest)
                     : "f"(a), "f"(b), "f"(c), "i"(encoding::op(encoding::MAD, modifier)));
    return dest;
}

sfpi_inline float multiply_add_into(float dest, float a, float b, float c, u32 modifier) {
    __asm__ volatile(".ttinsn (%4 + (L_%1 << 16) + (L_%2 << 12) + (L_%3 << 8) + (L_%0 << 4))" SFPI_SETTLED
                     : "+cf"(dest)
                     : "f"(a), "f"(b), "f"(c), "i"(encoding::op(encoding::MAD, modifier)));
    return dest;
}

// A constant register, where it stands: no instruction.
#define SFPI_CONSTANT_REGISTER(function, name)         \
    sfpi_inline float function() {                     \
        register float value __asm__(name);            \
        __asm__ volatile("" : "=f"(value));            \
        return value;                                  \
    }
SFPI_CONSTANT_REGISTER(zero, "ft1")
SFPI_CONSTANT_REGISTER(one, "ft2")
SFPI_CONSTANT_REGISTER(minus_one, "ft3")
SFPI_CONSTANT_REGISTER(programmed_0, "ft4")
SFPI_CONSTANT_REGISTER(programmed_1, "ft5")
SFPI_CONSTANT_REGISTER(programmed_2, "ft6")
SFPI_CONSTANT_REGISTER(tile_id, "ft7")
#undef SFPI_CONSTANT_REGISTER

}  // namespace sfpi
