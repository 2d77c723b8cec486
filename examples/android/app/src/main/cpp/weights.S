/* The weights, to be read from the library's own file when they are wanted: nothing is copied. */
    .section .rodata
    .globl network_weights
    .hidden network_weights
    .balign 64
network_weights:
    .incbin "weights.bin"
    .section .note.GNU-stack,"",%progbits
