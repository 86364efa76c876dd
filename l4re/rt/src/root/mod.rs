//! A program in moe's place: the kernel starts it (abi/00), and there are no others but sigma0.
//!
//! Its memory comes from sigma0, everything else from the kernel. Its initial capability `console` is the kernel's
//! log, its files are the boot modules ([`file`]), and its end is that of the system.

mod memory;
mod modules;

use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::fmt::Write;

use l4_abi::capability::{Selector, slot};
use l4_abi::l4re::{CapabilityEntry, Environment};
use l4_abi::protocol::log::{InputFlags, LocalFlags, OutputFlags};
use l4_abi::protocol::platform_control::Shutdown;
use l4_abi::protocol::scheduler::{CpuSet, MAX_PRIORITY};
use l4_sys::Cap;
use l4_sys::fatal::Line;
use l4_sys::object::PlatformControl;
use l4_sys::slots::SLOTS;

use crate::place::Place;
use crate::stack_block::StackBlock;
use crate::{console, env, exit, thread};

pub use memory::{Pages, fresh};
pub use modules::file;

/// Bytes of the first thread's stack.
#[doc(hidden)]
pub const STACK_SIZE: usize = 256 << 10;

/// The initial capability.
const CONSOLE: &[u8] = b"console";

static PLACE: Place = Place {
    grow: memory::grow,
    stack: memory::stack,
    kernel_user_page: memory::kernel_user_page,
    distance,
    leave,
};

/// What is in the fixed slots.
static ENVIRONMENT: Environment = Environment {
    parent: 0,
    region_map: Selector::new(slot::PAGER).raw(),
    mem_alloc: 0,
    log: Selector::new(slot::LOG).raw(),
    main_thread: Selector::new(slot::THREAD).raw(),
    factory: Selector::new(slot::FACTORY).raw(),
    scheduler: Selector::new(slot::SCHEDULER).raw(),
    itas: 0,
    dbg_events: 0,
    first_free_capability: slot::FIRST_FREE,
    first_free_reply_capability: 0,
    utcb_area: 0,
    first_free_utcb: 0,
    capabilities: 0,
};

/// Makes `$main` the main function of a program in moe's place; see [`entry!`](crate::entry!).
#[macro_export]
macro_rules! root_entry {
    ($main:path) => {
        $crate::root::root_start!(__l4_rt_start, $crate::root::STACK_SIZE);

        extern "C" fn __l4_rt_start(_: usize) -> ! {
            // SAFETY: the first function on its stack, called once.
            unsafe { $crate::root::start(|| $crate::Termination::exit_code($main())) }
        }
    };
}
#[doc(hidden)]
pub use l4_sys::root_start;

/// Sets the runtime up, runs `main` and ends the system with what it returns.
///
/// # Safety
/// Called once, by the first function on the stack.
#[doc(hidden)]
pub unsafe fn start(main: fn() -> i32) -> ! {
    let here = 0_u8;
    // The stack ends at the end of this page.
    let top = ((&raw const here).addr() + 1).next_multiple_of(4096);
    SLOTS.start_at(slot::FIRST_FREE as usize);
    let kip = memory::kernel_info_page().unwrap_or(0);
    let bare = StackBlock::new(top, &[], &ENVIRONMENT, kip as usize);
    // SAFETY: this is the only thread.
    unsafe {
        env::initialise(bare, &PLACE);
        thread::initialise_main(bare.top);
    }
    // There is a heap now.
    let words = modules::command_line().split(|byte| byte.is_ascii_whitespace());
    let words = words.filter(|word| !word.is_empty());
    let arguments: Vec<_> = words.filter_map(|word| CString::new(word).ok()).collect();
    let arguments: Vec<_> = arguments
        .into_iter()
        .map(|word| word.into_raw().cast_const())
        .collect();
    let mut list = [CapabilityEntry::default(); 2];
    list[0].capability = ENVIRONMENT.log;
    list[0].name[..CONSOLE.len()].copy_from_slice(CONSOLE);
    list[1].flags = CapabilityEntry::END;
    let environment = Environment {
        capabilities: Box::leak(Box::new(list)).as_ptr().addr() as u64,
        ..ENVIRONMENT
    };
    let whole = StackBlock::new(
        top,
        arguments.leak(),
        Box::leak(Box::new(environment)),
        kip as usize,
    );
    // SAFETY: as above.
    unsafe { env::initialise(whole, &PLACE) };
    let me = env::main_thread();
    let _ = env::scheduler().run_thread(me, CpuSet::ALL, MAX_PRIORITY, 0);
    // Nobody but the program answers what is typed.
    let _ = env::log().set_attributes(InputFlags::ICRNL, OutputFlags::ONLCR, LocalFlags::empty());
    exit(main())
}

unsafe extern "C" {
    /// The program's ELF header, which is linked to address 0; the linker defines it.
    static __ehdr_start: u8;
}

/// Bootstrap has placed the program.
fn distance() -> usize {
    (&raw const __ehdr_start).addr()
}

/// Tells the exit code as a line of the system's own, and switches the machine off.
fn leave(code: i32) -> ! {
    // A thread that panicked may have the console's lock.
    let mut line = Line::new();
    let _ = write!(line, "@brio exit {code}");
    console::send(line.finish());
    let platform: Cap<PlatformControl> = Cap::at(slot::ICU);
    let _ = platform.shutdown(Shutdown::PowerOff);
    l4_sys::ipc::sleep_forever()
}
