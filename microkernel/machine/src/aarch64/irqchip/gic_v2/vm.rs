//! The virtual interface of version 2 (IHI 0048, chapter 5): registers in
//! memory that let the CPU show interrupts to a guest. The guest's CPU
//! interface is a page of its own, which its VMM maps to it.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use l4_abi::arch::aarch64::vm::LIST_REGISTERS;

use super::controller::GicV2;
use crate::arch::mmio::Registers;
use crate::arch::vm::GuestState;

/// Offsets of registers.
mod offset {
    pub(super) const CONTROL: usize = 0x00;
    pub(super) const KIND: usize = 0x04;
    pub(super) const MACHINE_CONTROL: usize = 0x08;
    pub(super) const MAINTENANCE: usize = 0x10;
    pub(super) const ENDED: usize = 0x20;
    pub(super) const EMPTY: usize = 0x30;
    pub(super) const ACTIVE_PRIORITIES: usize = 0xf0;
    pub(super) const LIST: usize = 0x100;
}

/// GICH_HCR: the interface is on.
const ENABLE: u32 = 1 << 0;
/// A list register's interrupt is also a physical one, which the guest ends
/// with it. That is not for users to say.
const PHYSICAL: u32 = 1 << 31;
/// GICH_VTR: list registers, less one.
const LIST_REGISTERS_MASK: u32 = 0x3f;
/// GICH_ELRSR0: all list registers are empty.
const ALL_EMPTY: u32 = (1 << LIST_REGISTERS) - 1;

/// GICH_VTR, with no more list registers than a vCPU's state has.
fn kind(interface: Registers) -> u32 {
    let kind = interface.read(offset::KIND);
    let last = (kind & LIST_REGISTERS_MASK).min(LIST_REGISTERS as u32 - 1);
    kind & !LIST_REGISTERS_MASK | last
}

fn list_registers(interface: Registers) -> usize {
    (kind(interface) & LIST_REGISTERS_MASK) as usize + 1
}

/// The word with list register `index`, and where in it that is.
fn list(state: &GuestState, index: usize) -> (&AtomicU64, usize) {
    (&state.gic_list_registers[index / 2], index % 2 * 32)
}

impl GicV2 {
    /// What a guest can be shown, as it stands in its state.
    pub(super) fn guest_kind(&self) -> u32 {
        kind(self.virtual_interface)
    }

    /// Shows the guest its interrupts.
    pub(super) fn load_guest(&self, state: &GuestState) {
        let interface = self.virtual_interface;
        let control = state.gic_hcr.load(Relaxed);
        if control & ENABLE == 0 {
            return;
        }
        for index in 0..list_registers(interface) {
            let (word, shift) = list(state, index);
            let value = (word.load(Relaxed) >> shift) as u32 & !PHYSICAL;
            interface.write(offset::LIST + index * 4, value);
        }
        let [active, ..] = &state.gic_active_priorities;
        interface.write(offset::ACTIVE_PRIORITIES, active.load(Relaxed));
        interface.write(offset::MACHINE_CONTROL, state.gic_vmcr.load(Relaxed));
        interface.write(offset::CONTROL, control);
    }

    /// Shows no guest anything.
    pub(super) fn unload_guest(&self, state: &GuestState) {
        let interface = self.virtual_interface;
        let control = interface.read(offset::CONTROL);
        if control & ENABLE == 0 {
            return;
        }
        for (field, register) in [
            (&state.gic_hcr, offset::CONTROL),
            (&state.gic_vmcr, offset::MACHINE_CONTROL),
            (&state.gic_misr, offset::MAINTENANCE),
            (&state.gic_eisr, offset::ENDED),
            (&state.gic_active_priorities[0], offset::ACTIVE_PRIORITIES),
        ] {
            field.store(interface.read(register), Relaxed);
        }
        let empty = interface.read(offset::EMPTY) & ALL_EMPTY;
        state.gic_elrsr.store(empty, Relaxed);
        for index in 0..list_registers(interface) {
            let (word, shift) = list(state, index);
            let value = u64::from(interface.read(offset::LIST + index * 4)) << shift;
            let others = word.load(Relaxed) & !(0xffff_ffff << shift);
            word.store(others | value, Relaxed);
        }
        interface.write(offset::CONTROL, 0);
        barrier!("dsb sy");
    }
}
