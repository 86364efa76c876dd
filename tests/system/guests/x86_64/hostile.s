# A guest in the shape of a Linux kernel (bzImage, 64-bit entry) that does harm, or little. What, its command line says:
#   s  spins with interrupts off             f  leaves its machine as often as it can
#   t  faults thrice                         h  halts with interrupts off
#   w  writes where no memory is             i  prints with a string instruction, which the machine has not
#   c  starts its second CPU, interrupts it, and switches off when that one's timer has come too
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
        cmp     al, 'c'
        je      cpus
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

# Bytes by which the second CPU tells what it has had: its start, an interrupt, its timer's.
        .set    page, 0x8000
        .set    started, 0x6000
        .set    called, 0x6001
        .set    timed, 0x6002
# Registers of an APIC in x2APIC mode: end of interrupt, spurious vector (which has the switch), commands, timer.
        .set    END, 0x80b
        .set    SPURIOUS, 0x80f
        .set    COMMAND, 0x830
        .set    TIMER, 0x832
        .set    DEADLINE, 0x6e0

cpus:   lea     rsi, [rip + second]
        mov     edi, page
        mov     ecx, offset second_end - second
        rep     movsb
        mov     dword ptr [started], 0
        mov     eax, 0x4500             # INIT
        call    command
        mov     eax, 0x4600 + page / 0x1000
        call    command
        mov     ebx, started
        call    await
        mov     eax, 0x4040             # an interrupt
        call    command
        mov     ebx, called
        call    await
        mov     ebx, timed
        call    await
        lea     rsi, [rip + both]
        call    print
        cli
        hlt

command:mov     ecx, COMMAND
        mov     edx, 1                  # the second CPU
        wrmsr
        ret

# Leaves the machine at each turn, so that other threads of the host get on.
await:  xor     eax, eax
        push    rbx
        cpuid
        pop     rbx
        cmp     byte ptr [rbx], 0
        je      await
        ret

        .code16
second: xor     ax, ax
        mov     ds, ax
        mov     ss, ax
        mov     sp, 0x6000
        mov     dword ptr [0x40 * 4], page + (on_call - second)
        mov     dword ptr [0x41 * 4], page + (on_timer - second)
        xor     edx, edx
        mov     ecx, SPURIOUS
        mov     eax, 0x1ff
        wrmsr
        mov     byte ptr [started], 1
1:      sti
        hlt
        cli
        cmp     byte ptr [called], 0
        je      1b
        mov     ecx, TIMER
        mov     eax, 0x40041            # by a deadline
        xor     edx, edx
        wrmsr
        rdtsc
        add     eax, 1000000
        adc     edx, 0
        mov     ecx, DEADLINE
        wrmsr
2:      sti
        hlt
        cli
        cmp     byte ptr [timed], 0
        je      2b
        hlt

on_call:mov     byte ptr [called], 1
        jmp     3f
on_timer:
        mov     byte ptr [timed], 1
3:      pushad
        xor     eax, eax
        xor     edx, edx
        mov     ecx, END
        wrmsr
        popad
        iret
second_end:
        .code64

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
both:   .asciz "both CPUs run\n"
nothing:.quad 0, 0
