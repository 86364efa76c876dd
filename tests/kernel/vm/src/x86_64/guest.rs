//! A virtual machine with four pages of memory, and vCPUs in real mode.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::arch::x86_64::vm::EFER_SVME;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags};
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::vcpu::{StateFlags, UserTask};
use l4_test::memory::{PAGE, PAGE_ORDER, UNUSED, allocate, load, store};
use l4_test::own;
use l4_test::sys::arch::vmcb::Vmcb;
use l4_test::sys::object::{Task, Thread};
use l4_test::sys::vcpu::{ExtendedVcpu, GuestEnd, Vcpu};
use l4_test::sys::{Object, OwnedCap};

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
    pub(crate) const INTERRUPT: u64 = 0x60;
    pub(crate) const VIRTUAL_INTERRUPT: u64 = 0x64;
    pub(crate) const CPUID: u64 = 0x72;
    pub(crate) const HALT: u64 = 0x78;
    pub(crate) const PORT: u64 = 0x7b;
    pub(crate) const REGISTER: u64 = 0x7c;
    pub(crate) const SHUTDOWN: u64 = 0x7f;
    pub(crate) const CALL: u64 = 0x81;
    pub(crate) const PAGE_FAULT: u64 = 0x400;
}

/// Guest-physical addresses: interrupt table, code, data, stack.
pub(crate) const CODE: u64 = 0x1000;
pub(crate) const DATA: u64 = 0x2000;
pub(crate) const STACK: u64 = 0x4000;
/// An address below 64 KiB where there is nothing.
pub(crate) const NOTHING: u64 = 0x8000;

/// What a resume to a guest asks for, and the flags after it.
pub(crate) const GUEST: StateFlags = StateFlags::USER_MODE.union(StateFlags::FPU_ENABLED);
pub(crate) const AFTER: StateFlags = StateFlags::FPU_ENABLED;

/// A virtual machine.
pub(crate) struct Machine {
    pub(crate) vm: OwnedCap<Task>,
    /// Where its memory is in the own task.
    pub(crate) memory: u64,
}

impl Machine {
    /// One that begins with `code`.
    pub(crate) fn new(code: &[u8]) -> Self {
        let vm = own::factory().create_vm().unwrap();
        let memory = allocate(PAGE_ORDER + 2);
        for word in 0..4 * PAGE / 8 {
            store(memory + word * 8, 0);
        }
        let machine = Self { vm, memory };
        machine.write(CODE, code);
        let all = Flexpage::memory(memory, PAGE_ORDER + 2, MemoryRights::RWX);
        machine.map(all, 0);
        machine
    }

    pub(crate) fn map(&self, flexpage: Flexpage, to: u64) {
        let control = ItemControl::map(to, ItemFlags::empty());
        self.vm.map(own::task(), control, flexpage).unwrap();
    }

    /// Writes to its memory.
    pub(crate) fn write(&self, address: u64, bytes: &[u8]) {
        for (address, byte) in (self.memory + address..).zip(bytes) {
            let (word, shift) = (address & !7, address % 8 * 8);
            let others = load(word) & !(0xff << shift);
            store(word, others | u64::from(*byte) << shift);
        }
    }

    /// The calling thread as a vCPU of it, at the start of its code.
    pub(crate) fn vcpu(&self) -> Guest {
        let guest = Guest::new();
        guest.vcpu.set_user_task(UserTask::new(self.vm.selector()));
        guest
    }

    /// Runs it in a thread of its own until it exits.
    pub(crate) fn run<R: 'static>(self, look: impl FnOnce(Guest) -> R + 'static) -> R {
        let worker = l4_test::spawn(move || {
            let guest = self.vcpu();
            assert_eq!(guest.run(), GuestEnd::Exit);
            look(guest)
        });
        worker.join()
    }
}

/// A vCPU.
#[derive(Clone, Copy)]
pub(crate) struct Guest {
    pub(crate) vcpu: Vcpu,
    pub(crate) vmcb: Vmcb,
}

impl Guest {
    /// The calling thread, in real mode at the start of the code.
    pub(crate) fn new() -> Self {
        let address = kernel_user_page();
        Thread::SELF.vcpu_control_extended(address).unwrap();
        // SAFETY: a page of kernel-user memory of its own, which stays.
        let extended = unsafe { ExtendedVcpu::new(address as usize) };
        let (vcpu, vmcb) = (extended.vcpu(), Vmcb::of(extended));
        vcpu.set_saved_state(GUEST);
        let guest = Self { vcpu, vmcb };
        guest.reset();
        guest
    }

    /// Real mode, flat segments.
    pub(crate) fn reset(self) {
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

    /// Runs until there is something for the VMM.
    pub(crate) fn run(self) -> GuestEnd {
        self.vcpu.run_guest(&[]).unwrap()
    }

    /// Why it has exited.
    pub(crate) fn exit(self) -> u64 {
        self.vmcb.word(at::EXIT_CODE)
    }

    /// Goes on behind an instruction of so many bytes.
    pub(crate) fn skip(self, bytes: u64) {
        self.vmcb.set_word(at::IP, self.vmcb.word(at::IP) + bytes);
    }
}

/// A new page of kernel-user memory.
pub(crate) fn kernel_user_page() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(UNUSED + 0x1000_0000);
    let address = NEXT.fetch_add(PAGE, SeqCst);
    let area = Flexpage::memory(address, PAGE_ORDER, MemoryRights::RW);
    own::task().add_kernel_user_memory(area).unwrap();
    address
}

/// Real-mode code.
pub(crate) const HALT: &[u8] = &[0xf4];
