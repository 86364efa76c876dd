//! The PC that a guest finds.
//!
//! With one CPU it is an old one: 8259 interrupt controllers, an 8254 timer, no APIC and no ACPI. With more it
//! has a local APIC for each CPU in x2APIC mode, timers with TSC deadlines, and four ACPI tables. Both have the
//! paravirtual clock, a serial port, and virtio devices on PCI whose registers are all I/O ports. There is
//! nothing behind addresses outside of the guest's memory.
//!
//! * [`kernel_image`]: loads a bzImage and what it needs to start.
//! * [`platform`]: the table of devices; ports and interrupt lines.
//! * [`cpuid`], [`msr`]: what a CPU says about itself.
//! * [`acpi`]: the tables.
//! * [`debug_registers`]: the one instruction whose bytes are looked at.

#[cfg(feature = "smp")]
pub mod acpi;
pub mod cpuid;
pub mod debug_registers;
pub mod devices;
pub mod kernel_image;
pub mod msr;
pub mod platform;
