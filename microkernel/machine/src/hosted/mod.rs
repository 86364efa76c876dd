//! A machine that lives in a test process: the same surface as the real
//! ones, over plain values that a test can look at and set.
//!
//! A thread of the test is a CPU. What a real machine does to hardware, this
//! one records: deadlines in [`timer::Timer`], what is forgotten in [`tlb`],
//! output in [`console::Console`], pins in [`irqchip::IrqChip`].

pub mod boot;
pub mod console;
pub mod context;
pub(crate) mod copy;
pub mod cpu;
pub mod entry_format;
pub mod fpu;
pub mod inspect;
pub mod ipi;
pub mod irqchip;
#[cfg(not(loom))]
pub mod meanwhile;
mod memory;
pub mod paging;
pub mod platform;
pub mod ports;
pub mod syscall;
pub mod timer;
pub mod tlb;
pub mod trap;
pub(crate) mod vcpu;
pub mod vm;

// What of a real machine is pure enough for a host to test.
#[cfg(all(test, loom))]
mod aarch64;
#[cfg(test)]
#[path = "../aarch64/processor_state.rs"]
mod aarch64_processor_state;
#[cfg(test)]
#[path = "../aarch64/scaler.rs"]
#[allow(dead_code, reason = "for the machine itself")]
mod aarch64_scaler;
#[cfg(test)]
#[path = "../aarch64/syndrome.rs"]
mod aarch64_syndrome;
#[cfg(test)]
mod descriptors;
#[cfg(test)]
mod invalidate;
#[cfg(all(test, not(loom)))]
mod window;
#[cfg(all(test, not(loom)))]
#[path = "../x86_64/acpi.rs"]
#[allow(dead_code, reason = "for the machine itself")]
mod x86_64_acpi;
#[cfg(test)]
#[path = "../x86_64/clock_offset.rs"]
mod x86_64_clock_offset;
#[cfg(test)]
#[path = "../x86_64/port_bitmap.rs"]
mod x86_64_port_bitmap;
#[cfg(test)]
#[path = "../x86_64/tlb.rs"]
#[allow(
    unreachable_pub,
    dead_code,
    reason = "public on the machine that it is for"
)]
mod x86_64_tlb;
#[cfg(test)]
#[path = "../x86_64/svm/vmcb.rs"]
mod x86_64_vmcb;
