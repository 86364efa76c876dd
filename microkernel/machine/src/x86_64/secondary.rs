//! Starting the other CPUs (SDM 8.4.4): INIT, then a start-up interrupt that
//! names the page in low memory where the CPU begins, in real mode.
//!
//! The code there has nothing to be filled in: all it names is in the image,
//! whose physical address is fixed. It takes the CPU to 64-bit mode with the
//! page tables of the loader's entry, and on into the image, to the kernel's
//! own tables and the stack that its [`CpuBlock`] tells.

use core::arch::{global_asm, naked_asm};

use super::clock_sync::ClockSync;
use super::paging::{self, IMAGE_OFFSET};
use super::platform::Platform;
use super::start::FIRST_ROOT;
use super::syscall::{block, leave};
use super::{cpu, window};
use crate::handover::Handover;
use crate::kernel_memory::Descriptors;
use crate::kip::KipPage;
use crate::per_cpu::CpuBlock;

/// Gives a CPU that starts its block.
static HANDOVER: Handover = Handover::new();
/// Lets it tell the right time.
static CLOCK_SYNC: ClockSync = ClockSync::new();

/// The page that a CPU begins in lies below; its number is one byte.
const LOW_MEMORY_END: u64 = 1 << 20;
const PAGE: u64 = 4096;

/// Between INIT and the first start-up interrupt, and from there to the
/// second, in µs.
const INIT_TIME: u64 = 10_000;
const START_UP_TIME: u64 = 200;

unsafe extern "C" {
    /// The kernel's part, see [`upcalls!`](crate::upcalls).
    fn brio_start_cpu(cpu: *mut CpuBlock);

    /// The code for the page in low memory, and where it ends.
    #[link_name = "brio_real_mode"]
    static REAL_MODE: [u8; 0];
    #[link_name = "brio_real_mode_end"]
    static REAL_MODE_END: u8;
}

global_asm!(
    ".pushsection .rodata.real_mode, \"a\", @progbits",
    ".code16",
    "brio_real_mode:",
    "cli",
    "cld",
    "movw %cs, %ax",
    "movw %ax, %ds",
    "lgdtl 3f - brio_real_mode",
    // CR4.PAE; EFER.LME and NXE; then CR0.PG, WP and PE.
    "movl $0x20, %eax",
    "movl %eax, %cr4",
    "movl $({root} - {offset}), %eax",
    "movl %eax, %cr3",
    "movl $0xc0000080, %ecx",
    "rdmsr",
    "orl $0x900, %eax",
    "wrmsr",
    "movl $0x80010001, %eax",
    "movl %eax, %cr0",
    "ljmpl $8, $({long_mode} - {offset})",
    // A code segment for 64-bit mode (SDM 3.4.5).
    ".balign 8",
    "2:",
    ".quad 0",
    ".quad 0x00af9b000000ffff",
    "3:",
    ".word 15",
    ".long 2b - {offset}",
    "brio_real_mode_end:",
    ".code64",
    ".popsection",
    root = sym FIRST_ROOT,
    long_mode = sym long_mode,
    offset = const IMAGE_OFFSET,
    options(att_syntax),
);

/// In 64-bit mode, at the physical address of this code.
#[unsafe(naked)]
#[unsafe(link_section = ".start")]
unsafe extern "C" fn long_mode() -> ! {
    naked_asm!(
        "lea rax, [rip + 2f]",
        "mov rcx, {offset}",
        "add rax, rcx",
        "jmp rax",
        "2:",
        "lea rax, [rip + {root}]",
        "sub rax, rcx",
        "mov cr3, rax",
        "xor eax, eax",
        "xchg rax, [rip + {handover}]",
        "test rax, rax",
        "jz 3f",
        "mov rsp, [rax + {stack_top}]",
        "xor ebp, ebp",
        "mov rdi, rax",
        "call {main}",
        "ud2",
        // Too late.
        "3:",
        "cli",
        "hlt",
        "jmp 3b",
        offset = const IMAGE_OFFSET,
        root = sym paging::ROOT,
        handover = sym HANDOVER,
        stack_top = const block::STACK_TOP,
        main = sym main,
    );
}

/// Continues in Rust on the CPU's own stack.
unsafe extern "C" fn main(cpu: &'static mut CpuBlock) -> ! {
    cpu::initialise();
    cpu::load(cpu.arch.tables(), cpu.id());
    cpu::attach(cpu);
    CLOCK_SYNC.follow();
    // SAFETY: the kernel's upcall takes the CPU's block.
    unsafe { brio_start_cpu(cpu) };
    HANDOVER.finish();
    // SAFETY: the block names no thread, and nothing on this stack is used
    // any more.
    unsafe { leave() }
}

/// Starts the CPU whose block this is; stack and tables are in place. False
/// if it does not start.
pub(super) fn start(kip: &KipPage, platform: &Platform, block: &'static CpuBlock) -> bool {
    let Some(&id) = platform.cpus().get(block.id() as usize) else {
        return false;
    };
    let Some(page) = Descriptors::of(kip).find_free(PAGE, PAGE, LOW_MEMORY_END) else {
        return false;
    };
    let local = &platform.chip.local;
    // SAFETY: free memory, and user mode is not running yet.
    unsafe { window::fill_frame(page, real_mode_word) };
    let wake = || {
        local.send_init(id as u32);
        platform.timer.wait(INIT_TIME);
        for _ in 0..2 {
            local.send_start_up(id as u32, page);
            platform.timer.wait(START_UP_TIME);
        }
        true
    };
    let meet = || CLOCK_SYNC.lead(&platform.timer);
    let has_started = HANDOVER.give(block, &platform.timer, wake, meet);
    if !has_started {
        // So that it never comes, or stops: the page is somebody else's soon.
        local.send_init(id as u32);
    }
    // SAFETY: as above.
    unsafe { window::fill_frame(page, |_| 0) };
    has_started
}

/// A word of the code for low memory.
fn real_mode_word(index: usize) -> u64 {
    let start = &raw const REAL_MODE;
    let size = (&raw const REAL_MODE_END).addr() - start.addr();
    // SAFETY: constants of the image.
    let code = unsafe { core::slice::from_raw_parts(start.cast::<u8>(), size) };
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(code.iter().skip(index * 8)) {
        *to = *from;
    }
    u64::from_le_bytes(word)
}
