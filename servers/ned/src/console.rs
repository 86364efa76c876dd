//! Lines of the system itself, and its end.
//!
//! Lines that begin with `@brio ` go straight to the kernel's log, each in one message: only ned,
//! moe, sigma0 and the kernel can write there.

use core::fmt::Write;

use l4_abi::protocol::platform_control::Shutdown;
use l4_rt::env::{self, MissingCapability};
use l4_sys::fatal::{Line, end_system};
use l4_sys::object::{Log, PlatformControl};
use l4_sys::{Cap, ipc};

/// The kernel's log, and the machine's power.
#[derive(Clone, Copy)]
pub struct Console {
    log: Cap<Log>,
    platform: Cap<PlatformControl>,
    /// What somebody types is echoed by the kernel, and may have begun a line.
    has_echo: bool,
}

impl Console {
    /// From the capabilities that moe gave.
    pub fn new() -> Result<Self, MissingCapability> {
        Ok(Self {
            log: env::cap("vlog")?,
            platform: env::cap("icu")?,
            has_echo: false,
        })
    }

    /// Somebody in the system has the console's input.
    pub fn expect_echo(&mut self) {
        self.has_echo = true;
    }

    /// Ends the system as its description says.
    pub fn end_system(&self, code: i32) -> ! {
        l4_rt::console::flush();
        if self.has_echo {
            let _ = self.log.write(b"\n");
        }
        let mut line = Line::new();
        let _ = write!(line, "@brio exit {code}");
        let _ = self.log.write(line.finish());
        let _ = self.platform.shutdown(Shutdown::PowerOff);
        ipc::sleep_forever()
    }

    /// Ends the system because it cannot go on.
    pub fn fail(&self, reason: &str) -> ! {
        end_system(*self.log, *self.platform, "ned", format_args!("{reason}"))
    }
}
