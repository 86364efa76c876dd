//! Virtio devices of servers (l4virtio, `abi/08` §9). Their interrupts are bound by the
//! [icu](crate::icu) protocol; the crate `l4-virtio` has both ends.

use l4_sys::object::{Icu, Irq};
use l4_sys::{Cap, Object, OwnedCap};

use crate::Dataspace;

l4_ipc::interface! {
    /// A virtio device.
    pub interface VirtioDevice, served by VirtioDeviceServer {
        protocol: 0,
        opcode: i32,

        /// Sets the device status; 0 resets the device. What became of it is in the configuration page.
        fn set_status(status: u32) = 0;
        /// Takes over what the configuration page says about a queue. Errors: ERANGE, EINVAL.
        fn config_queue(queue: u32) = 1;
        /// Shares `size` bytes of `dataspace` from `offset` on, under addresses from `base` on.
        fn register_dataspace(base: u64, offset: u64, size: u64, dataspace: Cap<Dataspace>) = 3;
        /// The configuration page: where it begins in which dataspace.
        fn device_config() -> (u64, OwnedCap<Dataspace>) = 4;
        /// The interrupt to trigger when there is something for the device. Error: ERANGE.
        fn device_irq(index: u32) -> OwnedCap<Irq> = 5;
    }
}

impl VirtioDevice {
    /// The device's interrupts.
    pub fn icu(&self) -> Cap<Icu> {
        Cap::new(self.selector())
    }
}
