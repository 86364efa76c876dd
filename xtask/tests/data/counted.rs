//! A tiny program: unsafe in a comment.
#![forbid(unsafe_code)]
use core::arch::asm;

/// # Safety
/// None.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn first(
    x: u64,
) -> u64 {
    x
}

unsafe extern "C" {
    fn other();
}

unsafe impl Send for A {}

struct A {
    call: unsafe fn(u64),
    safe: u64,
}

fn second() {
    let text = "unsafe { }";
    // SAFETY: fine.
    unsafe { asm!("nop", options(nomem)) }
    unsafe {
        asm!(
            "nop",

            "nop",
        );
        other()
    }
}

#[cfg(test)]
mod tests {
    unsafe fn not_counted() {}
}
