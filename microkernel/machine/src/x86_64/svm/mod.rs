//! SVM with nested paging (AMD APM volume 2, chapter 15).
//!
//! What keeps a guest in: the nested page table, which has the pages of its
//! virtual machine and nothing of the kernel; the intercepts that `vmcb` adds
//! to the user's; and that `world_switch` restores all registers of the kernel
//! that a guest can change. XCR0 is not among those that the CPU switches, and
//! PKRU not either: the kernel does without, and a vCPU that comes finds none.
//!
//! **Translations.** The CPU tells those of guests from the kernel's by an id,
//! and keeps them from one run to the next. All guests have the same id, so
//! they are forgotten when another vCPU runs here than before, when the vCPU
//! has been elsewhere, when anything that its translations rest on has
//! changed: a page of the virtual machine (its space's version), control
//! registers, or what else the user says. Versions are unique among spaces, so
//! one virtual machine never has translations of another.

mod permissions;
pub(super) mod vmcb;
mod world_switch;

use core::arch::asm;
use core::cell::Cell;
use core::sync::atomic::Ordering::Relaxed;

use l4_abi::arch::x86_64::vcpu::EXTENDED_STATE_OFFSET;
use l4_abi::arch::x86_64::vm::EXIT_INTERRUPT;

use super::cpu::{bits::CR4_OSXSAVE, set_xcr0};
use super::instructions::{cpuid, msr, read_cr4, read_msr, write_cr4, write_msr};
use super::{paging, vmx};
use crate::guest::{Exit, Guest};
use crate::per_cpu::CpuBlock;
use crate::vcpu::ExtendedArea;
use vmcb::{Setup, Vmcb, Wish};

/// CPUID 0x8000_0001 ECX.
const HAS_SVM: u32 = 1 << 2;
/// CPUID 7 ECX.
const HAS_PROTECTION_KEYS: u32 = 1 << 3;
const CR4_PROTECTION_KEYS: u64 = 1 << 22;
/// CPUID 0x8000_000a EDX.
const HAS_NESTED_PAGING: u32 = 1 << 0;
const HAS_LAST_BRANCH: u32 = 1 << 1;
const HAS_FLUSH_BY_ID: u32 = 1 << 6;
/// VM_CR: firmware has turned it off.
const IS_DISABLED: u64 = 1 << 4;
const EFER_SVME: u64 = 1 << 12;
/// TLB_CONTROL: forget everything, or what has the id in the VMCB.
const FORGET_ALL: u64 = 1;
const FORGET_ID: u64 = 3;

/// What one CPU's hardware uses to run guests.
#[repr(C, align(4096))]
pub(super) struct Pages {
    guest: Vmcb,
    pub(super) host: Vmcb,
    /// Where VMRUN keeps the host's registers; its layout is the CPU's.
    pub(super) saved: [Cell<u64>; 512],
}

impl Pages {
    pub(super) const fn new() -> Self {
        Self {
            guest: Vmcb::new(),
            host: Vmcb::new(),
            saved: [const { Cell::new(0) }; 512],
        }
    }
}

/// What a CPU knows of guests.
#[repr(C)]
pub(super) struct State {
    is_enabled: Cell<bool>,
    has_last_branch: Cell<bool>,
    has_keys: Cell<bool>,
    /// Physical addresses of the VMCBs of guests and of the host.
    guest_block: Cell<u64>,
    host_block: Cell<u64>,
    /// How it forgets translations of guests.
    forget: Cell<u64>,
    /// XCR0, if there is one.
    components: Cell<u64>,
    /// Whose translations it has, and the version of the space.
    vcpu: Cell<u64>,
    version: Cell<u64>,
}

impl State {
    /// A CPU that cannot run any.
    pub(super) const fn new() -> Self {
        Self {
            is_enabled: Cell::new(false),
            has_last_branch: Cell::new(false),
            has_keys: Cell::new(false),
            guest_block: Cell::new(0),
            host_block: Cell::new(0),
            forget: Cell::new(FORGET_ALL),
            components: Cell::new(0),
            vcpu: Cell::new(0),
            version: Cell::new(0),
        }
    }
}

/// Lets this CPU run guests, if it can.
pub(super) fn attach(cpu: &CpuBlock) {
    let features = cpuid(0x8000_000a, 0).edx;
    if cpuid(0x8000_0001, 0).ecx & HAS_SVM == 0 || features & HAS_NESTED_PAGING == 0 {
        return;
    }
    let pages = &cpu.arch.tables().guest;
    // SAFETY: a CPU with SVM has these registers. The page is for this alone.
    unsafe {
        if read_msr(msr::VM_CONTROL) & IS_DISABLED != 0 {
            return;
        }
        write_msr(msr::EFER, read_msr(msr::EFER) | EFER_SVME);
        write_msr(msr::HOST_SAVE_AREA, paging::physical(&pages.saved));
    }
    pages.guest.prepare(Setup {
        port_map: paging::physical(&permissions::PORTS),
        register_map: paging::physical(&permissions::REGISTERS),
    });
    let state = &cpu.arch.guests;
    state.is_enabled.set(true);
    state.guest_block.set(paging::physical(&pages.guest));
    state.host_block.set(paging::physical(&pages.host));
    state.has_last_branch.set(features & HAS_LAST_BRANCH != 0);
    (state.has_keys).set(cpuid(7, 0).ecx & HAS_PROTECTION_KEYS != 0);
    if features & HAS_FLUSH_BY_ID != 0 {
        state.forget.set(FORGET_ID);
    }
    if read_cr4() & CR4_OSXSAVE != 0 {
        state.components.set(xcr0());
    }
}

/// Whether this CPU can run virtual machines.
pub(super) fn is_supported(cpu: &CpuBlock) -> bool {
    cpu.arch.guests.is_enabled.get()
}

/// Runs the guest, by VMX if the CPU has no SVM.
#[inline]
pub fn run(cpu: &CpuBlock, area: &ExtendedArea, guest: &Guest<'_>) -> Exit {
    let (state, pages) = (&cpu.arch.guests, &cpu.arch.tables().guest);
    let wish: &Wish = area.words::<EXTENDED_STATE_OFFSET>();
    if !state.is_enabled.get() {
        return vmx::run(cpu, area, guest);
    }
    let root = guest.root.address();
    let ran_last = state.vcpu.get() == guest.vcpu && !guest.has_moved;
    let loaded = (pages.guest).load(wish, root, state.has_last_branch.get(), ran_last);
    let Some(changed) = loaded else {
        return Exit::Invalid;
    };
    if !ran_last && state.has_keys.get() {
        clear_keys();
    }
    state.vcpu.set(guest.vcpu);
    let version = guest.tlbs.enter_guest(cpu, guest.residence);
    let is_older = state.version.replace(version) != version;
    let forget = changed || !ran_last || is_older;
    (pages.guest).set_forgotten(if forget { state.forget.get() } else { 0 });

    let own = state.components.get();
    if own != 0 {
        set_components(vmcb::components(wish, own));
    }
    let (block, host) = (state.guest_block.get(), state.host_block.get());
    // SAFETY: the guest's VMCB is made by `load`, the other is the kernel's.
    unsafe { world_switch::enter(&area.vcpu.registers, host, block) };
    if own != 0 {
        set_components(own);
    }
    if pages.guest.has_machine_check() {
        // SAFETY: the kernel ends here, as it does when one comes to itself.
        unsafe { asm!("int 18", options(nomem)) };
    }
    if pages.guest.store(wish) {
        Exit::Interrupt
    } else {
        Exit::Vmm
    }
}

/// Tells in the state that a message waits.
pub(super) fn mark_pending(area: &ExtendedArea) {
    let exit_code = &area.words::<EXTENDED_STATE_OFFSET>()[vmcb::EXIT_CODE / 8];
    exit_code.store(EXIT_INTERRUPT, Relaxed);
}

/// Leaves nothing in PKRU that another guest could read.
fn clear_keys() {
    let cr4 = read_cr4();
    // SAFETY: the CPU has protection keys, and with none nothing is forbidden.
    unsafe {
        write_cr4(cr4 | CR4_PROTECTION_KEYS);
        asm!("wrpkru", in("eax") 0, in("ecx") 0, in("edx") 0, options(nostack, preserves_flags));
        write_cr4(cr4);
    }
}

/// Changes XCR0, which is slow, if need be.
#[inline]
pub(super) fn set_components(components: u64) {
    if xcr0() != components {
        // SAFETY: the CPU has these components, and CR4.OSXSAVE is set.
        unsafe { set_xcr0(components) };
    }
}

#[inline]
pub(super) fn xcr0() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reading it has no effect; CR4.OSXSAVE is set.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high,
            options(nomem, nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}
