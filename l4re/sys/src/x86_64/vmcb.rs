//! The extended state of a vCPU whose guest runs under SVM: a virtual machine control block
//! (`abi/06` §5.1; AMD APM volume 2, appendix B).

use core::ptr;

use l4_abi::arch::x86_64::vcpu::EXTENDED_STATE_OFFSET;

use crate::vcpu::ExtendedVcpu;

/// The control block of an extended vCPU. The kernel changes it behind the program's back, so
/// every access is a volatile one.
#[derive(Clone, Copy, Debug)]
pub struct Vmcb(*mut u8);

/// Bytes of it.
pub const SIZE: usize = 0xc00;

macro_rules! accessors {
    ($($type:ty: $get:ident, $set:ident;)*) => {
        $(
            /// The field at `offset`, which is a multiple of its size.
            #[inline]
            pub fn $get(self, offset: usize) -> $type {
                // SAFETY: inside the extended state, by the contract of `ExtendedVcpu::new`; aligned.
                unsafe { self.field::<$type>(offset).read_volatile() }
            }

            /// Sets it.
            #[inline]
            pub fn $set(self, offset: usize, value: $type) {
                // SAFETY: as above; all bits are a value.
                unsafe { self.field::<$type>(offset).write_volatile(value) }
            }
        )*
    };
}

/// The time stamp counter, which is a guest's own if its control block says nothing else.
pub fn counter() -> u64 {
    // SAFETY: programs may read it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

impl Vmcb {
    /// That of `vcpu`.
    pub fn of(vcpu: ExtendedVcpu) -> Self {
        let address = vcpu.vcpu().address() as usize + EXTENDED_STATE_OFFSET;
        Self(ptr::with_exposed_provenance_mut(address))
    }

    #[inline]
    fn field<T>(self, offset: usize) -> *mut T {
        assert!(offset < SIZE && offset.is_multiple_of(size_of::<T>()));
        self.0.wrapping_add(offset).cast()
    }

    accessors! {
        u8: byte, set_byte;
        u16: half, set_half;
        u32: long, set_long;
        u64: word, set_word;
    }
}
