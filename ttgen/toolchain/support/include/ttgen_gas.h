// Included before the SDK's assembly sources: GNU as marks functions with .func and .endfunc for
// stabs debug information, which clang's assembler does not have.
.macro .func name:vararg
.endm
.macro .endfunc
.endm
