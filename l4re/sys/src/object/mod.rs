//! The kernel's objects (`abi/05`), one file each.
//!
//! Servers may stand in for some of them (a scheduler with limits, a log with a tag); the messages
//! are the same, so that callers see no difference. What few programs ask of them is in `more`.

mod debugger;
mod factory;
mod icu;
mod ipc_gate;
mod irq;
mod log;
#[cfg(feature = "more-operations")]
mod more;
mod platform_control;
mod scheduler;
mod semaphore;
mod task;
mod thread;

pub use debugger::Debugger;
pub use factory::Factory;
pub use icu::Icu;
pub use ipc_gate::IpcGate;
pub use irq::Irq;
pub use log::{Log, ReadStatus};
#[cfg(feature = "more-operations")]
pub use more::{IcuInfo, Msi};
pub use platform_control::PlatformControl;
pub use scheduler::{Scheduler, SchedulerInfo};
pub use semaphore::Semaphore;
pub use task::Task;
pub use thread::{Control, Registers, Thread};
