//! vCPUs under SVM, in real mode.

use l4_test::abi::arch::x86_64::vm::EFER_SVME;
pub(crate) use l4_test::arch::guest::HALT;
use l4_test::arch::guest::Pc;
use l4_test::guest::{self, CODE, GUEST, STACK, State};
use l4_test::sys::arch::vmcb::Vmcb;
use l4_test::sys::vcpu::Vcpu;

/// Offsets in the VMCB (AMD APM volume 2, appendix B).
pub(crate) mod at {
    pub(crate) const EXCEPTIONS: usize = 0x08;
    pub(crate) const INSTRUCTIONS_0: usize = 0x0c;
    pub(crate) const INSTRUCTIONS_1: usize = 0x10;
    pub(crate) const INTERRUPT_CONTROL: usize = 0x60;
    pub(crate) const INTERRUPT_VECTOR: usize = 0x64;
    pub(crate) const EXIT_CODE: usize = 0x70;
    pub(crate) const EXIT_INFO_1: usize = 0x78;
    pub(crate) const EXIT_INFO_2: usize = 0x80;
    pub(crate) const NESTED_PAGING: usize = 0x90;
    pub(crate) const EVENT: usize = 0xa8;
    pub(crate) const SEGMENTS: usize = 0x400;
    pub(crate) const EFER: usize = 0x4d0;
    pub(crate) const CR4: usize = 0x548;
    pub(crate) const CR0: usize = 0x558;
    pub(crate) const DR7: usize = 0x560;
    pub(crate) const DR6: usize = 0x568;
    pub(crate) const FLAGS: usize = 0x570;
    pub(crate) const IP: usize = 0x578;
    pub(crate) const SP: usize = 0x5d8;
    pub(crate) const AX: usize = 0x5f8;
    pub(crate) const STAR: usize = 0x600;
    pub(crate) const PAGE_ATTRIBUTES: usize = 0x668;
}

/// Exit codes.
pub(crate) mod exit {
    pub(crate) const VIRTUAL_INTERRUPT: u64 = 0x64;
    pub(crate) const CPUID: u64 = 0x72;
    pub(crate) const HALT: u64 = 0x78;
    pub(crate) const PORT: u64 = 0x7b;
    pub(crate) const REGISTER: u64 = 0x7c;
    pub(crate) const SHUTDOWN: u64 = 0x7f;
    pub(crate) const CALL: u64 = 0x81;
    pub(crate) const PAGE_FAULT: u64 = 0x400;
}

/// A virtual machine under SVM.
pub(crate) type Machine = l4_test::guest::Machine<Guest>;

/// A vCPU.
#[derive(Clone, Copy)]
pub(crate) struct Guest {
    pub(crate) vcpu: Vcpu,
    pub(crate) vmcb: Vmcb,
}

impl guest::Guest for Guest {
    /// In real mode at the start of the code.
    fn new() -> Self {
        let extended = State::new().enter();
        let (vcpu, vmcb) = (extended.vcpu(), Vmcb::of(extended));
        vcpu.set_saved_state(GUEST);
        let guest = Self { vcpu, vmcb };
        guest.reset();
        guest
    }

    fn vcpu(self) -> Vcpu {
        self.vcpu
    }

    /// Real mode, flat segments.
    fn reset(self) {
        let vmcb = self.vmcb;
        vmcb.set_word(at::NESTED_PAGING, 1);
        for segment in 0..10 {
            let offset = at::SEGMENTS + segment * 16;
            let attributes = match segment {
                1 => 0x9b,
                7 => 0x82,
                9 => 0x8b,
                _ => 0x93,
            };
            vmcb.set_word(offset, attributes << 16 | 0xffff << 32);
            vmcb.set_word(offset + 8, 0);
        }
        vmcb.set_word(at::EFER, EFER_SVME);
        vmcb.set_word(at::CR0, 0x10);
        vmcb.set_word(at::CR4, 0);
        vmcb.set_word(at::DR6, 0xffff_0ff0);
        vmcb.set_word(at::DR7, 0x400);
        vmcb.set_word(at::FLAGS, 2);
        vmcb.set_word(at::IP, CODE);
        vmcb.set_word(at::SP, STACK);
        vmcb.set_word(at::PAGE_ATTRIBUTES, 0x0007_0406_0007_0406);
    }

    fn exit(self) -> u64 {
        self.vmcb.word(at::EXIT_CODE)
    }
}

impl Pc for Guest {
    const INTERRUPT: u64 = 0x60;
    const HALTED: u64 = exit::HALT;
    const PAGE_FAULT: u64 = exit::PAGE_FAULT;

    fn go_to(self, address: u64) {
        self.vmcb.set_word(at::IP, address);
    }

    fn flags(self) -> u64 {
        self.vmcb.word(at::FLAGS)
    }

    fn missing(self) -> u64 {
        self.vmcb.word(at::EXIT_INFO_2)
    }

    fn ax(self) -> u64 {
        self.vmcb.word(at::AX)
    }
}

impl Guest {
    /// Goes on behind an instruction of so many bytes.
    pub(crate) fn skip(self, bytes: u64) {
        self.vmcb.set_word(at::IP, self.vmcb.word(at::IP) + bytes);
    }
}
