//! The end of a kernel that cannot go on: one line, a backtrace, power off.
//!
//! This is reached without any of the kernel's values, so what it needs is a
//! static: the console, and whether firmware can be called.

use core::cell::UnsafeCell;
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use super::console::Console;
use super::{psci, start};

/// Callers in a backtrace, at most.
const MAX_CALLERS: usize = 16;

struct Means {
    console: UnsafeCell<Console>,
    has_psci: AtomicBool,
}

// SAFETY: written once, by the boot CPU before other CPUs run.
unsafe impl Sync for Means {}

static MEANS: Means = Means {
    console: UnsafeCell::new(Console::NONE),
    has_psci: AtomicBool::new(false),
};

/// Says where to report to. Once, on the boot CPU before other CPUs run.
pub(super) fn prepare(console: Console, has_psci: bool) {
    // SAFETY: nobody else looks yet.
    unsafe { *MEANS.console.get() = console };
    MEANS.has_psci.store(has_psci, Ordering::Relaxed);
}

/// Ends the kernel for a failed assertion. For the panic handler.
pub(crate) fn panicked(info: &PanicInfo) -> ! {
    let frame_pointer: u64;
    // SAFETY: reads a register.
    unsafe {
        core::arch::asm!("mov {}, x29", out(reg) frame_pointer, options(nomem, nostack));
    }
    match info.location() {
        Some(location) => fatal(
            format_args!(
                "{} ({}:{})",
                info.message(),
                location.file(),
                location.line()
            ),
            &[],
            frame_pointer,
        ),
        None => fatal(format_args!("{}", info.message()), &[], frame_pointer),
    }
}

/// Ends the kernel: says why, and from where it was called; `first` are
/// instruction addresses that go before those of the frames.
pub(super) fn fatal(reason: fmt::Arguments, first: &[u64], frame_pointer: u64) -> ! {
    // SAFETY: written before anything that can fail, if at all.
    let console = unsafe { *MEANS.console.get() };
    let mut output = OneLine(&console);
    // Errors cannot be reported any more.
    let _ = write!(output, "@brio panic kernel: {reason}");
    console.write(b"\r\nbacktrace kernel");
    let base = start::load_offset();
    for &address in first {
        let _ = write!(output, " {:#x}", address.wrapping_sub(base));
    }
    for address in callers(frame_pointer) {
        let _ = write!(output, " {:#x}", address.wrapping_sub(base));
    }
    console.write(b"\r\n");
    power_off()
}

/// Turns the machine off, or at least stops this CPU.
pub(super) fn power_off() -> ! {
    if MEANS.has_psci.load(Ordering::Relaxed) {
        psci::system_off();
    }
    halt()
}

/// Resets the machine, or at least stops this CPU.
pub(super) fn reset() -> ! {
    if MEANS.has_psci.load(Ordering::Relaxed) {
        psci::system_reset();
    }
    halt()
}

fn halt() -> ! {
    loop {
        barrier!("wfi");
    }
}

/// The return addresses of the frames from `frame_pointer` on, as long as
/// they lie on a kernel stack, one above the other.
fn callers(frame_pointer: u64) -> impl Iterator<Item = u64> {
    let mut next = frame_pointer;
    core::iter::from_fn(move || {
        if !next.is_multiple_of(16) || !start::is_on_stack(next) {
            return None;
        }
        // SAFETY: on a stack, aligned; a frame record is two words.
        let [caller, address] = unsafe { *(next as *const [u64; 2]) };
        next = if caller > next { caller } else { 0 };
        (address != 0).then_some(address)
    })
    .take(MAX_CALLERS)
}

/// Writes line ends as spaces, so that the report stays one line.
struct OneLine<'a>(&'a Console);

impl Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0.write(&[if byte == b'\n' || byte == b'\r' {
                b' '
            } else {
                byte
            }]);
        }
        Ok(())
    }
}
