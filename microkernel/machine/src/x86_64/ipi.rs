//! Interrupts between CPUs.

use super::platform::Platform;

/// Interrupts CPU number `cpu`; it gets [`Source::Ipi`](crate::event::Source).
pub fn send(platform: &Platform, cpu: u32) {
    if let Some(&hardware_id) = platform.cpus().get(cpu as usize) {
        platform.chip.local.send_ipi(hardware_id as u32);
    }
}
