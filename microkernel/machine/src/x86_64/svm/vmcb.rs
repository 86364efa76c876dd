//! The virtual machine control block: the user's, which is a wish, and the
//! one that the CPU sees (abi/06 §5.1; AMD APM volume 2, appendix B).
//!
//! Each word of the user's is read once, because other threads may change it
//! at any time. The guest's state (the *save area*) is taken as it is: what is
//! wrong with it the CPU finds out, and whatever it is, it is the guest's
//! alone. What a guest may do without an exit (the *control area*) is made
//! here, word by word.

use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use l4_abi::arch::x86_64::vm::{
    CleanBits, EFER_SVME, EXIT_INTERRUPT, UNCHANGED_SAVE_AREA, XCR0_OFFSET, are_memory_types,
    forced_intercept,
};

use crate::arch::copy::copy_words;

/// Offsets of words, in bytes.
mod at {
    use l4_abi::arch::x86_64::vm::CLEAN_BITS_OFFSET;

    /// Intercepts: control and debug registers.
    pub(super) const REGISTER_INTERCEPTS: usize = 0x00;
    /// Exceptions, and the first word of instructions.
    pub(super) const EXCEPTION_INTERCEPTS: usize = 0x08;
    /// The second word of instructions.
    pub(super) const INSTRUCTION_INTERCEPTS: usize = 0x10;
    /// The pause filter, in the upper half.
    pub(super) const PAUSE_FILTER: usize = 0x38;
    pub(super) const PORT_MAP: usize = 0x40;
    pub(super) const REGISTER_MAP: usize = 0x48;
    pub(super) const TSC_OFFSET: usize = 0x50;
    /// The id of the guest's translations, and which are to be forgotten.
    pub(super) const TLB: usize = 0x58;
    pub(super) const VIRTUAL_INTERRUPT: usize = 0x60;
    pub(super) const INTERRUPT_SHADOW: usize = 0x68;
    pub(crate) const EXIT_CODE: usize = 0x70;
    pub(super) const EXIT_INTERRUPTION: usize = 0x88;
    pub(super) const NESTED_PAGING: usize = 0x90;
    pub(super) const EVENT_INJECTION: usize = 0xa8;
    pub(super) const NESTED_ROOT: usize = 0xb0;
    pub(super) const LAST_BRANCH: usize = 0xb8;
    pub(super) const UNCHANGED: usize = CLEAN_BITS_OFFSET;
    pub(super) const NEXT_INSTRUCTION: usize = 0xc8;

    // The save area.
    pub(super) const SEGMENTS: usize = 0x400;
    pub(super) const PRIVILEGE: usize = 0x4c8;
    pub(super) const EFER: usize = 0x4d0;
    pub(super) const CR4: usize = 0x548;
    pub(super) const CR3: usize = 0x550;
    pub(super) const CR0: usize = 0x558;
    pub(super) const FLAGS: usize = 0x570;
    pub(super) const IP: usize = 0x578;
    pub(super) const SP: usize = 0x5d8;
    pub(super) const AX: usize = 0x5f8;
    pub(super) const PAGE_ATTRIBUTES: usize = 0x668;
    pub(super) const DEBUG_CONTROL: usize = 0x670;
}

/// Parts of the save area that are copied: first byte, and words.
/// Segments and descriptor tables; CR4 to RIP; RSP, RAX and the registers up
/// to CR2.
const COPIED: [(usize, usize); 3] = [(at::SEGMENTS, 20), (at::CR4, 7), (at::SP, 14)];
/// The registers of last branches.
const LAST_BRANCHES: (usize, usize) = (at::DEBUG_CONTROL, 5);

/// Of the second word of instructions: nothing above.
const LOWER_HALF: u64 = 0xffff_ffff;
/// INVLPGA, with which a guest that has SVME could reach ids of others: in the
/// first word of instructions.
const INVLPGA: u64 = 1 << 26;
/// What a user can say of virtual interrupts: V_TPR, V_IRQ, priority,
/// V_IGN_TPR and the vector.
const VIRTUAL_INTERRUPT: u64 = 0xff_001f_01ff;
/// Physical interrupts are the host's, whatever the guest's flag says.
const INTERRUPT_MASKING: u64 = 1 << 24;
/// V_TPR and V_IRQ change in the guest.
const VIRTUAL_INTERRUPT_STATE: u64 = 0x1ff;
/// The privilege level in its word.
const PRIVILEGE_MASK: u64 = 3 << 24;
const CR4_MACHINE_CHECK: u64 = 1 << 6;
/// #MC is the host's: in the word of exceptions.
const MACHINE_CHECK: u64 = 1 << 18;
const EXIT_MACHINE_CHECK: u64 = 0x52;
/// A vector to inject is valid.
const VALID: u64 = 1 << 31;
/// The one id that a CPU uses for guests; the host's is 0.
const ID: u64 = 1;

#[cfg_attr(test, allow(unused_imports, reason = "for the machine itself"))]
pub(crate) use at::EXIT_CODE;

/// The user's block.
pub(crate) type Wish = [AtomicU64];

/// The block that the CPU sees.
#[repr(C, align(4096))]
pub(crate) struct Vmcb(pub(crate) [Cell<u64>; 512]);

/// What the CPU can do besides, and what is the same for all guests.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    /// Physical addresses of the bitmaps.
    pub(crate) port_map: u64,
    pub(crate) register_map: u64,
}

impl Vmcb {
    /// An empty one.
    pub(crate) const fn new() -> Self {
        Self([const { Cell::new(0) }; 512])
    }

    fn word(&self, offset: usize) -> &Cell<u64> {
        &self.0[offset / 8]
    }

    /// Fills in what does not depend on the guest.
    pub(crate) fn prepare(&self, setup: Setup) {
        self.word(at::PORT_MAP).set(setup.port_map);
        self.word(at::REGISTER_MAP).set(setup.register_map);
        self.word(at::NESTED_PAGING).set(1);
    }

    /// Takes over what the user wants, for a guest with the memory of `root`.
    /// Of a guest that `ran_last`, with this very block, only what the user
    /// may have changed. Tells whether what the guest's translations rest on
    /// is another than it was; nothing, if this cannot run.
    #[inline]
    pub(crate) fn load(
        &self,
        wish: &Wish,
        root: u64,
        has_last_branch: bool,
        ran_last: bool,
    ) -> Option<bool> {
        let wanted = |offset: usize| wish[offset / 8].load(Relaxed);
        let set = |offset: usize, value: u64| self.word(offset).set(value);
        let unchanged = if ran_last { wanted(at::UNCHANGED) } else { 0 };
        if wanted(at::NESTED_PAGING) & 1 == 0 {
            return None;
        }
        let mut changes = wanted(at::TLB) >> 32 & 0xff;
        if unchanged & UNCHANGED_SAVE_AREA != 0 {
            for offset in [at::FLAGS, at::IP, at::SP, at::AX] {
                set(offset, wanted(offset));
            }
        } else {
            let (efer, attributes) = (wanted(at::EFER), wanted(at::PAGE_ATTRIBUTES));
            if efer & EFER_SVME == 0 || !are_memory_types(attributes) {
                return None;
            }
            changes |= self.load_save_area(wish, efer, attributes, has_last_branch);
        }
        if unchanged & u64::from(CleanBits::INTERCEPTS.bits()) == 0 {
            self.load_intercepts(wish);
        }
        if unchanged & u64::from(CleanBits::INTERRUPT_CONTROL.bits()) == 0 {
            set(
                at::VIRTUAL_INTERRUPT,
                wanted(at::VIRTUAL_INTERRUPT) & VIRTUAL_INTERRUPT | INTERRUPT_MASKING,
            );
        }
        set(at::INTERRUPT_SHADOW, wanted(at::INTERRUPT_SHADOW) & 1);
        set(at::EVENT_INJECTION, wanted(at::EVENT_INJECTION));
        set(at::NESTED_ROOT, root);
        Some(changes != 0)
    }

    fn load_intercepts(&self, wish: &Wish) {
        let wanted = |offset: usize| wish[offset / 8].load(Relaxed);
        let set = |offset: usize, value: u64| self.word(offset).set(value);
        set(
            at::REGISTER_INTERCEPTS,
            wanted(at::REGISTER_INTERCEPTS) | u64::from(forced_intercept::DEBUG_REGISTERS) << 32,
        );
        set(
            at::EXCEPTION_INTERCEPTS,
            wanted(at::EXCEPTION_INTERCEPTS)
                | u64::from(forced_intercept::EXCEPTIONS)
                | MACHINE_CHECK
                | (u64::from(forced_intercept::INSTRUCTIONS_0) | INVLPGA) << 32,
        );
        set(
            at::INSTRUCTION_INTERCEPTS,
            wanted(at::INSTRUCTION_INTERCEPTS) & LOWER_HALF
                | u64::from(forced_intercept::INSTRUCTIONS_1),
        );
        set(at::PAUSE_FILTER, wanted(at::PAUSE_FILTER) & !LOWER_HALF);
        set(at::TSC_OFFSET, wanted(at::TSC_OFFSET));
    }

    /// Takes the save area over. Tells what of translations' grounds is other
    /// than before: 0 for nothing.
    fn load_save_area(
        &self,
        wish: &Wish,
        efer: u64,
        attributes: u64,
        has_last_branch: bool,
    ) -> u64 {
        let wanted = |offset: usize| wish[offset / 8].load(Relaxed);
        let set = |offset: usize, value: u64| self.word(offset).set(value);
        let grounds = [at::CR0, at::CR3, at::CR4, at::EFER, at::PAGE_ATTRIBUTES];
        let before = grounds.map(|offset| self.word(offset).get());
        set(at::PRIVILEGE, wanted(at::PRIVILEGE) & PRIVILEGE_MASK);
        set(at::EFER, efer);
        for (offset, count) in COPIED {
            copy_in(self, wish, offset, count);
        }
        set(at::CR4, self.word(at::CR4).get() | CR4_MACHINE_CHECK);
        set(at::PAGE_ATTRIBUTES, attributes);
        let last_branch = wanted(at::LAST_BRANCH) & u64::from(has_last_branch);
        set(at::LAST_BRANCH, last_branch);
        if last_branch != 0 {
            copy_in(self, wish, LAST_BRANCHES.0, LAST_BRANCHES.1);
        }
        (grounds.iter().zip(before)).fold(0, |all, (offset, before)| {
            all | self.word(*offset).get() ^ before
        })
    }

    /// Says which translations the CPU forgets when it enters the guest.
    #[inline]
    pub(crate) fn set_forgotten(&self, which: u64) {
        self.word(at::TLB).set(which << 32 | ID);
    }

    /// Gives the user what has become of the guest. True if it did not exit
    /// but was interrupted.
    #[inline]
    pub(crate) fn store(&self, wish: &Wish) -> bool {
        let tell = |offset: usize, value: u64| wish[offset / 8].store(value, Relaxed);
        let get = |offset: usize| self.word(offset).get();
        let virtual_interrupt = wish[at::VIRTUAL_INTERRUPT / 8].load(Relaxed);
        tell(
            at::VIRTUAL_INTERRUPT,
            virtual_interrupt & !VIRTUAL_INTERRUPT_STATE
                | get(at::VIRTUAL_INTERRUPT) & VIRTUAL_INTERRUPT_STATE,
        );
        // The interrupt shadow, the exit and what the exit interrupted.
        copy_out(self, wish, at::INTERRUPT_SHADOW, 5);
        tell(at::EVENT_INJECTION, get(at::EVENT_INJECTION));
        tell(at::NEXT_INSTRUCTION, get(at::NEXT_INSTRUCTION));
        tell(at::PRIVILEGE, get(at::PRIVILEGE));
        tell(at::EFER, get(at::EFER));
        tell(at::PAGE_ATTRIBUTES, get(at::PAGE_ATTRIBUTES));
        for (offset, count) in COPIED {
            copy_out(self, wish, offset, count);
        }
        if get(at::LAST_BRANCH) != 0 {
            copy_out(self, wish, LAST_BRANCHES.0, LAST_BRANCHES.1);
        }
        let is_interrupted = get(at::EXIT_CODE) == EXIT_INTERRUPT;
        if is_interrupted && get(at::EXIT_INTERRUPTION) & VALID != 0 {
            // An event on its way into the guest: it is to come again.
            tell(at::EVENT_INJECTION, get(at::EXIT_INTERRUPTION));
        }
        is_interrupted
    }

    /// The guest was left because of a machine check, which is still to be raised.
    #[inline]
    pub(crate) fn has_machine_check(&self) -> bool {
        self.word(at::EXIT_CODE).get() == EXIT_MACHINE_CHECK
    }
}

/// The guest's XCR0.
#[inline]
pub(crate) fn components(wish: &Wish, available: u64) -> u64 {
    allowed_components(wish[XCR0_OFFSET / 8].load(Relaxed), available)
}

/// An XCR0 that the CPU takes. Only components that it has (`available`), the
/// x87's always, and none without those that it builds on.
#[inline]
pub(crate) fn allowed_components(wanted: u64, available: u64) -> u64 {
    const X87: u64 = 1;
    const SSE: u64 = 1 << 1;
    const AVX: u64 = 1 << 2;
    const AVX_512: u64 = 7 << 5;
    let mut components = wanted & available | X87;
    if components & AVX_512 != 0 {
        components |= (AVX_512 | AVX) & available;
    }
    if components & AVX_512 != AVX_512 {
        components &= !AVX_512;
    }
    if components & AVX != 0 {
        components |= SSE;
    }
    components
}

#[inline(always)]
fn copy_in(vmcb: &Vmcb, wish: &Wish, offset: usize, count: usize) {
    let range = offset / 8..offset / 8 + count;
    for (to, from) in vmcb.0[range.clone()].iter().zip(&wish[range]) {
        to.set(from.load(Relaxed));
    }
}

#[inline(always)]
fn copy_out(vmcb: &Vmcb, wish: &Wish, offset: usize, count: usize) {
    let range = offset / 8..offset / 8 + count;
    let (from, to) = (&vmcb.0[range.clone()], &wish[range]);
    // SAFETY: both have `count` words, for they are slices of one range.
    unsafe { copy_words(to.as_ptr(), from.as_ptr().cast(), count) };
}

#[cfg(test)]
#[path = "vmcb/tests.rs"]
mod tests;
