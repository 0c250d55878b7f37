// One word in every .data ("R": kept by --gc-sections), so that the segment is never empty.
// tt-metal's loader finds the data segment by its address; GNU ld gives an empty one an address of
// 0, lld leaves it out, and the loader then takes the wrong segment.
.section .data.ttgen_pad, "awR", @progbits
.balign 4
.word 0
