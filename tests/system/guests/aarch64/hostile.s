// A guest in the shape of a Linux kernel (Image) that does harm. Which, the first letter of its command line says:
//   s  spins with interrupts off             f  leaves its machine as often as it can
//   t  faults where its vectors are not      h  halts with interrupts off
//   w  writes where no memory is             i  reads a device by an instruction that tells not enough of itself
// It tells so on the serial port: those that never end do so again and again.

        .arch   armv8-a
        .equ    DISTRIBUTOR, 0x1000000000
        .equ    REDISTRIBUTOR, 0x1000100000
        .equ    SERIAL, 0x1001000000
        .equ    VIRTIO, 0x1002000000

start:  b       entry
        .word   0
        .quad   0                       // from a multiple of 2 MiB on
        .quad   0x1000                  // bytes that it needs
        .quad   0, 0, 0, 0
        .ascii  "ARM\x64"
        .word   0

entry:  ldr     x19, =SERIAL
        ldr     w3, =0x736f6863
        ldr     w4, =0x00006e65
1:      ldr     w1, [x0], #4            // the node "chosen" of the device tree
        ldr     w2, [x0]
        cmp     w1, w3
        ccmp    w2, w4, #0, eq
        b.ne    1b
        ldrb    w1, [x0, #16]           // its first property's value, behind three words
        cmp     w1, #'s'
        b.eq    spin
        cmp     w1, #'f'
        b.eq    flood
        cmp     w1, #'t'
        b.eq    crash
        cmp     w1, #'w'
        b.eq    wild
        cmp     w1, #'i'
        b.eq    pair
        adr     x0, halts
        bl      print
2:      wfi
        b       2b

spin:   adr     x0, spins
        bl      print
        mov     x2, #0x2000000
1:      subs    x2, x2, #1
        b.ne    1b
        b       spin

flood:  adr     x0, floods
        bl      print
        ldr     x20, =DISTRIBUTOR
        ldr     x21, =REDISTRIBUTOR
        ldr     x22, =VIRTIO
        mov     x23, #0x400
1:      mov     x0, #0x1234             // no such call
        hvc     #0
        smc     #0
        ldr     x0, =0xc4000003         // of a CPU that does not exist
        mov     x1, #77
        hvc     #0
        mrs     x1, mdscr_el1
        msr     oslar_el1, x1
        mov     x1, #1                  // an interrupt for itself
        msr     S3_0_C12_C11_5, x1
        mov     x1, #-1
        str     w1, [x20]
        str     w1, [x20, #0x104]
        str     w1, [x20, #0x204]
        ldr     x1, [x21, #8]
        str     x1, [x21, #0x14]
        ldrb    w1, [x22]
        str     w1, [x22, #0x70]
        strh    w1, [x19, #0x38]
        subs    x23, x23, #1
        b.ne    1b
        b       flood

crash:  adr     x0, crashes
        bl      print
        ldr     x0, =0x2000000000       // nothing is there
        msr     vbar_el1, x0
        isb
        udf     #0

wild:   adr     x0, strays
        bl      print
        ldr     x0, =0x2000000000
        strb    wzr, [x0]
        b       .

pair:   adr     x0, pairs
        bl      print
        ldp     x0, x1, [x19]
        b       .

print:  ldrb    w1, [x0], #1
        cbz     w1, 1f
        str     w1, [x19]
        b       print
1:      ret

spins:  .asciz  "it spins\n"
floods: .asciz  "it floods\n"
crashes:
        .asciz  "it crashes\n"
strays: .asciz  "it strays\n"
pairs:  .asciz  "it reads pairs\n"
halts:  .asciz  "it halts\n"
        .balign 4
        .ltorg
