# A guest in the shape of a Linux kernel (bzImage, 64-bit entry) that does harm. Which, its command line says:
#   s  spins with interrupts off             f  leaves its machine as often as it can
#   t  faults thrice                         h  halts with interrupts off
#   w  writes where no memory is             i  prints with a string instruction, which the machine has not
# It tells so on the serial port: those that never end do so again and again.

        .intel_syntax noprefix
        .code64
        .org 0x1f1                      # sectors before the kernel, but for one
        .byte 1
        .org 0x201                      # bytes of the header behind this one
        .byte 0x66
        .ascii "HdrS"
        .org 0x22c                      # a RAM disk ends below
        .long 0x7fffffff
        .org 0x236                      # there is a 64-bit entry
        .word 1
        .org 0x238                      # longest command line
        .long 0x7f
        .org 0x258                      # where it is loaded, and how much memory it needs
        .quad 0x100000
        .long 0x1000

        .org 0x600                      # 512 bytes behind the kernel's start
entry:  mov     esp, 0x90000            # memory that nothing is in
        mov     ebx, [rsi + 0x228]      # the command line
        mov     al, [rbx + 14]          # behind `console=ttyS0 `, which the monitor puts there
        cmp     al, 's'
        je      spin
        cmp     al, 'f'
        je      flood
        cmp     al, 't'
        je      crash
        cmp     al, 'w'
        je      wild
        cmp     al, 'i'
        je      string
        lea     rsi, [rip + halts]
        call    print
        cli
        hlt

spin:   cli
1:      lea     rsi, [rip + spins]
        call    print
        mov     ecx, 0x2000000
2:      dec     ecx
        jnz     2b
        jmp     1b

flood:  lea     rsi, [rip + floods]
        call    print
        mov     edi, 0x1000
1:      xor     eax, eax
        cpuid
        in      al, 0x40
        mov     eax, 0x80000000
        mov     dx, 0xcf8
        out     dx, eax
        mov     dx, 0xcfc
        in      eax, dx
        mov     ecx, 0xc0010015
        rdmsr
        vmmcall
        dec     edi
        jnz     1b
        jmp     flood

crash:  lea     rsi, [rip + crashes]
        call    print
        lidt    [rip + nothing]
        ud2

wild:   lea     rsi, [rip + strays]
        call    print
        mov     eax, 0x80000000
        mov     [rax], al
        ud2

string: lea     rsi, [rip + strings]
        mov     ecx, 8
        mov     edx, 0x3f8
        rep     outsb
        ud2

print:  mov     edx, 0x3f8
1:      lodsb
        test    al, al
        jz      2f
        out     dx, al
        jmp     1b
2:      ret

halts:  .asciz "it halts\n"
spins:  .asciz "it spins\n"
floods: .asciz "it floods\n"
crashes:.asciz "it crashes\n"
strays: .asciz "it strays\n"
strings:.asciz "in vain\n"
nothing:.quad 0, 0
