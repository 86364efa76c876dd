//! The extended state of a vCPU whose guest runs under VMX: a software VMCS (`abi/06` §5.2).

use l4_abi::arch::x86_64::vcpu::EXTENDED_STATE_OFFSET;
use l4_abi::arch::x86_64::vmx::{at, offset, width};

use crate::vcpu::{ExtendedVcpu, Vcpu};

/// The software VMCS of an extended vCPU. The kernel changes it behind the program's back, so every access is a
/// volatile one.
#[derive(Clone, Copy, Debug)]
pub struct Vmcs(Vcpu);

impl Vmcs {
    /// That of `vcpu`.
    pub fn of(vcpu: ExtendedVcpu) -> Self {
        Self(vcpu.vcpu())
    }

    /// The value of a field.
    pub fn get(self, field: u32) -> u64 {
        let (word, shift) = self.place(field);
        // SAFETY: as `word` says.
        unsafe { word.read_volatile() >> shift & mask(field) }
    }

    /// Sets it, for the next run.
    pub fn set(self, field: u32, value: u64) {
        let (word, shift) = self.place(field);
        let bit = offset(field);
        let changed = self.word(at::CHANGED + bit / 64 * 8);
        // SAFETY: as `word` says; the kernel writes only while the vCPU runs its guest.
        unsafe {
            let others = word.read_volatile() & !(mask(field) << shift);
            word.write_volatile(others | (value & mask(field)) << shift);
            changed.write_volatile(changed.read_volatile() | 1 << (bit % 64));
        }
    }

    /// The word that has a field, and how far up that is.
    fn place(self, field: u32) -> (*mut u64, usize) {
        let at = at::VALUES + offset(field);
        (self.word(at), at % 8 * 8)
    }

    /// The word with a byte of the software VMCS: inside the extended state, by the contract of `ExtendedVcpu::new`.
    fn word(self, at: usize) -> *mut u64 {
        assert!(at < at::END);
        self.0.extension(EXTENDED_STATE_OFFSET + at / 8 * 8).cast()
    }
}

fn mask(field: u32) -> u64 {
    u64::MAX >> (64 - width(field))
}
