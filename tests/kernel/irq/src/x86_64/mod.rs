//! The device: a timer of the HPET (IA-PC HPET specification 1.0a, §2.3).

use l4_test::abi::protocol::icu::Mode;
use l4_test::memory::{PAGE_ORDER, load, map_device, store};

/// Input of the I/O APIC that the timer is routed to.
pub(crate) const PIN: u64 = 20;
/// Whether pins can be low or falling. (What the pin does then the emulator leaves out.)
pub(crate) const HAS_LOW_PINS: bool = true;

const HPET: u64 = 0xfed0_0000;
const CONFIGURATION: u64 = HPET + 0x10;
const STATUS: u64 = HPET + 0x20;
const COUNTER: u64 = HPET + 0xf0;
const TIMER: u64 = 1;
const TIMER_CONFIGURATION: u64 = HPET + 0x100 + 0x20 * TIMER;
const COMPARATOR: u64 = TIMER_CONFIGURATION + 8;
/// What the timer writes, and above it where to.
const MESSAGE: u64 = TIMER_CONFIGURATION + 16;

const ENABLE: u64 = 1;
const TIMER_LEVEL: u64 = 1 << 1;
const TIMER_ENABLE: u64 = 1 << 2;
const TIMER_ROUTE_SHIFT: u32 = 9;
const TIMER_MESSAGE: u64 = 1 << 14;
const TIMER_HAS_MESSAGE: u64 = 1 << 15;
/// Counts until the interrupt; the counter runs at 10 MHz or more.
const SOON: u64 = 1000;

/// Routes the timer to the pin.
pub(crate) fn prepare(mode: Mode) {
    map_device(HPET, PAGE_ORDER);
    let level = if mode == Mode::LEVEL_HIGH {
        TIMER_LEVEL
    } else {
        0
    };
    store(CONFIGURATION, 0);
    store(COMPARATOR, u64::MAX);
    store(
        TIMER_CONFIGURATION,
        PIN << TIMER_ROUTE_SHIFT | TIMER_ENABLE | level,
    );
    store(CONFIGURATION, ENABLE);
}

/// Lets the timer send this message.
pub(crate) fn prepare_message(address: u64, data: u64) {
    map_device(HPET, PAGE_ORDER);
    assert!(load(TIMER_CONFIGURATION) & TIMER_HAS_MESSAGE != 0);
    store(CONFIGURATION, 0);
    store(COMPARATOR, u64::MAX);
    store(MESSAGE, address << 32 | data);
    store(TIMER_CONFIGURATION, TIMER_MESSAGE | TIMER_ENABLE);
    store(CONFIGURATION, ENABLE);
}

/// A message with a vector that the kernel gives to nobody.
pub(crate) fn other_message(data: u64) -> u64 {
    data & !0xff | 0xf5
}

/// Sends the message.
pub(crate) fn send_message(_: u64, _: u64) {
    raise();
}

/// Makes the timer interrupt now.
pub(crate) fn raise() {
    store(COMPARATOR, load(COUNTER) + SOON);
}

/// Takes the interrupt back.
pub(crate) fn clear() {
    store(STATUS, 1 << TIMER);
}
