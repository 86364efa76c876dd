//! Page-table isolation, for CPUs that let user mode read what is mapped for
//! the kernel only (Meltdown, CVE-2017-5754).
//!
//! The kernel never touches memory of user mode, so it needs nothing of a
//! task's page table: with isolation it runs in a space of its own
//! ([`paging::ROOT`](super::paging)), and a task's kernel half has no more
//! than what runs or is read between the two: the code in `.entry`, the
//! interrupt table, and an *entry area* for each CPU. No task has a second
//! root, and with PCIDs, of which the kernel has number 0, nothing is flushed.
//!
//! Page of an entry area | What
//! ---|---
//! 0 | the first page of `.entry`: `syscall` enters here, and finds the data by its own address
//! 1 to 7 | the CPU's [`Tables`]: task state, descriptors, stacks
//!
//! It is chosen once, at boot. The ways in and out are those of a kernel
//! without isolation, but that some instructions are replaced by jumps to
//! what is here (*detours*); so it costs nothing where it is off.

mod need;

use core::arch::global_asm;
use core::cell::Cell;
use core::hint::cold_path;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};

use super::context::Frame;
use super::cpu::{self, CpuState, ENTRY_STACK, TRAP_STACK_SIZE, Tables};
use super::invalidate::KEEP;
use super::paging::{self, IMAGE_OFFSET, PageTable, entry};
use super::syscall::{self, block, with_offsets};
use super::trap::{self, FIRST_INTERRUPT, Pushed, VIRTUAL_8086, vector};
use crate::memory::FRAME_SIZE;
use crate::per_cpu::CpuBlock;
use crate::quiescence::MAX_CPUS;

/// Index of the entry areas' table in the image's directory, and their start.
const AREAS_INDEX: usize = 511;
const AREAS_START: u64 = IMAGE_OFFSET + ((AREAS_INDEX as u64) << 21);
/// Pages of an area.
const AREA_PAGES: usize = 8;
const PAGE: u64 = FRAME_SIZE as u64;

impl Tables {
    /// Bytes from the start that are there in user mode's space too.
    const SHARED: usize = offset_of!(Self, guest);
    /// Offset of room for a register.
    const SCRATCH: usize = offset_of!(Self, scratch);
    /// Offset of the end of [`ENTRY_STACK`].
    const ENTRY_STACK_END: usize =
        offset_of!(Self, stacks) + ENTRY_STACK as usize * TRAP_STACK_SIZE;
}

const _: () = assert!(
    MAX_CPUS * AREA_PAGES <= 512 && Tables::SHARED <= (AREA_PAGES - 1) * FRAME_SIZE,
    "the entry areas of all CPUs fit in a table"
);

/// The upper half of tasks.
static TOP: PageTable = PageTable::new();
static DIRECTORY: PageTable = PageTable::new();
static IMAGE_TABLES: [PageTable; 2] = [PageTable::new(), PageTable::new()];
/// Of tasks and of the kernel.
static AREAS: PageTable = PageTable::new();

/// What exit code needs, and who loads spaces.
#[repr(C)]
pub(super) struct State {
    /// The kernel isolates itself: user mode's space is not the one in CR3.
    is_on: bool,
    /// CR3 of user mode for the next way out, and for those after it.
    next_root: Cell<u64>,
    kept_root: Cell<u64>,
    /// Where the registers lie while CR3 changes.
    stack: Cell<u64>,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            is_on: is_on(),
            next_root: Cell::new(0),
            kept_root: Cell::new(0),
            stack: Cell::new(0),
        }
    }

    /// Lets user mode have `kept` from the next way out on, and forgets its
    /// translations before unless [`KEEP`] is in `next`. False, if that way out
    /// was to [forget](Self::forget) others. None, if the kernel has no space of
    /// its own.
    #[inline(always)]
    pub(super) fn set_root(&self, next: u64, kept: u64) -> Option<bool> {
        if !self.is_on {
            return None;
        }
        cold_path();
        let forgets_nothing = self.next_root.replace(next) == self.kept_root.get();
        self.kept_root.set(kept);
        Some(forgets_nothing)
    }

    /// Forgets the translations of user mode on the next way out, if the kernel
    /// has a space of its own.
    pub(super) fn forget(&self) -> bool {
        if !self.is_on {
            return false;
        }
        self.next_root.set(self.kept_root.get() & !KEEP);
        true
    }
}

unsafe extern "C" {
    /// CR3 of the kernel; 0 if it is not isolated.
    #[link_name = "brio_kernel_root"]
    static KERNEL_ROOT: AtomicU64;
    #[link_name = "brio_entry_page"]
    static ENTRY_PAGE: u8;
    #[link_name = "brio_isolated_syscall"]
    static SYSCALL: u8;
    #[link_name = "brio_isolated_compatibility"]
    static COMPATIBILITY: u8;
    #[link_name = "__detours_start"]
    static DETOURS_START: Detour;
    #[link_name = "__detours_end"]
    static DETOURS_END: Detour;
}

/// An instruction of five bytes or more, and where to go instead of it.
#[repr(C)]
struct Detour {
    from: u64,
    to: u64,
}

/// Marks the next instructions, five bytes or more, as a detour's start.
macro_rules! detour {
    ($to:literal) => {
        concat!(
            "77: .pushsection .detours, \"a\", @progbits\n.quad 77b, ",
            $to,
            "\n.popsection\n",
        )
    };
}
pub(super) use detour;

/// Whether the kernel isolates itself.
pub(super) fn is_on() -> bool {
    // SAFETY: a word of the image; written before it is asked for.
    unsafe { &KERNEL_ROOT }.load(Ordering::Relaxed) != 0
}

/// Decides, and takes the detours. Once, by the boot CPU, before the kernel's
/// code becomes read-only.
pub(super) fn initialise() {
    if !need::is_wanted() {
        return;
    }
    let keep = if cpu::has_ids() { KEEP } else { 0 };
    // SAFETY: the loader's and the first page tables let the image be
    // written, and nobody is in the code that changes.
    unsafe {
        KERNEL_ROOT.store(paging::Root::kernel().address() | keep, Ordering::Relaxed);
        let start = &raw const DETOURS_START;
        let count = (&raw const DETOURS_END).offset_from_unsigned(start);
        for detour in core::slice::from_raw_parts(start, count) {
            let [a, b, c, d] = (detour.to.wrapping_sub(detour.from + 5) as i32).to_le_bytes();
            // A near jump.
            (detour.from as *mut [u8; 5]).write_volatile([0xe9, a, b, c, d]);
        }
    }
}

/// Lets tasks have a page of the image, which the kernel has too.
pub(super) fn share(table: usize, index: usize, entry: u64) {
    IMAGE_TABLES[table].set(index, entry);
}

/// Links the tables, of which the image's are at `first` in their directory,
/// and the entry areas in the kernel's `directory` of the image: the last entry
/// of tasks' roots.
pub(super) fn link(first: usize, directory: &PageTable) -> u64 {
    let areas = AREAS.physical() | entry::TABLE;
    for (index, table) in (first..).zip(&IMAGE_TABLES) {
        DIRECTORY.set(index, table.physical() | entry::TABLE);
    }
    DIRECTORY.set(AREAS_INDEX, areas);
    TOP.set(510, DIRECTORY.physical() | entry::TABLE);
    directory.set(AREAS_INDEX, areas);
    TOP.physical() | entry::TABLE
}

fn area(cpu: u32) -> u64 {
    AREAS_START + u64::from(cpu) * AREA_PAGES as u64 * PAGE
}

/// Where CPU `id` finds its tables.
pub(super) fn map_tables(id: u32, tables: &Tables) -> u64 {
    if !is_on() {
        return core::ptr::from_ref(tables).addr() as u64;
    }
    let first = id as usize * AREA_PAGES;
    let code = (&raw const ENTRY_PAGE).addr() as u64 - IMAGE_OFFSET;
    AREAS.set(first, code | entry::CODE);
    for page in 0..Tables::SHARED.div_ceil(FRAME_SIZE) {
        let physical = paging::physical(tables) + page as u64 * PAGE;
        AREAS.set(first + 1 + page, physical | entry::DATA);
    }
    area(id) + PAGE
}

/// Where `syscall` goes on CPU `id`: from 64-bit and from 32-bit code.
pub(super) fn entries(id: u32) -> [u64; 2] {
    if !is_on() {
        let entries = [
            syscall::entry as *const (),
            trap::entry_from_compatibility_mode as *const (),
        ];
        return entries.map(|entry| entry as u64);
    }
    let start = (&raw const ENTRY_PAGE).addr();
    let entries = [&raw const SYSCALL, &raw const COMPATIBILITY];
    entries.map(|entry| area(id) + (entry.addr() - start) as u64)
}

/// Tells exit code where its stack is.
pub(super) fn attach(block: &CpuBlock) {
    let end = area(block.id()) + PAGE + Tables::ENTRY_STACK_END as u64;
    block.arch.isolation.stack.set(end);
}

/// The offset of a field of [`State`] from GS base.
macro_rules! state {
    ($field:ident) => {
        offset_of!(CpuBlock, arch) + offset_of!(CpuState, isolation) + offset_of!(State, $field)
    };
}

/// At the CPU's own address of `.entry`'s first page: into the kernel's space,
/// and on in the image.
macro_rules! enter_at {
    ($target:literal) => {
        concat!(
            "mov [rip + brio_entry_page + {scratch}], rsp\n",
            "mov rsp, [rip + brio_kernel_root]\n",
            "mov cr3, rsp\n",
            "mov rsp, [rip + brio_entry_page + {scratch}]\n",
            "jmp qword ptr [rip + 2f]\n",
            "2: .quad ",
            $target,
            "\n",
        )
    };
}

/// From the exit stack, on which rax lies first, into user mode's space. Of the
/// CPU's block nothing is mapped there.
macro_rules! leave_space {
    () => {
        concat!(
            "mov rax, gs:[{kept_root}]\n",
            "xchg rax, gs:[{next_root}]\n",
            "mov cr3, rax\n",
            "pop rax\n",
        )
    };
}

with_offsets!(
    global_asm, Pushed, [vector error rip cs rflags rsp ss],
    ".pushsection .entry.first, \"ax\", @progbits",
    ".global brio_entry_page, brio_kernel_root, brio_isolated_syscall, brio_isolated_compatibility",
    ".global brio_isolated_trap, brio_isolated_failure, brio_isolated_sysret, brio_isolated_iret",
    "brio_entry_page:",
    "brio_kernel_root: .quad 0",
    "brio_isolated_syscall:",
    enter_at!("{syscall}"),
    "brio_isolated_compatibility:",
    enter_at!("{compatibility}"),
    "",
    // Exceptions and interrupts, on a stack of their own: from user mode all
    // is brought to the frame, where the CPU would have pushed it.
    "brio_isolated_trap:",
    "test byte ptr [rsp + {cs}], 3",
    "jnz 2f",
    "test dword ptr [rsp + {rflags}], {virtual_8086}",
    "jnz 2f",
    "cmp qword ptr [rsp + {vector}], {first_interrupt}",
    "jae brio_interrupt_in_kernel",
    "cmp qword ptr [rsp + {vector}], {debug}",
    "jne 3f",
    "cmp qword ptr [rsp + {rip}], {areas}",
    "jae brio_debug_of_entry",
    "jmp brio_debug_in_kernel",
    "3:",
    "push rax",
    "lea rax, [rip + brio_isolated_iretq]",
    "cmp rax, [rsp + 8 + {rip}]",
    "pop rax",
    "jne brio_isolated_failure",
    "push rax",
    "mov rax, [rip + brio_kernel_root]",
    "mov cr3, rax",
    "pop rax",
    "jmp brio_fault_of_iretq",
    "2:",
    "push rax",
    "mov rax, [rip + brio_kernel_root]",
    "mov cr3, rax",
    "swapgs",
    "mov rax, rsp",
    "mov rsp, gs:[{frame}]",
    "add rsp, {frame_size}",
    "push [rax + 8 + {ss}]",
    "push [rax + 8 + {rsp}]",
    "push [rax + 8 + {rflags}]",
    "push [rax + 8 + {cs}]",
    "push [rax + 8 + {rip}]",
    "push [rax + 8 + {error}]",
    "push [rax + 8 + {vector}]",
    "mov rax, [rax]",
    "cmp qword ptr [rsp], {first_interrupt}",
    "jae brio_interrupt_from_user",
    "jmp brio_fault_from_user",
    "",
    "brio_isolated_failure:",
    "mov rax, [rip + brio_kernel_root]",
    "mov cr3, rax",
    "mov rdi, rsp",
    "mov rsi, rbp",
    "jmp brio_failure",
    "",
    // With the user's registers and the kernel's GS.
    "brio_isolated_sysret:",
    "mov gs:[{kept_rsp}], rsp",
    "mov rsp, gs:[{stack}]",
    "push gs:[{kept_rsp}]",
    "push rax",
    leave_space!(),
    "pop rsp",
    "swapgs",
    ".global brio_isolated_user",
    "brio_isolated_user:",
    "sysretq",
    "",
    // The same, and what `iretq` pops on the stack.
    "brio_isolated_iret:",
    "mov gs:[{kept_rsp}], rax",
    "mov rax, rsp",
    "mov rsp, gs:[{stack}]",
    "push [rax + 32]",
    "push [rax + 24]",
    "push [rax + 16]",
    "push [rax + 8]",
    "push [rax]",
    "push gs:[{kept_rsp}]",
    leave_space!(),
    "swapgs",
    "brio_isolated_iretq:",
    "iretq",
    ".popsection",
    scratch = const FRAME_SIZE + Tables::SCRATCH,
    syscall = sym syscall::entry,
    compatibility = sym trap::entry_from_compatibility_mode,
    virtual_8086 = const VIRTUAL_8086,
    first_interrupt = const FIRST_INTERRUPT,
    debug = const vector::DEBUG,
    areas = const AREAS_START as i32,
    frame = const block::FRAME,
    frame_size = const size_of::<Frame>(),
    kept_rsp = const block::SCRATCH,
    stack = const state!(stack),
    next_root = const state!(next_root),
    kept_root = const state!(kept_root),
);
