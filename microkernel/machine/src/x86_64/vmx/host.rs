//! The kernel's side of a world switch: what the CPU loads at an exit, and
//! what it leaves to software (SDM volume 3, 25.5 and 28.5).
//!
//! An exit loads null selectors, a task state that is as long as its fixed part
//! and descriptor tables as long as can be; and it does not know the registers of
//! SYSCALL and SWAPGS, nor CR2.

use core::arch::asm;

use l4_abi::arch::x86_64::vmx::field;

use super::super::cpu::{TablePointer, selector};
use super::super::instructions::{msr, read_cr0, read_cr3, read_cr4, read_msr, write_msr};
use super::software::Software;
use super::vmcs::{own, write};
use super::world_switch::enter;
use crate::per_cpu::CpuBlock;
use crate::vcpu::TrapRegisters;

/// A task state segment's descriptor says that it is in use.
const IS_BUSY: u64 = 1 << 41;

/// The registers of SYSCALL and SWAPGS, and the fields with the guest's.
const SYSCALL_REGISTERS: [(u32, u32); 5] = [
    (msr::STAR, field::STAR),
    (msr::FMASK, field::FMASK),
    (msr::LSTAR, field::LSTAR),
    (msr::CSTAR, field::CSTAR),
    (msr::KERNEL_GS_BASE, field::KERNEL_GS_BASE),
];
/// Those that are addresses.
const ADDRESSES: core::ops::RangeFrom<usize> = 2..;

/// Fills in what stays.
///
/// # Safety
/// There is a current VMCS, and `cpu` is this CPU, which entry code finds.
pub(super) unsafe fn prepare(cpu: &CpuBlock) {
    let (descriptors, traps) = tables();
    let task_state = descriptors.base + u64::from(selector::TASK_STATE);
    // SAFETY: a descriptor of this CPU's table, which stays, and registers that
    // all CPUs have. All that is the kernel's own.
    unsafe {
        let [low, high] = (task_state as *const [u64; 2]).read_unaligned();
        let base = low >> 16 & 0xff_ffff | low >> 56 << 24 | high << 32;
        let [es, cs, ss, ds, fs, gs, task] = own::HOST_SELECTORS;
        for field in [es, ds, fs, gs].into_iter().chain(own::HOST_SYSENTER) {
            write(field, 0);
        }
        write(cs, selector::KERNEL_CODE.into());
        write(ss, selector::KERNEL_DATA.into());
        write(task, selector::TASK_STATE.into());
        write(own::HOST_PAT, read_msr(msr::PAT));
        write(own::HOST_EFER, read_msr(msr::EFER));
        write(own::HOST_CR4, read_cr4());
        write(own::HOST_GS_BASE, core::ptr::from_ref(cpu).addr() as u64);
        write(own::HOST_TASK_STATE, base);
        write(own::HOST_DESCRIPTORS, descriptors.base);
        write(own::HOST_TRAPS, traps.base);
    }
}

/// Where the descriptor tables are.
fn tables() -> (TablePointer, TablePointer) {
    let mut tables = [(); 2].map(|()| TablePointer { limit: 0, base: 0 });
    // SAFETY: writes two of ten bytes each.
    unsafe {
        asm!("sgdt [{}]", "sidt [{}]", in(reg) &mut tables[0], in(reg) &mut tables[1],
            options(nostack, preserves_flags));
    }
    let [descriptors, traps] = tables;
    (descriptors, traps)
}

/// Runs the guest of the VMCS that is loaded. False if it did not: its addresses
/// are none, or the CPU refuses it.
///
/// # Safety
/// The VMCS leaves nothing to the guest that is the kernel's.
pub(super) unsafe fn run(
    cpu: &CpuBlock,
    registers: &TrapRegisters,
    software: &Software<'_>,
    has_long_mode: bool,
    is_launched: bool,
) -> bool {
    let mut guests = SYSCALL_REGISTERS.map(|(_, field)| software.get(field));
    let is_address = |&value: &u64| (value as i64) << 16 >> 16 == value as i64;
    if has_long_mode && !guests[ADDRESSES].iter().all(is_address) {
        return false;
    }
    // FMASK has 32 bits.
    guests[1] &= 0xffff_ffff;
    let (descriptors, traps) = tables();
    let task_state = (descriptors.base + u64::from(selector::TASK_STATE)) as *mut u64;
    let [ds, es, fs, gs, local]: [u32; 5];
    // SAFETY: the kernel's state is what it is now, and all is as it was when
    // this returns; meanwhile the kernel uses none of the guest's registers.
    unsafe {
        asm!("mov {:e}, ds", "mov {:e}, es", "mov {:e}, fs", "mov {:e}, gs", "sldt {:e}",
            out(reg) ds, out(reg) es, out(reg) fs, out(reg) gs, out(reg) local,
            options(nomem, nostack, preserves_flags));
        let fs_base = read_msr(msr::FS_BASE);
        write(own::HOST_CR0, read_cr0());
        write(own::HOST_CR3, read_cr3());
        write(own::HOST_FS_BASE, fs_base);
        let kept = SYSCALL_REGISTERS.map(|(register, _)| read_msr(register));
        if has_long_mode {
            for ((register, _), value) in SYSCALL_REGISTERS.into_iter().zip(guests) {
                write_msr(register, value);
            }
        }
        asm!("mov cr2, {}", in(reg) software.get(field::CR2),
            options(nomem, nostack, preserves_flags));
        let has_run = enter(registers, is_launched);
        let cr2: u64;
        asm!("mov {}, cr2", out(reg) cr2, options(nomem, nostack, preserves_flags));
        software.set(field::CR2, cr2);
        if has_long_mode {
            for ((register, field), value) in SYSCALL_REGISTERS.into_iter().zip(kept) {
                software.set(field, read_msr(register));
                write_msr(register, value);
            }
        }
        if !has_run {
            return false;
        }
        task_state.write_volatile(task_state.read_volatile() & !IS_BUSY);
        asm!("lgdt [{}]", "lidt [{}]", "ltr {:x}", "lldt {:x}", "mov ds, {:e}", "mov es, {:e}",
            in(reg) &descriptors, in(reg) &traps, in(reg) selector::TASK_STATE, in(reg) local,
            in(reg) ds, in(reg) es, options(nostack, preserves_flags));
        // These come with a base.
        if fs != 0 {
            asm!("mov fs, {:e}", in(reg) fs, options(nostack, preserves_flags));
            write_msr(msr::FS_BASE, fs_base);
        }
        if gs != 0 {
            asm!("mov gs, {:e}", in(reg) gs, options(nostack, preserves_flags));
            write_msr(msr::GS_BASE, core::ptr::from_ref(cpu).addr() as u64);
        }
    }
    true
}
