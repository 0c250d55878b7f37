// A stand-in, not tt-metal: declarations that host.cpp uses, so that a compiler can read it.
#pragma once

class bfloat16 {
public:
    bfloat16() = default;
    explicit bfloat16(int value);
    bfloat16(float value);
    operator float() const;
};
