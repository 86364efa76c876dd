//! The words of a vCPU's state that are the user's own (feature `more-operations`).

use super::Vcpu;

impl Vcpu {
    /// Word `index` (0 to 6) of those that are the user's own.
    #[inline]
    pub fn user_data(self, index: usize) -> u64 {
        assert!(index < 7);
        // SAFETY: as for the fields of the state.
        unsafe { (&raw const (*self.0).user_data[index]).read_volatile() }
    }

    /// Sets it.
    #[inline]
    pub fn set_user_data(self, index: usize, value: u64) {
        assert!(index < 7);
        // SAFETY: as for the fields of the state.
        unsafe { (&raw mut (*self.0).user_data[index]).write_volatile(value) }
    }
}
