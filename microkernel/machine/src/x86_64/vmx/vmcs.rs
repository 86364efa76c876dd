//! The hardware's virtual machine control structure: how it is reached, and
//! its fields that `l4_abi` does not name (SDM volume 3, appendix B).

use core::arch::asm;

/// Fields that are the kernel's alone.
pub(super) mod own {
    pub(crate) const EPT_POINTER: u32 = 0x201a;
    pub(crate) const LINK: u32 = 0x2800;
    /// Debug control, CR3 targets, and lists of registers: there are none.
    pub(crate) const ZERO: [u32; 5] = [0x2802, 0x400a, 0x400e, 0x4010, 0x4014];

    pub(crate) const HOST_SELECTORS: [u32; 7] = [0xc00, 0xc02, 0xc04, 0xc06, 0xc08, 0xc0a, 0xc0c];
    pub(crate) const HOST_PAT: u32 = 0x2c00;
    pub(crate) const HOST_EFER: u32 = 0x2c02;
    pub(crate) const HOST_SYSENTER: [u32; 3] = [0x4c00, 0x6c10, 0x6c12];
    pub(crate) const HOST_CR0: u32 = 0x6c00;
    pub(crate) const HOST_CR3: u32 = 0x6c02;
    pub(crate) const HOST_CR4: u32 = 0x6c04;
    pub(crate) const HOST_FS_BASE: u32 = 0x6c06;
    pub(crate) const HOST_GS_BASE: u32 = 0x6c08;
    pub(crate) const HOST_TASK_STATE: u32 = 0x6c0a;
    pub(crate) const HOST_DESCRIPTORS: u32 = 0x6c0c;
    pub(crate) const HOST_TRAPS: u32 = 0x6c0e;
    pub(crate) const HOST_RSP: u32 = 0x6c14;
    pub(crate) const HOST_RIP: u32 = 0x6c16;
}

/// Ranges of fields, first and last.
type Fields = [(u32, u32)];

/// The guest's state that is taken as it is: what is wrong with it the CPU
/// finds out, and whatever it is, it is the guest's alone. Selectors; entries of
/// the page table's root that the CPU has without long mode; limits and rights of
/// segments, interruptibility; SYSENTER's selector; CR3; bases, DR7, RSP, RIP,
/// RFLAGS, pending debug exceptions, SYSENTER's addresses.
pub(super) const STATE: &Fields = &[
    (0x800, 0x80e),
    (0x280a, 0x2810),
    (0x4800, 0x4824),
    (0x482a, 0x482a),
    (0x6802, 0x6802),
    (0x6806, 0x6826),
];
/// The guest's state that is made such that a guest can have it: PAT and EFER;
/// activity; CR0; CR4.
pub(super) const MENDED_STATE: &Fields = &[
    (0x2804, 0x2806),
    (0x4826, 0x4826),
    (0x6800, 0x6800),
    (0x6804, 0x6804),
];
/// What else is the user's: TSC offset; which page faults exit; shadows of CR0
/// and CR4.
pub(super) const WISHES: &Fields = &[(0x2010, 0x2010), (0x4006, 0x4008), (0x6004, 0x6006)];
/// What the user is told of an exit: reason and events; qualification and
/// addresses.
pub(super) const EXIT: &Fields = &[(0x4402, 0x440e), (0x6400, 0x640a)];

/// The fields of some ranges.
pub(super) fn all(ranges: [&'static Fields; 2]) -> impl Iterator<Item = u32> {
    let ranges = ranges.into_iter().flatten();
    ranges.flat_map(|&(first, last)| (first..=last).step_by(2))
}

/// A field of the VMCS that is loaded; 0 for one that the CPU does not have.
pub(super) fn read(field: u32) -> u64 {
    let value;
    // SAFETY: there is a current VMCS wherever this runs; reads only.
    unsafe {
        asm!("xor {0:e}, {0:e}", "vmread {0}, {1}", out(reg) value, in(reg) u64::from(field),
            options(nomem, nostack));
    }
    value
}

/// Writes a field of the VMCS that is loaded.
///
/// # Safety
/// A guest with it leaves the kernel what is the kernel's.
pub(super) unsafe fn write(field: u32, value: u64) {
    // SAFETY: promised by the caller; there is a current VMCS.
    unsafe {
        asm!("vmwrite {}, {}", in(reg) u64::from(field), in(reg) value, options(nomem, nostack));
    }
}
