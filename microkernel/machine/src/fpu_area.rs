//! Where a thread's FPU registers are while another thread's are loaded.

use core::ptr::NonNull;

use crate::arch::fpu;
use crate::memory::Storage;
use crate::per_cpu::CpuBlock;

/// The FPU registers of one thread, in kernel memory.
#[must_use]
pub struct FpuArea(Storage);

impl FpuArea {
    /// The bytes that one takes.
    pub fn size() -> usize {
        fpu::area_size()
    }

    /// The registers of a fresh thread, in `storage`, which is large enough.
    pub fn new(storage: Storage) -> Self {
        assert!(storage.size() >= fpu::area_size());
        let area = Self(storage);
        // SAFETY: it is large enough, aligned as storage is, and ours.
        unsafe { fpu::initialise(area.pointer()) };
        area
    }

    fn pointer(&self) -> NonNull<u8> {
        self.0.pointer()
    }

    /// Takes the registers out of the FPU, which is enabled.
    pub fn save(&mut self, cpu: &CpuBlock) {
        debug_assert!(fpu::is_enabled(cpu));
        // SAFETY: as in `new`.
        unsafe { fpu::save(self.pointer()) };
    }

    /// Puts the registers into the FPU, which is enabled.
    pub fn restore(&self, cpu: &CpuBlock) {
        debug_assert!(fpu::is_enabled(cpu));
        // SAFETY: as in `new`, which wrote a state.
        unsafe { fpu::restore(self.pointer()) };
    }

    /// Becomes the state of a fresh thread again.
    pub fn reset(&mut self) {
        // SAFETY: as in `new`.
        unsafe { fpu::initialise(self.pointer()) };
    }

    /// Becomes a copy of `other`.
    pub fn copy_from(&mut self, other: &Self) {
        // SAFETY: both are areas of that size, and two different ones.
        unsafe {
            self.pointer()
                .copy_from_nonoverlapping(other.pointer(), fpu::area_size());
        }
    }

    /// Gives the memory back.
    pub fn into_storage(self) -> Storage {
        self.0
    }
}
