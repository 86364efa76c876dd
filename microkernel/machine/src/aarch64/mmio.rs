//! Device registers.

/// The registers of a device, mapped at their physical address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registers {
    base: usize,
}

impl Registers {
    /// The device at `base`.
    ///
    /// # Safety
    /// All registers that are used through this value are mapped, and are
    /// those of a device that the kernel owns and that changes no kernel
    /// memory.
    pub(super) const unsafe fn new(base: u64) -> Self {
        Self {
            base: base as usize,
        }
    }

    /// Reads a 32-bit register.
    #[inline]
    pub(super) fn read(self, offset: usize) -> u32 {
        // SAFETY: promised to `new`.
        unsafe { ((self.base + offset) as *const u32).read_volatile() }
    }

    /// Writes a 32-bit register.
    #[inline]
    pub(super) fn write(self, offset: usize, value: u32) {
        // SAFETY: promised to `new`.
        unsafe { ((self.base + offset) as *mut u32).write_volatile(value) }
    }

    /// Writes an 8-bit register, which only version 2 of the GIC has.
    #[cfg(feature = "gic-v2")]
    #[inline]
    pub(super) fn write_byte(self, offset: usize, value: u8) {
        // SAFETY: promised to `new`.
        unsafe { ((self.base + offset) as *mut u8).write_volatile(value) }
    }

    /// Reads a 64-bit register.
    #[inline]
    pub(super) fn read_long(self, offset: usize) -> u64 {
        // SAFETY: promised to `new`.
        unsafe { ((self.base + offset) as *const u64).read_volatile() }
    }

    /// Writes a 64-bit register.
    #[inline]
    pub(super) fn write_long(self, offset: usize, value: u64) {
        // SAFETY: promised to `new`.
        unsafe { ((self.base + offset) as *mut u64).write_volatile(value) }
    }

    /// The registers `offset` further on.
    pub(super) const fn offset(self, offset: usize) -> Self {
        Self {
            base: self.base + offset,
        }
    }
}
