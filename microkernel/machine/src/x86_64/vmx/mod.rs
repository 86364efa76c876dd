//! VMX with extended page tables (Intel SDM volume 3, chapters 24 to 29).
//!
//! Each CPU has one VMCS, which is loaded for good: it gets the state of
//! another guest when another vCPU is to run. What keeps a guest in: the
//! extended page table, which has the pages of its virtual machine and nothing
//! of the kernel; the [controls] that the user cannot turn off; and that
//! [`host`] restores what the CPU does not.
//!
//! **Translations.** Guests have no ids of their own, so the CPU forgets their
//! linear addresses at each entry and exit. What it knows of an extended page
//! table is forgotten when another space, or one of another version, runs here
//! than before. Versions are unique among spaces.

mod controls;
mod host;
mod software;
mod vmcs;
mod world_switch;

use core::arch::asm;
use core::cell::Cell;
use core::sync::atomic::Ordering::Relaxed;

use l4_abi::arch::x86_64::vmx::control::{LOAD_EFER, LOAD_PAT, LONG_MODE_GUEST};
use l4_abi::arch::x86_64::vmx::{EVENT_VALID, field, reason};
use l4_abi::vcpu::EXTENDED_INFO_OFFSET;

use super::cpu::bits::CR4_OSXSAVE;
use super::entry_format::Format;
use super::instructions::{cpuid, read_cr4, read_msr, write_cr4, write_msr};
use super::{paging, svm, svm::vmcb::allowed_components};
use crate::guest::{Exit, Guest};
use crate::per_cpu::CpuBlock;
use crate::vcpu::ExtendedArea;
use controls::Controls;
use software::Software;
use vmcs::{all, own, read, write};

/// CPUID 1 ECX.
const HAS_VMX: u32 = 1 << 5;
/// IA32_FEATURE_CONTROL.
const FEATURE_CONTROL: u32 = 0x3a;
const IS_LOCKED: u64 = 1 << 0;
const IS_ALLOWED: u64 = 1 << 2;

/// Write-back, and four levels.
const EPT_POINTER: u64 = 6 | 3 << 3;
const EPT_POINTER_ACCESS_BITS: u64 = 1 << 6;

/// What a PAT is after a reset.
const RESET_PAT: u64 = 0x0007_0406_0007_0406;
const EFER_LONG_MODE: u64 = 1 << 8;
const EFER_LONG_MODE_ACTIVE: u64 = 1 << 10;
/// Of an event's description: vector and kind, and that there is an error code.
const EVENT: u64 = 0xfff;
const EVENT_HAS_ERROR: u64 = 1 << 11;
const EVENT_NAME: u64 = 0x7ff;
const EVENT_NMI: u64 = 2 << 8 | 2;
const EVENT_MACHINE_CHECK: u64 = 3 << 8 | 18;
/// The guest is halted. States above could not be left by an interrupt.
const HALTED: u64 = 1;
const ENTRY_FAILED: u64 = 1 << 31;
const ENTRY_MACHINE_CHECK: u64 = ENTRY_FAILED | 41;
const EXIT_BY_PAGE_TABLE: core::ops::RangeInclusive<u64> = 48..=49;

/// What a CPU knows of guests.
#[repr(C)]
pub(super) struct State {
    is_enabled: Cell<bool>,
    /// The VMCS has been used.
    is_launched: Cell<bool>,
    controls: Cell<Controls>,
    ept_pointer: Cell<u64>,
    /// Whose state the VMCS has, and the version of the space that ran last.
    vcpu: Cell<u64>,
    version: Cell<u64>,
}

impl State {
    /// A CPU that cannot run any.
    pub(super) const fn new() -> Self {
        Self {
            is_enabled: Cell::new(false),
            is_launched: Cell::new(false),
            controls: Cell::new(Controls::NONE),
            ept_pointer: Cell::new(EPT_POINTER),
            vcpu: Cell::new(0),
            version: Cell::new(0),
        }
    }
}

/// Whether this CPU has what guests need, and firmware lets it be used.
fn is_there() -> bool {
    if cpuid(1, 0).ecx & HAS_VMX == 0 {
        return false;
    }
    // SAFETY: CPUs with VMX have it. Until it is locked, nothing can be used.
    let allowed = unsafe {
        let control = read_msr(FEATURE_CONTROL);
        if control & IS_LOCKED == 0 {
            write_msr(FEATURE_CONTROL, control | IS_LOCKED | IS_ALLOWED);
        }
        control & IS_LOCKED == 0 || control & IS_ALLOWED != 0
    };
    allowed && controls::are_sufficient()
}

/// Lets this CPU run guests, if it can.
pub(super) fn attach(cpu: &CpuBlock) {
    if !is_there() {
        return;
    }
    // SAFETY: a CPU with VMX has it. The pages are for this alone, and begin
    // with the number that the CPU wants there.
    let is_on = unsafe {
        let revision = read_msr(controls::BASIC) & 0x7fff_ffff;
        // The first words of two that only SVM uses otherwise.
        let guest = &cpu.arch.tables().guest;
        let pages = [&guest.host.0[0], &guest.saved[0]];
        pages.iter().for_each(|page| page.set(revision));
        let [region, vmcs] = pages.map(paging::physical);
        write_cr4(read_cr4() | controls::CR4_VMXE);
        start(region, vmcs)
    };
    if !is_on {
        return;
    }
    let state = &cpu.arch.vmx;
    state.controls.set(Controls::of_this_cpu());
    if controls::has_access_bits() {
        state.ept_pointer.set(EPT_POINTER | EPT_POINTER_ACCESS_BITS);
    }
    // SAFETY: the host's state is the kernel's.
    unsafe {
        write(own::LINK, u64::MAX);
        own::ZERO.into_iter().for_each(|field| write(field, 0));
        host::prepare(cpu);
    }
    state.is_enabled.set(true);
}

/// VMXON, VMCLEAR, VMPTRLD. False if one of them fails.
///
/// # Safety
/// The pages are for this alone, and begin with the number that the CPU wants
/// there. CR4.VMXE is set.
unsafe fn start(region: u64, vmcs: u64) -> bool {
    let failed: u8;
    // SAFETY: promised by the caller.
    unsafe {
        asm!(
            "vmxon [{region}]",
            "jbe 2f",
            "vmclear [{vmcs}]",
            "jbe 2f",
            "vmptrld [{vmcs}]",
            "2:",
            "setbe {failed}",
            region = in(reg) &raw const region,
            vmcs = in(reg) &raw const vmcs,
            failed = out(reg_byte) failed,
            options(nostack),
        );
    }
    failed == 0
}

/// Whether this CPU can run virtual machines.
pub(super) fn is_supported(cpu: &CpuBlock) -> bool {
    cpu.arch.vmx.is_enabled.get()
}

/// As `format`, the format of their page tables, if the CPU has VMX.
pub(super) fn format(format: Format) -> Option<Format> {
    is_there().then(|| format.extended())
}

/// A thread becomes an extended vCPU with this state.
pub(super) fn begin(cpu: &CpuBlock, area: &ExtendedArea) {
    Software::of(area).initialise();
    let places = area.words::<EXTENDED_INFO_OFFSET>();
    for (place, info) in places.iter().zip(cpu.arch.vmx.controls.get().infos()) {
        place.store(info, Relaxed);
    }
}

/// Tells in the state that a message waits. An event that was to be injected
/// is told as one that was interrupted.
pub(super) fn mark_pending(area: &ExtendedArea) {
    let software = Software::of(area);
    software.set(field::EXIT_REASON, reason::INTERRUPT);
    let event = software.get(field::ENTRY_EVENT);
    if event & EVENT_VALID != 0 {
        software.set(field::INTERRUPTED_EVENT, event);
        software.set(field::INTERRUPTED_ERROR, software.get(field::ENTRY_ERROR));
        software.set(field::EXIT_LENGTH, software.get(field::ENTRY_LENGTH));
        software.set(field::ENTRY_EVENT, event & !EVENT_VALID);
    }
}

/// Runs the guest.
#[cold]
pub(super) fn run(cpu: &CpuBlock, area: &ExtendedArea, guest: &Guest<'_>) -> Exit {
    let (state, software) = (&cpu.arch.vmx, Software::of(area));
    let activity = software.get(field::ACTIVITY);
    if !state.is_enabled.get() || activity > HALTED {
        return Exit::Invalid;
    }
    let ran_last = state.vcpu.replace(guest.vcpu) == guest.vcpu && !guest.has_moved;
    let efer = load(&state.controls.get(), &software, activity, ran_last);
    let version = guest.tlbs.enter_guest(cpu, guest.residence);
    let pointer = guest.root.address() | state.ept_pointer.get();
    // SAFETY: the page table has only what is the virtual machine's.
    unsafe { write(own::EPT_POINTER, pointer) };
    if state.version.replace(version) != version {
        forget(pointer);
    }
    let has_xcr0 = read_cr4() & CR4_OSXSAVE != 0;
    let own = if has_xcr0 { svm::xcr0() } else { 0 };
    if has_xcr0 {
        svm::set_components(allowed_components(software.get(field::XCR0), own));
    }
    let has_long_mode = efer & EFER_LONG_MODE != 0;
    let (registers, is_launched) = (&area.vcpu.registers, state.is_launched.get());
    // SAFETY: `load` and `attach` made the VMCS.
    let has_run = unsafe { host::run(cpu, registers, &software, has_long_mode, is_launched) };
    if has_xcr0 {
        svm::set_components(own);
    }
    if !has_run {
        software.set(field::INSTRUCTION_ERROR, read(field::INSTRUCTION_ERROR));
        return Exit::Invalid;
    }
    let reason = store(&software);
    state
        .is_launched
        .set(is_launched || reason & ENTRY_FAILED == 0);
    end(reason)
}

/// Takes over what the user wants: what has changed if the guest `ran_last`,
/// with this very VMCS, and everything otherwise. Gives the guest's EFER.
fn load(controls: &Controls, software: &Software<'_>, activity: u64, ran_last: bool) -> u64 {
    let get = |field| software.get(field);
    // PAT and EFER are always loaded; this is what they are without that.
    let entry = get(field::ENTRY_CONTROLS);
    let efer = match entry & LOAD_EFER {
        0 if entry & LONG_MODE_GUEST != 0 => EFER_LONG_MODE | EFER_LONG_MODE_ACTIVE,
        0 => 0,
        _ => get(field::GUEST_EFER),
    };
    let pat = match entry & LOAD_PAT {
        0 => RESET_PAT,
        _ => get(field::GUEST_PAT),
    };
    let event = match get(field::ENTRY_EVENT) {
        event if event & EVENT_VALID != 0 => event & (EVENT | EVENT_VALID),
        _ => 0,
    };
    let error = match event & EVENT_HAS_ERROR {
        0 => 0,
        _ => get(field::ENTRY_ERROR),
    };
    let exceptions = get(field::EXCEPTION_BITMAP) | controls::EXCEPTIONS;
    let made = [
        (field::EXCEPTION_BITMAP, exceptions),
        (field::CR0_MASK, get(field::CR0_MASK) | controls::CR0_CACHE),
        (field::CR4_MASK, get(field::CR4_MASK) | !controls::GUEST_CR4),
        (field::GUEST_CR0, controls.cr0(get(field::GUEST_CR0))),
        (field::GUEST_CR4, controls.cr4(get(field::GUEST_CR4))),
        (field::GUEST_PAT, pat),
        (field::GUEST_EFER, efer),
        (field::ACTIVITY, activity),
        (field::ENTRY_EVENT, event),
        (field::ENTRY_ERROR, error),
        (field::ENTRY_LENGTH, get(field::ENTRY_LENGTH)),
    ];
    let taken = all([vmcs::STATE, vmcs::WISHES])
        .filter(|&field| software.take_changed(field) || !ran_last)
        .map(|field| (field, get(field)));
    for (field, value) in taken.chain(controls.words(get)).chain(made) {
        // SAFETY: of what keeps the guest in nothing is left to the user.
        unsafe { write(field, value) };
    }
    efer
}

/// Gives the user what has become of the guest, and why; the latter.
fn store(software: &Software<'_>) -> u64 {
    let reason = read(field::EXIT_REASON);
    let places = all([vmcs::EXIT, vmcs::STATE]).chain(all([vmcs::MENDED_STATE, &[]]));
    places.for_each(|field| software.set(field, read(field)));
    if EXIT_BY_PAGE_TABLE.contains(&reason) {
        let address = read(field::GUEST_PHYSICAL_ADDRESS);
        software.set(field::GUEST_PHYSICAL_ADDRESS, address);
    }
    let event = software.get(field::ENTRY_EVENT);
    software.set(field::ENTRY_EVENT, event & !EVENT_VALID);
    // The guest may have turned long mode on or off by itself.
    let entry = software.get(field::ENTRY_CONTROLS) & !LONG_MODE_GUEST;
    let mode = read(field::ENTRY_CONTROLS) & LONG_MODE_GUEST;
    software.set(field::ENTRY_CONTROLS, entry | mode);
    reason
}

/// What an exit is for.
fn end(reason: u64) -> Exit {
    match (reason, read(field::EXIT_EVENT) & EVENT_NAME) {
        // SAFETY: nobody asks for NMIs, so nothing is done; its IRET lets the
        // next one come.
        (reason::EXCEPTION, EVENT_NMI) => unsafe { asm!("int 2", options(nomem)) },
        // SAFETY: the kernel ends here, as it does when one comes to itself.
        (reason::EXCEPTION, EVENT_MACHINE_CHECK) | (ENTRY_MACHINE_CHECK, _) => unsafe {
            asm!("int 18", options(nomem));
        },
        (reason::INTERRUPT, _) => {}
        _ => return Exit::Vmm,
    }
    // No event was on its way into the guest: these come between instructions.
    Exit::Interrupt
}

/// Forgets what the CPU knows of an extended page table (INVEPT).
fn forget(pointer: u64) {
    const ONE: u64 = 1;
    let descriptor = [pointer, 0];
    // SAFETY: forgets, and changes no value.
    unsafe {
        asm!("invept {}, [{}]", in(reg) ONE, in(reg) &descriptor, options(nostack, readonly));
    }
}
