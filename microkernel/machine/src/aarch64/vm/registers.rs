//! The registers of EL1 that mean nothing at EL0.
//!
//! Not among them, because guests cannot get at them: ACTLR_EL1 (HCR_EL2.TACR),
//! debug registers, performance monitors, the keys of pointer authentication.

use core::sync::atomic::Ordering::Relaxed;

use super::GuestState;

macro_rules! registers {
    ($($field:ident: $register:literal;)*) => {
        /// Takes them from the CPU.
        pub(super) fn save(state: &GuestState) {
            $(state.$field.store(read_register!($register) as _, Relaxed);)*
        }

        /// Gives them to the CPU.
        pub(super) fn load(state: &GuestState) {
            // SAFETY: they concern nothing but what runs at EL1 and at EL0
            // below it, which stage 2 confines.
            unsafe {
                $(write_register!($register, state.$field.load(Relaxed).into());)*
            }
        }

        /// Leaves nothing of a guest in them.
        pub(super) fn clear() {
            // SAFETY: as in `load`.
            unsafe {
                $(write_register!($register, 0);)*
            }
        }
    };
}

registers! {
    tcr: "tcr_el1";
    ttbr0: "ttbr0_el1";
    ttbr1: "ttbr1_el1";
    mair: "mair_el1";
    amair: "amair_el1";
    esr: "esr_el1";
    far: "far_el1";
    afsr0: "afsr0_el1";
    afsr1: "afsr1_el1";
    sp: "sp_el1";
    elr: "elr_el1";
    spsr: "spsr_el1";
    vbar: "vbar_el1";
    tpidr: "tpidr_el1";
    contextidr: "contextidr_el1";
    csselr: "csselr_el1";
    par: "par_el1";
}
