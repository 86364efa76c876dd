//! What the test says, on the kernel's log.

use core::fmt::{self, Write};
use core::panic::PanicInfo;

use l4_abi::capability::slot;
use l4_abi::protocol::platform_control::Shutdown;
use l4_sys::Cap;
use l4_sys::fatal::{Line, end_system};
use l4_sys::ipc;
use l4_sys::object::{Log, PlatformControl};

/// Writes a line.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    let mut line = Line::new();
    // A line that is too long is cut.
    let _ = line.write_fmt(text);
    let _ = Cap::<Log>::at(slot::LOG).write(line.finish());
}

/// Ends the system well.
pub(crate) fn end() -> ! {
    line(format_args!("all checks passed"));
    line(format_args!("@brio exit 0"));
    let _ = Cap::<PlatformControl>::at(slot::ICU).shutdown(Shutdown::PowerOff);
    ipc::sleep_forever()
}

/// Ends the system with what went wrong.
pub(crate) fn fail(info: &PanicInfo<'_>) -> ! {
    let log = *Cap::<Log>::at(slot::LOG);
    let platform = *Cap::<PlatformControl>::at(slot::ICU);
    end_system(log, platform, "entry", format_args!("{}", info.message()))
}
