//! First instructions of a program that the kernel itself starts.

/// Defines `_start` for sigma0 and the root task, which begin without a stack (`abi/07` §2).
///
/// `$main` is an `extern "C" fn(usize) -> !`; its argument is the first argument register, for
/// sigma0 the address of the kernel info page. The stack of `$stack_size` bytes lies in BSS.
#[macro_export]
macro_rules! root_start {
    ($main:path, $stack_size:expr) => {
        ::core::arch::global_asm!(
            ".pushsection .bss.root_stack, \"aw\", @nobits",
            ".balign 4096",
            "root_stack_bottom:",
            ".skip {stack_size}",
            "root_stack_top:",
            ".popsection",
            ".pushsection .text._start, \"ax\", @progbits",
            ".globl _start",
            "_start:",
            "lea rsp, [rip + root_stack_top]",
            "xor ebp, ebp",
            "call {main}",
            "ud2",
            ".popsection",
            stack_size = const $stack_size,
            main = sym $main,
        );
    };
}
