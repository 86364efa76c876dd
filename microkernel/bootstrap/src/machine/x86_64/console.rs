//! The first serial port (16550, 115200 baud).

use core::{arch::asm, fmt};

use bootstrap::kernel_options;

const BASE: u16 = 0x3f8;
const DATA: u16 = BASE;
const INTERRUPT_ENABLE: u16 = BASE + 1;
const FIFO_CONTROL: u16 = BASE + 2;
const LINE_CONTROL: u16 = BASE + 3;
const MODEM_CONTROL: u16 = BASE + 4;
const LINE_STATUS: u16 = BASE + 5;
const TRANSMITTER_EMPTY: u8 = 1 << 5;
/// A port that is not there reads as ones and so is always ready; this is for one that hangs.
const MAX_WAITS: usize = 1_000_000;

/// Writes to the serial port.
pub(crate) struct Console;

/// The port is where it always was.
pub(crate) fn select(_: Option<&kernel_options::Console>) {}

/// 8 data bits, no parity, one stop bit, no interrupts.
pub(crate) fn initialise() {
    for (register, value) in [
        (INTERRUPT_ENABLE, 0),
        (LINE_CONTROL, 0x80),
        // Divisor 1.
        (DATA, 1),
        (INTERRUPT_ENABLE, 0),
        (LINE_CONTROL, 3),
        (FIFO_CONTROL, 7),
        (MODEM_CONTROL, 3),
    ] {
        write(register, value);
    }
}

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let _ = (0..MAX_WAITS).find(|_| read(LINE_STATUS) & TRANSMITTER_EMPTY != 0);
            write(DATA, byte);
        }
        Ok(())
    }
}

fn write(port: u16, value: u8) {
    // SAFETY: the serial port's registers have no effect on memory.
    unsafe {
        asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags))
    }
}

fn read(port: u16) -> u8 {
    let value;
    // SAFETY: as in `write`.
    unsafe {
        asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags))
    }
    value
}
