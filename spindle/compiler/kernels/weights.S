/* The weights as they are, in a section that is only read; as C text they would take minutes. */
#if defined(__APPLE__)
#define NAME _spindle_weights
    .section __TEXT,__const
    .private_extern NAME
#elif defined(_WIN32)
#define NAME spindle_weights
    .section .rdata,"dr"
#elif defined(__wasm__)
#define NAME spindle_weights
    .section .rodata.weights,"",@
    .type spindle_weights,@object
    .hidden NAME
#else
#define NAME spindle_weights
    .section .rodata
    .hidden NAME
#endif
    .globl NAME
    .p2align 6
NAME:
    .incbin "weights.bin"
.Lend:
#if defined(__wasm__)
    .size spindle_weights, .Lend - spindle_weights
#elif defined(__ELF__)
    .section .note.GNU-stack,"",%progbits
#endif
