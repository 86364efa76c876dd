//! System registers by name.

/// Reads a system register.
macro_rules! read {
    ($name:literal) => {{
        let value: u64;
        // SAFETY: reading one of the registers that this crate names has no
        // effect but the value.
        unsafe {
            core::arch::asm!(concat!("mrs {}, ", $name), out(reg) value,
                options(nomem, nostack, preserves_flags));
        }
        value
    }};
}

/// Writes a system register. Unsafe: what the register means decides.
macro_rules! write {
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
        unsafe { core::arch::asm!($instruction, options(nostack, preserves_flags)) }
    }};
}
