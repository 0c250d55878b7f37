// Start code of Wormhole's ethernet firmware, in place of erisc-crt0.cc, which is a naked function
// with C++ statements (GCC only). Base firmware calls _start; the firmware's exit, or a kernel's
// through erisc_exit, returns to base firmware from any depth of calls.
.section .start, "ax", @progbits
.globl _start
.type _start, @function
_start:
    addi sp, sp, -64
    sw ra, 0(sp)
    sw s0, 4(sp)
    sw s1, 8(sp)
    sw s2, 12(sp)
    sw s3, 16(sp)
    sw s4, 20(sp)
    sw s5, 24(sp)
    sw s6, 28(sp)
    sw s7, 32(sp)
    sw s8, 36(sp)
    sw s9, 40(sp)
    sw s10, 44(sp)
    sw s11, 48(sp)
    // Clears .bss, where the stack pointer is saved next.
    lui a0, %hi(__ldm_bss_start)
    addi a0, a0, %lo(__ldm_bss_start)
    lui a1, %hi(__ldm_bss_end)
    addi a1, a1, %lo(__ldm_bss_end)
    call wzerorange
    lui t0, %hi(saved_sp)
    sw sp, %lo(saved_sp)(t0)
    call _Z11Applicationv
.size _start, .-_start

// Falls through: the end of the application is an exit.
.type return_to_base, @function
return_to_base:
    lui t0, %hi(saved_sp)
    lw sp, %lo(saved_sp)(t0)
    lw ra, 0(sp)
    lw s0, 4(sp)
    lw s1, 8(sp)
    lw s2, 12(sp)
    lw s3, 16(sp)
    lw s4, 20(sp)
    lw s5, 24(sp)
    lw s6, 28(sp)
    lw s7, 32(sp)
    lw s8, 36(sp)
    lw s9, 40(sp)
    lw s10, 44(sp)
    lw s11, 48(sp)
    addi sp, sp, 64
    ret
.size return_to_base, .-return_to_base

.section .bss.saved_sp, "aw", @nobits
.balign 4
saved_sp:
    .zero 4

// void (*erisc_exit)(): kernels call through it.
.section .data.erisc_exit, "awR", @progbits
.balign 4
.globl erisc_exit
erisc_exit:
    .word return_to_base
