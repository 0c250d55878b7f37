// Start code of Blackhole's ethernet firmware, in place of active_erisc-crt0.cc, whose pointer to a
// noreturn function is initialised with one that is not declared so (GCC accepts that). Base
// firmware calls _start; the end of main, or a kernel's call through erisc_exit, returns to it.
#include <csetjmp>
#include <cstdint>

int main();

extern "C" void wzerorange(std::uint32_t* start, std::uint32_t* end);
extern std::uint32_t __ldm_bss_start[];
extern std::uint32_t __ldm_bss_end[];

static std::jmp_buf base_firmware;

[[noreturn]] static void return_to_base() { std::longjmp(base_firmware, 1); }

// Kernels call through it.
[[gnu::used]] void (*erisc_exit)() = return_to_base;

extern "C" [[gnu::section(".start")]] void _start() {
    wzerorange(__ldm_bss_start, __ldm_bss_end);
    if (setjmp(base_firmware) == 0) {
        main();
    }
    __asm__ volatile("fence");
}
