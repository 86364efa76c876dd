//! The device: the real-time clock (ARM PL031 TRM, §3.3), whose alarm is due when it is set.

use l4_test::abi::protocol::icu::Mode;
use l4_test::memory::{PAGE_ORDER, map_device};

/// Its interrupt: SPI 2 of QEMU's `virt` machine.
pub(crate) const PIN: u64 = 34;
/// Whether pins can be low or falling.
pub(crate) const HAS_LOW_PINS: bool = false;

const CLOCK: u64 = 0x0901_0000;
const DATA: u64 = CLOCK;
const MATCH: u64 = CLOCK + 0x04;
const MASK: u64 = CLOCK + 0x10;
const STATUS: u64 = CLOCK + 0x14;
const CLEAR: u64 = CLOCK + 0x1c;

/// Lets us use the clock.
pub(crate) fn prepare(_: Mode) {
    map_device(CLOCK, PAGE_ORDER);
}

/// Makes the alarm interrupt now, once. An alarm for a second that has passed when it is set is not due: it is let
/// through when one is.
pub(crate) fn raise() {
    write(MASK, 0);
    while read(STATUS) == 0 {
        write(MATCH, read(DATA));
    }
    write(MASK, 1);
}

/// Takes the interrupt back.
pub(crate) fn clear() {
    write(CLEAR, 1);
}

/// Lets us send this message: any write does.
pub(crate) fn prepare_message(address: u64, _: u64) {
    map_device(address & !0xfff, PAGE_ORDER);
}

/// All that can be sent are somebody's.
pub(crate) fn other_message(data: u64) -> u64 {
    data
}

/// Sends the message.
pub(crate) fn send_message(address: u64, data: u64) {
    write(address, data as u32);
}

fn read(register: u64) -> u32 {
    // SAFETY: the device is mapped; its registers are 32 bits wide and no Rust objects.
    unsafe { (register as *const u32).read_volatile() }
}

fn write(register: u64, value: u32) {
    // SAFETY: as for `read`.
    unsafe { (register as *mut u32).write_volatile(value) }
}
