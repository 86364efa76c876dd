//! The end of a kernel that cannot go on: one line, a backtrace, power off.
//!
//! It is reached without any of the kernel's values; what it needs of the
//! hardware it finds in the architecture's `panic` module.

use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::arch::panic as hardware;
use crate::console::Console;
use crate::per_cpu::CpuBlock;

unsafe extern "C" {
    /// The kernel's part, see [`upcalls!`](crate::upcalls).
    fn brio_panicked(cpu: &CpuBlock);
}

/// Callers in a backtrace, at most.
const MAX_CALLERS: usize = 16;

/// Set by the first report; what goes wrong in it is not reported again.
static REPORTED: AtomicBool = AtomicBool::new(false);

/// Ends the kernel for a failed assertion. For the panic handler.
pub fn panicked(info: &PanicInfo) -> ! {
    let frame_pointer = hardware::frame_pointer();
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
pub(crate) fn fatal(reason: fmt::Arguments, first: &[u64], frame_pointer: u64) -> ! {
    if REPORTED.swap(true, Ordering::Relaxed) {
        hardware::halt();
    }
    let console = hardware::console();
    let mut output = OneLine(&console);
    // Errors cannot be reported any more.
    let _ = write!(output, "@brio panic kernel: {reason}");
    console.write(b"\r\nbacktrace kernel");
    let offset = hardware::load_offset();
    for address in first.iter().copied().chain(callers(frame_pointer)) {
        let _ = write!(output, " {:#x}", address.wrapping_sub(offset));
    }
    console.write(b"\r\n");
    if let Some(cpu) = NonNull::new(hardware::cpu_block().cast_mut()) {
        // SAFETY: the block is the first field of this CPU's data, which stays.
        // Whoever had it borrowed does not go on.
        unsafe { brio_panicked(cpu.as_ref()) };
    }
    hardware::power_off()
}

/// The return addresses of the frames from `frame_pointer` on, as long as
/// they lie on a kernel stack, one above the other.
fn callers(frame_pointer: u64) -> impl Iterator<Item = u64> {
    let mut next = frame_pointer;
    core::iter::from_fn(move || {
        if !next.is_multiple_of(8) || !hardware::is_on_stack(next) {
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
