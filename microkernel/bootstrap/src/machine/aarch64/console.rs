//! A PL011, where the device tree says there is one. Firmware or the emulator has set it up.

use core::{
    fmt,
    ptr::{self, with_exposed_provenance_mut},
};

use bootstrap::kernel_options;

const FLAGS: u64 = 0x18;
const TRANSMITTER_FULL: u32 = 1 << 5;
/// For a transmitter that hangs.
const MAX_WAITS: usize = 1_000_000;

/// Address of the device, zero while none is known. Bootstrap has one thread.
static mut BASE: u64 = 0;

/// Writes to the serial port.
pub(crate) struct Console;

/// From now on, messages go to this device.
pub(crate) fn select(console: Option<&kernel_options::Console>) {
    // SAFETY: nobody else runs, and no reference to it is kept.
    unsafe { BASE = console.map_or(0, |console| console.uart.base) }
}

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: as in `select`.
        let base = unsafe { BASE };
        if base == 0 {
            return Ok(());
        }
        for byte in text.bytes() {
            // SAFETY: the device tree says that a PL011's registers are at `base`; they have no
            // effect on memory.
            unsafe {
                let flags = with_exposed_provenance_mut::<u32>((base + FLAGS) as usize);
                let _ = (0..MAX_WAITS).find(|_| ptr::read_volatile(flags) & TRANSMITTER_FULL == 0);
                ptr::write_volatile(
                    with_exposed_provenance_mut::<u32>(base as usize),
                    byte.into(),
                );
            }
        }
        Ok(())
    }
}
