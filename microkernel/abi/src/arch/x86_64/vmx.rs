//! x86_64: the extended state of a vCPU that runs a virtual machine under VMX.
//!
//! The state at [`EXTENDED_STATE_OFFSET`](super::vcpu::EXTENDED_STATE_OFFSET) is a *software VMCS*: a value for
//! each field that the hardware's has, at a place that follows from the field's number by a table in the state.
//! General registers but rsp, rip and rflags are in the vCPU state.
//!
//! Source: `abi/06` §5.2; Intel SDM volume 3, 25 and appendix B.

/// Offsets in the software VMCS, in bytes.
pub mod at {
    /// The number of the field [`CR2`](super::field::CR2), a `u32`.
    pub const CR2_FIELD: usize = 0x10;
    /// Capability of a vCPU context.
    pub const CONTEXT: usize = 0x18;
    /// The [table](super::TABLE).
    pub const TABLE: usize = 0x20;
    /// The values.
    pub const VALUES: usize = 0xc0;
    /// A bit for each byte of the values: the field that begins there was changed by the user.
    pub const CHANGED: usize = 0xac0;
    /// End of the software VMCS.
    pub const END: usize = CHANGED + VALUES_SIZE / 8;
    const VALUES_SIZE: usize = CHANGED - VALUES;
}

/// No capability: what is in [`at::CONTEXT`] at first.
pub const NO_CONTEXT: u64 = 0x800;

/// The table by which user mode finds values. Of fields with 16, 64, 32 bits and the machine's width: where those for
/// control, for reading only, of the guest and of the host begin, in units of 64 bytes; how many units they have, less
/// one; how far a field's number is shifted. And where all begin, and how many units there are.
pub const TABLE: [u8; 40] = [
    0, 6, 9, 30, 0, 6, 10, 30, 4, 7, 19, 30, 5, 8, 21, 30, //
    0, 0, 1, 0, 4, 1, 9, 0, 1, 1, 2, 0, 1, 1, 9, 0, //
    0, 2, 1, 2, 0, 30, 0, 0,
];

/// Where the value of a field is, from [`at::VALUES`] on.
pub const fn offset(field: u32) -> usize {
    let (size, group) = ((field >> 13 & 3) as usize, (field >> 10 & 3) as usize);
    TABLE[4 * size + group] as usize * 64 + (((field & 0x3fe) as usize) << TABLE[32 + size])
}

/// Bits of a field's value.
pub const fn width(field: u32) -> u32 {
    [16, 64, 32, 64][(field >> 13 & 3) as usize]
}

/// Fields (SDM appendix B); the last ones only software knows.
#[allow(
    missing_docs,
    reason = "the names say all that the manual's table does"
)]
pub mod field {
    pub const TSC_OFFSET: u32 = 0x2010;
    pub const GUEST_PHYSICAL_ADDRESS: u32 = 0x2400;
    pub const GUEST_PAT: u32 = 0x2804;
    pub const GUEST_EFER: u32 = 0x2806;
    pub const PIN_CONTROLS: u32 = 0x4000;
    pub const CPU_CONTROLS: u32 = 0x4002;
    pub const EXCEPTION_BITMAP: u32 = 0x4004;
    pub const EXIT_CONTROLS: u32 = 0x400c;
    pub const ENTRY_CONTROLS: u32 = 0x4012;
    pub const ENTRY_EVENT: u32 = 0x4016;
    pub const ENTRY_ERROR: u32 = 0x4018;
    pub const ENTRY_LENGTH: u32 = 0x401a;
    pub const CPU_CONTROLS_2: u32 = 0x401e;
    pub const INSTRUCTION_ERROR: u32 = 0x4400;
    pub const EXIT_REASON: u32 = 0x4402;
    pub const EXIT_EVENT: u32 = 0x4404;
    pub const INTERRUPTED_EVENT: u32 = 0x4408;
    pub const INTERRUPTED_ERROR: u32 = 0x440a;
    pub const EXIT_LENGTH: u32 = 0x440c;
    pub const ACTIVITY: u32 = 0x4826;
    pub const CR0_MASK: u32 = 0x6000;
    pub const CR4_MASK: u32 = 0x6002;
    pub const EXIT_QUALIFICATION: u32 = 0x6400;
    pub const GUEST_CR0: u32 = 0x6800;
    pub const GUEST_CR3: u32 = 0x6802;
    pub const GUEST_CR4: u32 = 0x6804;
    pub const GUEST_DR7: u32 = 0x681a;
    pub const GUEST_RSP: u32 = 0x681c;
    pub const GUEST_RIP: u32 = 0x681e;
    pub const GUEST_RFLAGS: u32 = 0x6820;

    pub const XCR0: u32 = 0x2880;
    pub const FMASK: u32 = 0x2882;
    pub const LSTAR: u32 = 0x2884;
    pub const CSTAR: u32 = 0x2886;
    pub const STAR: u32 = 0x288a;
    pub const KERNEL_GS_BASE: u32 = 0x288c;
    pub const CR2: u32 = 0x6880;
}

/// An event to inject or that was interrupted: it is there.
pub const EVENT_VALID: u64 = 1 << 31;
/// Exit reasons.
pub mod reason {
    /// An exception or NMI.
    pub const EXCEPTION: u64 = 0;
    /// An interrupt of the machine.
    pub const INTERRUPT: u64 = 1;
}

/// Bits of the controls.
pub mod control {
    /// The guest is in 64-bit mode, or a mode below that (entry).
    pub const LONG_MODE_GUEST: u64 = 1 << 9;
    /// The guest's PAT comes from the VMCS (entry).
    pub const LOAD_PAT: u64 = 1 << 14;
    /// The guest's EFER does (entry).
    pub const LOAD_EFER: u64 = 1 << 15;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_where_the_table_says() {
        assert_eq!(offset(0x2010), 0x40);
        assert_eq!(offset(0x0800), 9 * 64);
        assert_eq!(offset(0x080e), 9 * 64 + 14);
        assert_eq!(offset(0x4016), 4 * 64 + 0x2c);
        assert_eq!(offset(0x6826), 21 * 64 + 0x98);
        assert_eq!(offset(0x6880), 21 * 64 + 0x200);
        assert_eq!((TABLE[2], TABLE[4 + 2], TABLE[37]), (9, 10, 30));
        assert_eq!(at::END, 0xc00);
    }
}
