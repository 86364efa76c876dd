//! aarch64: first instructions of programs and threads, frame pointers.

use core::arch::{asm, naked_asm};

/// Makes `$main` the program's main function.
///
/// It may return nothing, an exit code, or a `Result` whose error can be displayed; see
/// [`Termination`](crate::Termination).
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        ::core::arch::global_asm!(
            ".pushsection .text._start, \"ax\", @progbits",
            ".globl _start",
            "_start:",
            "mov x0, sp",
            "adrp x1, {run}",
            "add x1, x1, :lo12:{run}",
            "mov x29, xzr",
            "mov x30, xzr",
            "bl {start}",
            "udf #0",
            ".popsection",
            run = sym __l4_rt_run,
            start = sym $crate::component::start,
        );

        extern "C" fn __l4_rt_run() -> i32 {
            $crate::Termination::exit_code($main())
        }
    };
}

/// First instructions of a new thread: it finds the argument for `thread_main` on top of its stack.
#[unsafe(naked)]
unsafe extern "C" fn thread_entry() -> ! {
    naked_asm!(
        "ldr x0, [sp], #16",
        "mov x29, xzr",
        "mov x30, xzr",
        "bl {thread_main}",
        "udf #0",
        thread_main = sym crate::thread::thread_main,
    )
}

/// Where a new thread is to begin, with a stack pointer that leads to the argument for `thread_main`.
pub(crate) fn thread_entry_address() -> u64 {
    thread_entry as *const () as u64
}

/// The frame pointer of the calling function.
#[inline(always)]
pub(crate) fn frame_pointer() -> usize {
    let pointer;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, x29", out(reg) pointer, options(nomem, nostack, preserves_flags)) }
    pointer
}

pub(crate) use l4_sys::arch::{set_thread_pointer, thread_pointer};
