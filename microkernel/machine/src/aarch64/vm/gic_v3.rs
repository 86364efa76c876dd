//! The virtual interface of version 3 (IHI 0069, chapter 6): what lets the CPU
//! show interrupts to a guest, and the guest's CPU interface work by itself.

use core::sync::atomic::Ordering::Relaxed;

use l4_abi::arch::aarch64::vm::LIST_REGISTERS;

use super::GuestState;
use crate::arch::irqchip::GicV3;

/// ICH_HCR_EL2: the interface is on.
const ENABLE: u32 = 1 << 0;
/// A list register's interrupt is also a physical one, which the guest ends
/// with it. That is not for users to say.
const PHYSICAL: u64 = 1 << 61;
/// ICH_VTR_EL2: list registers, less one.
const LIST_REGISTERS_MASK: u32 = 0x1f;
/// ICH_ELRSR_EL2: all list registers are empty.
const ALL_EMPTY: u32 = (1 << LIST_REGISTERS) - 1;
/// Active priority registers of each group.
const ACTIVE_PRIORITIES: usize = 4;

/// Does the operation on the list register or active priority register with
/// that index, if it is there.
macro_rules! indexed {
    ($index:expr, $count:expr, $operation:ident $arguments:tt, $($number:literal: $name:literal),+) => {
        match $index {
            $($number if $number < $count => indexed!(@ $operation $name $arguments),)+
            _ => Default::default(),
        }
    };
    (@ read $name:literal ()) => { read_register!($name) };
    // SAFETY: what it shows, it shows to the guest.
    (@ write $name:literal ($value:expr)) => { unsafe { write_register!($name, $value) } };
}

macro_rules! list_register {
    ($index:expr, $count:expr, $($operation:tt)+) => {
        indexed!($index, $count, $($operation)+, 0: "S3_4_C12_C12_0", 1: "S3_4_C12_C12_1",
            2: "S3_4_C12_C12_2", 3: "S3_4_C12_C12_3")
    };
}

/// Group 0's, then group 1's.
macro_rules! active_priorities {
    ($index:expr, $count:expr, $($operation:tt)+) => {
        if $index < ACTIVE_PRIORITIES {
            indexed!($index, $count, $($operation)+, 0: "S3_4_C12_C8_0", 1: "S3_4_C12_C8_1",
                2: "S3_4_C12_C8_2", 3: "S3_4_C12_C8_3")
        } else {
            indexed!($index - ACTIVE_PRIORITIES, $count, $($operation)+, 0: "S3_4_C12_C9_0",
                1: "S3_4_C12_C9_1", 2: "S3_4_C12_C9_2", 3: "S3_4_C12_C9_3")
        }
    };
}

impl GicV3 {
    /// ICH_VTR_EL2, with no more list registers than a vCPU's state has.
    pub(in super::super) fn guest_kind(&self) -> u32 {
        let kind = read_register!("S3_4_C12_C11_1") as u32;
        let last = (kind & LIST_REGISTERS_MASK).min(LIST_REGISTERS as u32 - 1);
        kind & !LIST_REGISTERS_MASK | last
    }

    fn list_registers(&self) -> usize {
        (self.guest_kind() & LIST_REGISTERS_MASK) as usize + 1
    }

    /// Active priority registers of a group: one for 32 preemption levels.
    fn priority_registers(&self) -> usize {
        let bits = (self.guest_kind() >> 26 & 0x7) + 1;
        1 << bits.saturating_sub(5).min(2)
    }

    /// Shows the guest its interrupts.
    pub(in super::super) fn load_guest(&self, state: &GuestState) {
        let control = state.gic_hcr.load(Relaxed);
        if control & ENABLE == 0 {
            return;
        }
        let lists = self.list_registers();
        for (index, list) in state.gic_list_registers.iter().enumerate() {
            let value = list.load(Relaxed) & !PHYSICAL;
            list_register!(index, lists, write(value));
        }
        let priorities = self.priority_registers();
        for (index, active) in state.gic_active_priorities.iter().enumerate() {
            let value = active.load(Relaxed).into();
            active_priorities!(index, priorities, write(value));
        }
        // SAFETY: as for the list registers; maintenance interrupts come to us.
        unsafe {
            write_register!("S3_0_C12_C12_5", 7); // ICC_SRE_EL1: by system registers
            write_register!("S3_4_C12_C11_7", state.gic_vmcr.load(Relaxed).into()); // ICH_VMCR_EL2
            write_register!("S3_4_C12_C11_0", control.into()); // ICH_HCR_EL2
        }
    }

    /// Shows no guest anything.
    pub(in super::super) fn unload_guest(&self, state: &GuestState) {
        let control = read_register!("S3_4_C12_C11_0") as u32; // ICH_HCR_EL2
        if control & ENABLE == 0 {
            return;
        }
        state.gic_hcr.store(control, Relaxed);
        let read_only = [
            (&state.gic_vmcr, read_register!("S3_4_C12_C11_7")), // ICH_VMCR_EL2
            (&state.gic_misr, read_register!("S3_4_C12_C11_2")), // ICH_MISR_EL2
            (&state.gic_eisr, read_register!("S3_4_C12_C11_3")), // ICH_EISR_EL2
        ];
        for (field, value) in read_only {
            field.store(value as u32, Relaxed);
        }
        let empty = read_register!("S3_4_C12_C11_5") as u32 & ALL_EMPTY; // ICH_ELRSR_EL2
        state.gic_elrsr.store(empty, Relaxed);
        let lists = self.list_registers();
        for (index, list) in state.gic_list_registers.iter().enumerate() {
            let value: u64 = list_register!(index, lists, read());
            list.store(value, Relaxed);
        }
        let priorities = self.priority_registers();
        for (index, active) in state.gic_active_priorities.iter().enumerate() {
            let value: u64 = active_priorities!(index, priorities, read());
            active.store(value as u32, Relaxed);
        }
        // SAFETY: off.
        unsafe { write_register!("S3_4_C12_C11_0", 0) };
        barrier!("isb");
    }
}
