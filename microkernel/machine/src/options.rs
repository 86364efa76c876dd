//! The kernel options block (abi/07): what the loader took from the kernel's
//! command line. The kernel's image declares one version of it.

use core::cell::UnsafeCell;

#[cfg(not(feature = "options-block-6"))]
pub use l4_abi::boot::options::OptionsV5 as Options;
#[cfg(feature = "options-block-6")]
pub use l4_abi::boot::options::OptionsV6 as Options;

/// The block in the kernel's image, which the loader fills.
#[repr(C, align(8))]
pub struct OptionsBlock(UnsafeCell<Options>);

// SAFETY: only the loader writes to it.
unsafe impl Sync for OptionsBlock {}

impl OptionsBlock {
    /// The block as it is in the image: nothing set.
    pub const fn unset() -> Self {
        Self(UnsafeCell::new(Options::UNSET))
    }

    /// What the loader set.
    pub fn read(&self) -> Options {
        // SAFETY: the loader is gone. Volatile, for it wrote behind the
        // compiler's back.
        unsafe { self.0.get().read_volatile() }
    }
}
