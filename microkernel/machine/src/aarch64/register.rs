//! System registers by name.

/// Reads a system register.
macro_rules! read_register {
    ($name:literal) => {{
        let value: u64;
        // SAFETY: reading one of the registers that this crate names has no
        // effect but the value.
        #[allow(unused_unsafe, reason = "it may stand in an unsafe block")]
        unsafe {
            core::arch::asm!(concat!("mrs {}, ", $name), out(reg) value,
                options(nomem, nostack, preserves_flags));
        }
        value
    }};
}

/// Writes a system register. Unsafe: what the register means decides.
macro_rules! write_register {
    ($name:literal, $value:expr) => {{
        let value: u64 = $value;
        core::arch::asm!(concat!("msr ", $name, ", {}"), in(reg) value,
            options(nostack, preserves_flags))
    }};
}

/// A barrier or maintenance instruction without an operand.
macro_rules! barrier {
    ($instruction:literal) => {{
        // SAFETY: orders or forgets, and changes no value.
        #[allow(unused_unsafe, reason = "it may stand in an unsafe block")]
        unsafe {
            core::arch::asm!($instruction, options(nostack, preserves_flags))
        }
    }};
}
