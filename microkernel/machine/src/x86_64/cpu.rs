//! One CPU's registers and tables as the kernel wants them: control
//! registers, model-specific registers, GDT, TSS.
//!
//! What user mode sees of it is fixed by abi/01 (selectors, CR4) and abi/05
//! (user segment descriptors).

use core::arch::asm;
use core::cell::{Cell, UnsafeCell};
use core::mem::offset_of;
use core::ptr::NonNull;

use l4_abi::arch::x86_64::segment::LOCAL_DESCRIPTORS;

use super::entry_format::PAGE_ATTRIBUTE_TABLE;
use super::instructions::{cpuid, msr, read_cr0, write_cr0, write_cr4, write_msr};
use super::port_bitmap::PortBitmap;
use super::{isolation, svm, trap, vmx};
use crate::memory::Storage;
use crate::per_cpu::CpuBlock;

/// Selectors. The order of the user ones is what `sysret` presupposes.
pub(super) mod selector {
    pub(crate) const KERNEL_CODE: u16 = 0x08;
    pub(crate) const KERNEL_DATA: u16 = 0x10;
    pub(crate) const USER_CODE_32: u16 = 0x1b;
    pub(crate) const USER_DATA: u16 = 0x23;
    pub(crate) const USER_CODE: u16 = 0x2b;
    pub(crate) const TASK_STATE: u16 = 0x30;
    pub(crate) const LOCAL_TABLE: u16 = 0x40;
    /// First of the descriptors that threads set for themselves.
    pub(crate) const USER_SEGMENTS: u16 = 0x58;
}

/// Number of descriptors that threads set for themselves.
pub(super) const USER_SEGMENTS: usize = 4;
const DESCRIPTORS: usize = selector::USER_SEGMENTS as usize / 8 + USER_SEGMENTS;

/// Vectors with a stack of their own: they can arrive while `rsp` is not the
/// kernel's.
pub(super) const DEBUG_STACK: u8 = 1;
pub(super) const NMI_STACK: u8 = 2;
pub(super) const FAILURE_STACK: u8 = 3;
/// That of all others if the kernel isolates itself.
pub(super) const ENTRY_STACK: u8 = 4;
const TRAP_STACKS: usize = 4;
/// What the other tables leave of an entry area.
pub(super) const TRAP_STACK_SIZE: usize = 4032;

/// Control register bits (SDM 2.5).
pub(super) mod bits {
    pub(crate) const CR0_TASK_SWITCHED: u64 = 1 << 3;
    /// Protection (PE), monitor coprocessor (MP), extension type (ET), numeric
    /// error (NE), write protection (WP), alignment mask (AM), paging (PG).
    pub(crate) const CR0: u64 = 1 << 0 | 1 << 1 | 1 << 4 | 1 << 5 | 1 << 16 | 1 << 18 | 1 << 31;
    pub(crate) const CR4_PAE: u64 = 1 << 5;
    pub(crate) const CR4_MACHINE_CHECK: u64 = 1 << 6;
    pub(crate) const CR4_GLOBAL_PAGES: u64 = 1 << 7;
    pub(crate) const CR4_OSFXSR: u64 = 1 << 9;
    pub(crate) const CR4_OSXMMEXCPT: u64 = 1 << 10;
    pub(crate) const CR4_UMIP: u64 = 1 << 11;
    pub(crate) const CR4_PCID: u64 = 1 << 17;
    pub(crate) const CR4_OSXSAVE: u64 = 1 << 18;
    pub(crate) const CR4_SMEP: u64 = 1 << 20;
    pub(crate) const CR4_SMAP: u64 = 1 << 21;
    /// `syscall` (SCE), long mode (LME), which is active (LMA), execute-disable (NXE).
    pub(crate) const EFER: u64 = 1 << 0 | 1 << 8 | 1 << 10 | 1 << 11;
}

/// Flags that entry by `syscall` clears: all but the reserved one.
const SYSCALL_FLAG_MASK: u64 = 0x003f_7fd5;

/// Bits of XCR0 that user mode gets if the CPU has them: x87, SSE, AVX,
/// AVX-512 (abi/02).
const FPU_COMPONENTS: u64 = 0b1110_0111;

/// The task state segment (SDM 7.7), shifted by four bytes so that `rsp0`
/// lies at a multiple of eight.
#[repr(C, align(16))]
pub(super) struct TaskState {
    before: u32,
    reserved_0: u32,
    /// Where the CPU pushes when it leaves user mode: the end of the frame
    /// of the thread that runs.
    rsp0: Cell<u64>,
    rsp1_and_2: [u64; 2],
    reserved_1: u64,
    interrupt_stacks: [Cell<u64>; 7],
    reserved_2: u64,
    reserved_3: u16,
    port_bitmap: Cell<u16>,
    /// In force when `allow_ports` says so.
    pub(super) ports: PortBitmap,
    /// The CPU reads one byte more than the last port's.
    ports_end: u64,
}

const TASK_STATE_START: usize = offset_of!(TaskState, reserved_0);
const TASK_STATE_LIMIT: usize = size_of::<TaskState>() - TASK_STATE_START - 1;
/// Offset of the port bitmap in the segment.
const PORT_BITMAP: u16 = (offset_of!(TaskState, ports) - TASK_STATE_START) as u16;
/// An offset beyond the limit: no port may be used.
const NO_PORT_BITMAP: u16 = u16::MAX;

#[repr(C, align(16))]
pub(super) struct TrapStack(UnsafeCell<[u8; TRAP_STACK_SIZE]>);

/// What one CPU's hardware reads by itself.
#[repr(C, align(4096))]
pub(super) struct Tables {
    pub(super) task_state: TaskState,
    pub(super) descriptors: [Cell<u64>; DESCRIPTORS],
    /// A register, while `syscall` finds its way to an isolated kernel.
    pub(super) scratch: Cell<u64>,
    /// A copy of what the task that runs has set.
    pub(super) local_descriptors: [Cell<u64>; LOCAL_DESCRIPTORS],
    pub(super) stacks: [TrapStack; TRAP_STACKS],
    pub(super) guest: svm::Pages,
}

// SAFETY: the tables belong to one CPU, whose `CpuState` points to them; the
// others leave them alone.
unsafe impl Sync for Tables {}

impl Tables {
    pub(super) const fn new() -> Self {
        // SAFETY: numbers and cells of them, which may be zero.
        let mut tables: Self = unsafe { core::mem::zeroed() };
        // Flat segments (SDM 3.4.5): code is execute/read, data read/write.
        tables.descriptors[1] = Cell::new(0x00af_9b00_0000_ffff);
        tables.descriptors[2] = Cell::new(0x00cf_9300_0000_ffff);
        tables.descriptors[3] = Cell::new(0x00cf_fb00_0000_ffff);
        tables.descriptors[4] = Cell::new(0x00cf_f300_0000_ffff);
        tables.descriptors[5] = Cell::new(0x00af_fb00_0000_ffff);
        tables.task_state.port_bitmap = Cell::new(NO_PORT_BITMAP);
        tables.task_state.ports = PortBitmap::new();
        tables.task_state.ports_end = u64::MAX;
        tables.guest = svm::Pages::new();
        tables
    }

    /// Tables for another CPU, which [`load`](Self::load) makes its own.
    pub(super) fn copy(from: &Self, storage: Storage) -> &'static Self {
        assert!(
            storage.size() == size_of::<Self>()
                && storage.address().is_multiple_of(align_of::<Self>())
        );
        let place = storage.into_raw().0.cast::<Self>();
        // SAFETY: the storage is ours for good, and has the right size. Cells
        // and numbers can be copied; nobody changes them meanwhile.
        unsafe {
            place.copy_from_nonoverlapping(NonNull::from_ref(from), 1);
            place.as_ref()
        }
    }

    /// Fills in the descriptor of a part of this, over which its base is spread.
    fn describe(&self, selector: u16, kind: u64, base: u64, limit: usize) {
        let slot = usize::from(selector / 8);
        self.descriptors[slot]
            .set(limit as u64 | (base & 0xff_ffff) << 16 | kind << 40 | (base >> 24 & 0xff) << 56);
        self.descriptors[slot + 1].set(base >> 32);
    }

    /// Loads GDT and TSS on this CPU, which finds them at `address`.
    fn load(&'static self, address: u64) {
        let stacks = address + offset_of!(Self, stacks) as u64;
        for (number, pointer) in (1..=TRAP_STACKS).zip(&self.task_state.interrupt_stacks) {
            pointer.set(stacks + (number * TRAP_STACK_SIZE) as u64);
        }
        let base = address + (offset_of!(Self, task_state) + TASK_STATE_START) as u64;
        // An available 64-bit TSS.
        self.describe(selector::TASK_STATE, 0x89, base, TASK_STATE_LIMIT);
        let base = address + offset_of!(Self, local_descriptors) as u64;
        self.describe(selector::LOCAL_TABLE, 0x82, base, LOCAL_DESCRIPTORS * 8 - 1);

        let pointer = TablePointer {
            limit: (size_of_val(&self.descriptors) - 1) as u16,
            base: address + offset_of!(Self, descriptors) as u64,
        };
        // SAFETY: the table is static and holds the selectors that are loaded.
        // Reloading CS by a far return; the null selectors suit 64-bit mode.
        unsafe {
            asm!(
                "lgdt [{pointer}]",
                "push {code}",
                "lea {scratch}, [rip + 2f]",
                "push {scratch}",
                "retfq",
                "2:",
                "mov ds, {null:e}",
                "mov es, {null:e}",
                "mov fs, {null:e}",
                "mov gs, {null:e}",
                "mov ss, {null:e}",
                "ltr {task:x}",
                "lldt {null:x}",
                pointer = in(reg) &pointer,
                code = const selector::KERNEL_CODE,
                scratch = out(reg) _,
                null = in(reg) 0u32,
                task = in(reg) selector::TASK_STATE,
            );
        }
    }
}

/// Operand of `lgdt` and `lidt`.
#[repr(C, packed)]
pub(super) struct TablePointer {
    pub(super) limit: u16,
    pub(super) base: u64,
}

/// Whether CR3 can tell spaces apart by ids.
pub(super) fn has_ids() -> bool {
    cpuid(1, 0).ecx & 1 << 17 != 0
}

/// What this architecture keeps for each CPU.
#[repr(C)]
pub struct CpuState {
    /// The boot CPU's, until another one is about to start.
    pub(super) tables: Cell<&'static Tables>,
    /// Whether spaces are loaded under ids.
    pub(super) has_ids: bool,
    /// User mode may have ports or descriptors of the task that is loaded.
    pub(super) has_more: Cell<bool>,
    /// The space of user mode, if the kernel has its own.
    pub(super) isolation: isolation::State,
    /// Whether floating point instructions work.
    pub(super) fpu_enabled: Cell<bool>,
    /// What it knows of guests.
    pub(super) guests: svm::State,
    pub(super) vmx: vmx::State,
}

impl CpuState {
    /// A CPU that has not started.
    pub fn new() -> Self {
        Self {
            tables: Cell::new(&super::boot::TABLES),
            has_ids: has_ids(),
            has_more: Cell::new(false),
            isolation: isolation::State::new(),
            fpu_enabled: Cell::new(false),
            guests: svm::State::new(),
            vmx: vmx::State::new(),
        }
    }

    /// The CPU's tables.
    pub(super) fn tables(&self) -> &'static Tables {
        self.tables.get()
    }

    /// The CPU pushes the user's registers below `end` from now on.
    #[inline]
    pub(super) fn set_entry_stack(&self, end: u64) {
        self.tables.get().task_state.rsp0.set(end);
    }

    /// Whether the CPU looks at the port bitmap.
    pub(super) fn are_ports_allowed(&self) -> bool {
        self.tables.get().task_state.port_bitmap.get() == PORT_BITMAP
    }

    /// Whether the CPU looks at the port bitmap, or allows no port at all.
    #[inline]
    pub(super) fn allow_ports(&self, allowed: bool) {
        let offset = if allowed { PORT_BITMAP } else { NO_PORT_BITMAP };
        self.tables.get().task_state.port_bitmap.set(offset);
    }
}

/// Sets this CPU's control registers. Calls on the first CPU come before there
/// is a [`CpuBlock`].
pub(super) fn initialise() {
    let features = cpuid(1, 0);
    let more = cpuid(7, 0);
    let extended = cpuid(0x8000_0001, 0);
    assert!(
        extended.edx & 1 << 20 != 0,
        "the CPU has no execute-disable bit"
    );

    let mut cr4 = bits::CR4_PAE | bits::CR4_MACHINE_CHECK | bits::CR4_OSFXSR | bits::CR4_OSXMMEXCPT;
    let has_xsave = features.ecx & 1 << 26 != 0;
    for (present, bit) in [
        (has_xsave, bits::CR4_OSXSAVE),
        (has_ids(), bits::CR4_PCID),
        (!isolation::is_on(), bits::CR4_GLOBAL_PAGES),
        (more.ebx & 1 << 7 != 0, bits::CR4_SMEP),
        (more.ebx & 1 << 20 != 0, bits::CR4_SMAP),
        (more.ecx & 1 << 2 != 0, bits::CR4_UMIP),
    ] {
        if present {
            cr4 |= bit;
        }
    }
    // SAFETY: the CPU has what is turned on. Nothing in the kernel depends on
    // what is turned off; long mode and paging stay on.
    unsafe {
        write_msr(msr::EFER, bits::EFER);
        write_cr0(bits::CR0 | bits::CR0_TASK_SWITCHED);
        write_cr4(cr4);
        if has_xsave {
            set_xcr0(FPU_COMPONENTS & u64::from(cpuid(0xd, 0).eax));
        }
        // No debug register is ever set: breakpoints off.
        asm!("mov dr7, {}", in(reg) 0x400u64, options(nomem, nostack, preserves_flags));
    }
}

/// Lets this CPU, which has the number `id`, use its tables; afterwards
/// exceptions are reported. The kernel's address space is active.
pub(super) fn load(tables: &'static Tables, id: u32) {
    tables.load(isolation::map_tables(id, tables));
    trap::load_table();
    let [entry, entry_from_compatibility_mode] = isolation::entries(id);
    // SAFETY: the handlers are the kernel's own.
    unsafe {
        write_msr(msr::PAT, PAGE_ATTRIBUTE_TABLE);
        write_msr(msr::SYSENTER_CS, 0);
        write_msr(
            msr::STAR,
            u64::from(selector::USER_CODE_32) << 48 | u64::from(selector::KERNEL_CODE) << 32,
        );
        write_msr(msr::LSTAR, entry);
        write_msr(msr::CSTAR, entry_from_compatibility_mode);
        write_msr(msr::FMASK, SYSCALL_FLAG_MASK);
        write_msr(msr::FS_BASE, 0);
        write_msr(msr::GS_BASE, 0);
        write_msr(msr::KERNEL_GS_BASE, 0);
    }
}

/// Makes `block` what entry code on this CPU finds.
pub(super) fn attach(block: &CpuBlock) {
    isolation::attach(block);
    // SAFETY: the block stays for ever, which `Boot::enter` demands.
    unsafe { write_msr(msr::GS_BASE, core::ptr::from_ref(block) as u64) };
    svm::attach(block);
    vmx::attach(block);
}

/// # Safety
/// CR4.OSXSAVE is set, and the CPU has the components.
pub(super) unsafe fn set_xcr0(components: u64) {
    // SAFETY: promised by the caller.
    unsafe {
        asm!("xsetbv", in("ecx") 0, in("eax") components as u32,
            in("edx") (components >> 32) as u32, options(nomem, nostack, preserves_flags));
    }
}

/// Sets or clears CR0.TS.
pub(super) fn set_fpu_trap(trap: bool) {
    if trap {
        // SAFETY: the flag only decides whether FPU instructions trap.
        unsafe { write_cr0(read_cr0() | bits::CR0_TASK_SWITCHED) };
    } else {
        super::instructions::clear_task_switched();
    }
}

/// Waits a moment in a loop that waits for another CPU.
#[inline]
pub fn relax() {
    core::hint::spin_loop();
}
