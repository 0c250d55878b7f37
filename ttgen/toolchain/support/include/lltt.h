// Replay buffer: record instructions once, replay them later (REPLAY, opcode 0x04; fields as in
// ckernel_ops.h: start << 14, length << 4, execute while loading << 1, load mode).
#pragma once
#include <cstdint>

extern volatile std::uint32_t __instrn_buffer[];

namespace lltt {

enum ExecBool : bool { NoExec, Exec };

constexpr std::uint32_t replay_insn(unsigned start, unsigned length) {
    return (0x04u << 24) | (start << 14) | (length << 4);
}

// A constant becomes an instruction in the stream; anything else is pushed by a store.
[[gnu::always_inline]] inline void issue(std::uint32_t word) {
    if (__builtin_constant_p(word)) {
        __asm__ __volatile__(".ttinsn %0" ::"i"(word));
    } else {
        ::__instrn_buffer[0] = word;
    }
}

// The next `length` instructions go into the buffer from `start`; with Exec they also run.
template <ExecBool exec = NoExec>
[[gnu::always_inline]] inline void record(unsigned start, unsigned length) {
    issue(replay_insn(start, length) | (unsigned(exec) << 1) | 1u);
}

[[gnu::always_inline]] inline void replay(unsigned start, unsigned length) {
    issue(replay_insn(start, length));
}

}  // namespace lltt
