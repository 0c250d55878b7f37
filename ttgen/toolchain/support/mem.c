// What clang calls for copies and clears of aggregates. Words where both ends are aligned: a byte
// store to L1 costs as much as a word. volatile, so that a loop does not become a call to itself.
typedef __SIZE_TYPE__ size_t;
typedef unsigned char byte;
typedef unsigned word __attribute__((may_alias));

static int aligned(const void *a, const void *b) { return (((size_t)a | (size_t)b) & 3) == 0; }

void *memset(void *to, int value, size_t count) {
    volatile byte *d = to;
    if (aligned(to, to)) {
        volatile word *w = to;
        word pattern = (byte)value * 0x01010101u;
        for (; count >= 4; count -= 4) *w++ = pattern;
        d = (volatile byte *)w;
    }
    while (count--) *d++ = (byte)value;
    return to;
}

void *memcpy(void *to, const void *from, size_t count) {
    volatile byte *d = to;
    const volatile byte *s = from;
    if (aligned(to, from)) {
        volatile word *dw = to;
        const volatile word *sw = from;
        for (; count >= 4; count -= 4) *dw++ = *sw++;
        d = (volatile byte *)dw;
        s = (const volatile byte *)sw;
    }
    while (count--) *d++ = *s++;
    return to;
}

void *memmove(void *to, const void *from, size_t count) {
    if ((size_t)to <= (size_t)from || (size_t)to >= (size_t)from + count) return memcpy(to, from, count);
    volatile byte *d = (byte *)to + count;
    const volatile byte *s = (const byte *)from + count;
    while (count--) *--d = *--s;
    return to;
}

int memcmp(const void *a, const void *b, size_t count) {
    const volatile byte *x = a, *y = b;
    for (; count; --count, ++x, ++y) {
        byte l = *x, r = *y;
        if (l != r) return l - r;
    }
    return 0;
}
