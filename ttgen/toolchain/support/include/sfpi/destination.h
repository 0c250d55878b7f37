// The destination register, one vector at a time: dst_reg[0] = f(dst_reg[0]); dst_reg++;
#pragma once

#include "conversions.h"
#include "tables.h"

namespace sfpi {

// How a vector is held in the destination register: modifiers of SFPLOAD and SFPSTORE.
enum class DataLayout : u32 {
    Default = 0,
    FSrcB = 0,  // the format that source B is set to, or float32 where the destination has 32 bits
    F16a = 1,
    F16b = 2,
    F32 = 3,
    I32 = 4,
    U32 = 4,
    M32 = 4,
    U16 = 6,
    SM32 = 12,  // on Wormhole sign and magnitude there, two's complement in the register
};

// SFPLOAD into the lower half of a register.
constexpr u32 LOW_16_ONLY = 14;

constexpr u32 memory(u32 opcode, u32 mode, u32 addressing) {
    return encoding::op(opcode, (mode << 16) + (addressing << encoding::ADDRESS_MODE));
}

sfpi_inline float load(u32 word) {
    return __builtin_constant_p(word) ? loaded(word) : pushed(word);
}

sfpi_inline float load_into(float r, u32 word) {
    return __builtin_constant_p(word) ? loaded_into(r, word) : pushed_into(r, word);
}

sfpi_inline void store(u32 word, float value) {
    if (__builtin_constant_p(word)) {
        __asm__ volatile(".ttinsn (%1 + (L_%0 << 20))" ::"cf"(value), "i"(word));
        return;
    }
    u32 instruction;
    __asm__ volatile(
        "lui %0, (L_%1 << 8)\n"
        "add %0, %0, %2\n"
        "sw %0, 0(%3)"
        : "=&r"(instruction)
        : "cf"(value), "r"(word), "r"(&__instrn_buffer[0]));
}

struct dst_reg_t {
    // Of no stated layout: that of the type which it becomes, or which is put there.
    template <u32 layout, bool stated>
    struct reference {
        u32 index;
        u32 addressing = encoding::NO_INCREMENT;

        static constexpr u32 integers = stated ? layout : u32(is_blackhole ? DataLayout::I32 : DataLayout::SM32);

        sfpi_inline u32 word(u32 opcode, u32 mode) const {
            return memory(opcode, mode, addressing) + index * encoding::ROWS;
        }
        // Two modes of SFPLOAD are made of others, since Wolfpine 2.2 dies of them. On Blackhole SM32
        // is I32, which the simulator does not know.
        sfpi_inline lanes read(u32 mode) const {
            if (mode == u32(DataLayout::U16)) return {load_into(integer(0), word(encoding::LOAD, LOW_16_ONLY))};
            if (mode != u32(DataLayout::SM32)) return {load(word(encoding::LOAD, mode))};
            const vSMag there = lanes{load(word(encoding::LOAD, u32(DataLayout::I32)))};
            return is_blackhole ? there.get() : convert<vInt>(there).get();
        }
        sfpi_inline void write(float value, u32 mode) const {
            const bool as_it_is = is_blackhole && mode == u32(DataLayout::SM32);
            store(word(encoding::STORE, as_it_is ? u32(DataLayout::I32) : mode), value);
        }

        sfpi_inline operator vFloat() const { return read(layout); }
        sfpi_inline operator vInt() const { return read(integers); }
        sfpi_inline operator vUInt() const { return read(stated ? layout : u32(DataLayout::U32)); }
        sfpi_inline operator vSMag() const { return read(stated ? layout : u32(DataLayout::I32)); }
        sfpi_inline operator vMag() const { return read(stated ? layout : u32(DataLayout::I32)); }

        sfpi_inline void operator=(const vFloat& value) const { write(value.r, layout); }
        sfpi_inline void operator=(const vFloat16b& value) const {
            write(value.r, stated ? layout : u32(DataLayout::F16b));
        }
        sfpi_inline void operator=(const vInt& value) const { write(value.r, integers); }
        sfpi_inline void operator=(const vUInt& value) const {
            write(value.r, stated ? layout : u32(DataLayout::U32));
        }
        sfpi_inline void operator=(const vSMag& value) const {
            write(value.r, stated ? layout : u32(DataLayout::I32));
        }
        sfpi_inline void operator=(const vMag& value) const {
            write(value.r, stated ? layout : u32(DataLayout::I32));
        }
        sfpi_inline void operator=(const sum& value) const { *this = vFloat(value); }
        sfpi_inline void operator=(const product& value) const { *this = vFloat(value); }
        sfpi_inline void operator=(float value) const { *this = vFloat(value); }
        sfpi_inline void operator=(i32 value) const { *this = vInt(value); }
        sfpi_inline void operator=(const reference& other) const { *this = vFloat(other); }
        template <u32 theirs, bool said>
        sfpi_inline void operator=(const reference<theirs, said>& other) const {
            *this = vFloat(other);
        }

        template <DataLayout wanted>
        sfpi_inline reference<u32(wanted), true> mode() const {
            return {index, addressing};
        }
        sfpi_inline reference mode(u32 address_mode) const { return {index, address_mode}; }
        template <DataLayout wanted>
        sfpi_inline reference<u32(wanted), true> mode(u32 address_mode) const {
            return {index, address_mode};
        }
    };

    sfpi_inline reference<0, false> operator[](u32 index) const { return {index}; }
    sfpi_inline void operator++(int) const { *this += 1; }
    sfpi_inline void operator++() const { *this += 1; }
    sfpi_inline void operator+=(u32 vectors) const {
        __asm__ volatile(".ttinsn %0" ::"i"(encoding::op(encoding::INCRWC, (vectors * encoding::ROWS) << 14)));
    }
};
inline constexpr dst_reg_t dst_reg{};

}  // namespace sfpi
