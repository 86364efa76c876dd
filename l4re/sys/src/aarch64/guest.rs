//! The state of a guest in an extended vCPU (`abi/06` §5.3).

use core::arch::asm;

use l4_abi::arch::aarch64::vcpu::EXTENDED_STATE_OFFSET;
use l4_abi::arch::aarch64::vm::{ExtendedInfo, ExtendedState};
use l4_abi::vcpu::EXTENDED_INFO_OFFSET;

use crate::Result;
use crate::vcpu::{ExtendedVcpu, Vcpu};

/// The state of a guest, which lies in that of its vCPU.
#[derive(Clone, Copy, Debug)]
pub struct Guest(Vcpu);

macro_rules! registers {
    ($($(#[$doc:meta])* $get:ident, $set:ident: $field:ident as $type:ty;)*) => {
        $(
            $(#[$doc])*
            #[inline]
            pub fn $get(self) -> $type {
                // SAFETY: the state is there as long as the value, by the contract of `ExtendedVcpu`.
                unsafe { (&raw const (*self.state()).$field).read_volatile() }
            }

            /// Sets it.
            #[inline]
            pub fn $set(self, value: $type) {
                // SAFETY: as above; all bits are a value.
                unsafe { (&raw mut (*self.state()).$field).write_volatile(value) }
            }
        )*
    };
}

impl Guest {
    /// The guest of a vCPU.
    pub const fn of(vcpu: ExtendedVcpu) -> Self {
        Self(vcpu.vcpu())
    }

    /// Runs the guest until something enters, with a TPIDR_EL0 of its own, which the kernel does
    /// not switch: in the registers of the vCPU, as if it did.
    ///
    /// # Errors
    /// As of [`Vcpu::run`].
    pub fn run(self) -> Result<()> {
        let own = thread_pointer();
        set_thread_pointer(self.0.registers().tpidr);
        let result = self.0.run(&[]);
        let mut registers = self.0.registers();
        registers.tpidr = thread_pointer();
        set_thread_pointer(own);
        self.0.set_registers(registers);
        result
    }

    fn state(self) -> *mut ExtendedState {
        self.0.extension(EXTENDED_STATE_OFFSET).cast()
    }

    /// What the kernel tells about itself.
    pub fn info(self) -> ExtendedInfo {
        let info: *const ExtendedInfo = self.0.extension(EXTENDED_INFO_OFFSET).cast();
        // SAFETY: as for the registers.
        unsafe { info.read_volatile() }
    }

    /// The whole state.
    pub fn all(self) -> ExtendedState {
        // SAFETY: as for the registers.
        unsafe { self.state().read_volatile() }
    }

    /// Sets the whole state.
    pub fn set_all(self, state: ExtendedState) {
        // SAFETY: as for the registers.
        unsafe { self.state().write_volatile(state) }
    }

    registers! {
        /// HCR_EL2 of the guest.
        hcr, set_hcr: guest_hcr as u64;
        /// SCTLR_EL1.
        sctlr, set_sctlr: guest_sctlr as u32;
        /// CPACR_EL1.
        cpacr, set_cpacr: guest_cpacr as u32;
        /// CNTV_CTL_EL0.
        timer_control, set_timer_control: guest_cntv_ctl as u32;
        /// CNTV_CVAL_EL0.
        timer_deadline, set_timer_deadline: cntv_cval as u64;
        /// CNTVOFF_EL2: how far the virtual counter is behind the physical one.
        timer_offset, set_timer_offset: cntvoff as u64;
        /// VMPIDR_EL2: which CPU the guest believes to be.
        affinity, set_affinity: vmpidr as u64;
        /// ICH_HCR_EL2 or GICH_HCR.
        gic_control, set_gic_control: gic_hcr as u32;
        /// ICH_VMCR_EL2 or GICH_VMCR.
        gic_machine_control, set_gic_machine_control: gic_vmcr as u32;
        /// ICH_VTR_EL2 or GICH_VTR.
        gic_kind, set_gic_kind: gic_vtr as u32;
        /// Why there is a maintenance interrupt.
        gic_maintenance, set_gic_maintenance: gic_misr as u32;
        /// The list registers whose interrupts the guest has ended, a bit each.
        gic_ended, set_gic_ended: gic_eisr as u32;
        /// The empty list registers, a bit each.
        gic_empty, set_gic_empty: gic_elrsr as u32;
        /// The list registers; in version 2 each word has two.
        lists, set_lists: gic_list_registers as [u64; 4];
    }
}

fn thread_pointer() -> u64 {
    let value;
    // SAFETY: reads the register.
    unsafe { asm!("mrs {}, tpidr_el0", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

fn set_thread_pointer(value: u64) {
    // SAFETY: nothing uses the thread pointer until `run` puts it back.
    unsafe { asm!("msr tpidr_el0, {}", in(reg) value, options(nostack, preserves_flags)) };
}

/// The counter that the timers are about: what it is now, and its ticks in a second.
pub fn counter() -> (u64, u64) {
    let (now, frequency);
    // SAFETY: reads registers that programs may read.
    unsafe {
        asm!("isb", "mrs {}, cntvct_el0", "mrs {}, cntfrq_el0", out(reg) now, out(reg) frequency,
            options(nomem, nostack, preserves_flags));
    }
    (now, frequency)
}
