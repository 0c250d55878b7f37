// The vector types, and what assigning to them means where lanes are off.
#pragma once

#include <type_traits>

#include "constants.h"

namespace sfpi {

// How deep in v_if we are: each v_if, v_and and the like is one more, each v_endif takes its own away.
// The optimiser works it out: nothing of it is left in the code.
static u32 region;

// What a register holds.
struct lanes {
    float r;
};

// A value that a register holds.
//
// `home` is the region that the variable was declared in. There it can be written as a whole. Deeper
// inside, only the lanes that are on take the new value, and the others keep the old one: unless there
// is none. A variable that was declared without a value takes no register before it has one.
struct vReg {
    float r;
    u32 home;
    bool has_value;

    sfpi_inline vReg() : home(region), has_value(false) {}
    sfpi_inline explicit vReg(lanes value) : r(value.r), home(region), has_value(true) {}
    sfpi_inline vReg(const vReg& other) : r(other.r), home(region), has_value(true) {}

    sfpi_inline lanes get() const { return {r}; }

    // Whether what is written next may be written as a whole. It is a value from then on.
    sfpi_inline bool is_written_whole() {
        const bool keeps_nothing = home == region || !has_value;
        has_value = true;
        return keeps_nothing;
    }

    sfpi_inline void assign(float value) {
        if (is_written_whole()) {
            r = value;
        } else {
            r = update<encoding::op(encoding::MOV)>(r, value);
        }
    }
};

// Numbers that are known only while the kernel runs, into a half or all of a register (SFPLOADI): the
// instruction is put together and pushed.
sfpi_inline float pushed(u32 word) {
    float r;
    u32 instruction;
    __asm__ volatile(
        "lui %1, (L_%0 << 8)\n"
        "add %1, %1, %2\n"
        "sw %1, 0(%3)"
        : "=cf"(r), "=&r"(instruction)
        : "r"(word), "r"(&__instrn_buffer[0]));
    return r;
}

sfpi_inline float pushed_into(float r, u32 word) {
    u32 instruction;
    __asm__ volatile(
        "lui %1, (L_%0 << 8)\n"
        "add %1, %1, %2\n"
        "sw %1, 0(%3)"
        : "+cf"(r), "=&r"(instruction)
        : "r"(word), "r"(&__instrn_buffer[0]));
    return r;
}

constexpr u32 loadi(u32 mode, u32 imm16) { return encoding::op(encoding::LOADI, (mode << 16) + (imm16 & 0xffff)); }

sfpi_inline float loaded(u32 word) {
    float r;
    __asm__ volatile(".ttinsn (%1 + (L_%0 << 20))" : "=cf"(r) : "i"(word));
    return r;
}

sfpi_inline float loaded_into(float r, u32 word) {
    __asm__ volatile(".ttinsn (%1 + (L_%0 << 20))" : "+cf"(r) : "i"(word));
    return r;
}

// A pattern of 32 bits, in two halves.
sfpi_inline float in_halves(u32 bits) {
    const float low = loaded(loadi(SFPLOADI_MOD0_LOWER, bits));
    return loaded_into(low, loadi(SFPLOADI_MOD0_UPPER, bits >> 16));
}

sfpi_inline float at_run_time(u32 bits) {
    const float low = pushed(loadi(SFPLOADI_MOD0_LOWER, 0) + (bits & 0xffff));
    return pushed_into(low, loadi(SFPLOADI_MOD0_UPPER, 0) + (bits >> 16));
}

// Whether SFPLOADI's short float with an exponent of 5 bits is this number, and as what.
constexpr u32 as_fp16(u32 bits) {
    return ((bits >> 16) & 0x8000) | ((((bits >> 23) & 0xff) - 112) << 10) | ((bits >> 13) & 0x3ff);
}

constexpr bool is_fp16(u32 bits) {
    const u32 exponent = (bits >> 23) & 0xff;
    return (bits & 0x1fff) == 0 && exponent > 112 && exponent < 143;
}

constexpr bool is_bf16(u32 bits) { return (bits & 0xffff) == 0; }

// A float in every lane: none, one or two instructions.
sfpi_inline float number(float value) {
    const u32 bits = std::bit_cast<u32>(value);
    if (!__builtin_constant_p(bits)) return at_run_time(bits);
    if (bits == 0) return zero();
    if (bits == 0x3f800000) return one();
    if (bits == 0xbf800000) return minus_one();
    if (is_bf16(bits)) return loaded(loadi(SFPLOADI_MOD0_FLOATB, bits >> 16));
    if (is_fp16(bits)) return loaded(loadi(SFPLOADI_MOD0_FLOATA, as_fp16(bits)));
    return in_halves(bits);
}

// An integer in every lane.
sfpi_inline float integer(u32 value) {
    if (!__builtin_constant_p(value)) return at_run_time(value);
    if (value == 0) return zero();
    if (value <= 0xffff) return loaded(loadi(SFPLOADI_MOD0_USHORT, value));
    if (value >= 0xffff8000) return loaded(loadi(SFPLOADI_MOD0_SHORT, value));
    if (is_bf16(value)) return loaded(loadi(SFPLOADI_MOD0_FLOATB, value >> 16));
    return in_halves(value);
}

// Constructors that every vector type has, and assignment by lanes.
#define SFPI_VECTOR(type, base)                        \
    sfpi_inline type() {}                              \
    sfpi_inline type(lanes value) : base(value) {}     \
    type(const type&) = default;                       \
    sfpi_inline type& operator=(const type& other) {   \
        assign(other.r);                               \
        return *this;                                  \
    }

// Scalars that say in which short format they are; the shortest is taken in any case.
struct sFloat16b {
    float value;
    sfpi_inline constexpr explicit sFloat16b(float number) : value(number) {}
    sfpi_inline constexpr explicit sFloat16b(u32 bits) : value(std::bit_cast<float>(bits << 16)) {}
    sfpi_inline constexpr explicit sFloat16b(i32 bits) : sFloat16b(u32(bits)) {}
};

struct sFloat16a {
    float value;
    sfpi_inline constexpr explicit sFloat16a(float number) : value(number) {}
    sfpi_inline constexpr explicit sFloat16a(u32 bits)
        : value(std::bit_cast<float>(((bits & 0x8000) << 16) | ((((bits >> 10) & 0x1f) + 112) << 23) |
                                     ((bits & 0x3ff) << 13))) {}
    sfpi_inline constexpr explicit sFloat16a(i32 bits) : sFloat16a(u32(bits)) {}
};

struct sum;
struct product;

struct vFloat : vReg {
    SFPI_VECTOR(vFloat, vReg)
    sfpi_inline vFloat& operator=(const sum& value);
    sfpi_inline vFloat& operator=(const product& value);
    sfpi_inline vFloat(float value) : vReg(lanes{number(value)}) {}
    sfpi_inline vFloat(sFloat16b value) : vFloat(value.value) {}
    sfpi_inline vFloat(sFloat16a value) : vFloat(value.value) {}
};

// Rounded to a short format, which is float32 all the same.
struct vFloat16b : vFloat {
    SFPI_VECTOR(vFloat16b, vFloat)
};
struct vFloat16a : vFloat {
    SFPI_VECTOR(vFloat16a, vFloat)
};

struct vUInt;
struct vSMag;

// Two's complement.
struct vInt : vReg {
    SFPI_VECTOR(vInt, vReg)
    sfpi_inline vInt(i32 value) : vReg(lanes{integer(u32(value))}) {}
    sfpi_inline vInt(u32 value) : vReg(lanes{integer(value)}) {}
    sfpi_inline vInt(const vUInt& value);
};

struct vUInt : vReg {
    SFPI_VECTOR(vUInt, vReg)
    sfpi_inline vUInt(u32 value) : vReg(lanes{integer(value)}) {}
    sfpi_inline vUInt(i32 value) : vReg(lanes{integer(u32(value))}) {}
    sfpi_inline explicit vUInt(const vInt& value) : vReg(lanes{value.r}) {}
};

sfpi_inline vInt::vInt(const vUInt& value) : vReg(lanes{value.r}) {}

// Sign and magnitude.
struct vSMag : vReg {
    SFPI_VECTOR(vSMag, vReg)
};
struct vSMag16 : vSMag {
    SFPI_VECTOR(vSMag16, vSMag)
};
struct vSMag8 : vSMag {
    SFPI_VECTOR(vSMag8, vSMag)
};

// A magnitude: an integer of 31 bits without a sign, which is the same in all three notations.
struct vMag : vReg {
    SFPI_VECTOR(vMag, vReg)
    sfpi_inline explicit vMag(i32 value) : vReg(lanes{integer(u32(value))}) {}
    sfpi_inline explicit vMag(u32 value) : vReg(lanes{integer(value)}) {}
    sfpi_inline explicit vMag(const vUInt& value) : vReg(lanes{value.r}) {}
    sfpi_inline explicit vMag(const vInt& value) : vReg(lanes{value.r}) {}
    sfpi_inline operator vInt() const { return get(); }
    sfpi_inline operator vUInt() const { return get(); }
    sfpi_inline operator vSMag() const { return get(); }
};
struct vUInt16 : vMag {
    SFPI_VECTOR(vUInt16, vMag)
};
struct vUInt8 : vMag {
    SFPI_VECTOR(vUInt8, vMag)
};

// The same bits as another type.
template <class To, class From>
sfpi_inline To as(const From& value) {
    return To(value.get());
}

// The compiler is told by this that a function needs many registers; ours finds out by itself.
struct lreg_pressure {
    sfpi_inline lreg_pressure() {}
    sfpi_inline ~lreg_pressure() {}
};

}  // namespace sfpi
