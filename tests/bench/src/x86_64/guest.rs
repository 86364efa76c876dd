//! A guest under SVM, in real mode, that executes CPUID again and again.

use l4_test::abi::arch::x86_64::vm::{EFER_SVME, UNCHANGED_SAVE_AREA};
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::vcpu::{StateFlags, UserTask};
use l4_test::guest::{CODE, State, map};
use l4_test::memory::{PAGE_ORDER, allocate, store};
use l4_test::own;
use l4_test::sys::arch::vmcb::Vmcb;
use l4_test::sys::object::Task;
use l4_test::sys::vcpu::{GuestEnd, Vcpu};
use l4_test::sys::{Cap, Object};

const CPUID: u64 = 0xa20f;
/// Fields of the control block (AMD APM volume 2, appendix B).
const INTERCEPT_CPUID: (usize, u64) = (0x08, 1 << (32 + 18));
const NESTED_PAGING: (usize, u64) = (0x90, 1);
const CODE_SEGMENT: (usize, u64) = (0x410, 0xffff << 32 | 0x9b << 16);
const STACK_SEGMENT: (usize, u64) = (0x420, 0xffff << 32 | 0x93 << 16);
const UNCHANGED: (usize, u64) = (0xc0, UNCHANGED_SAVE_AREA | 0xffff);
const EFER: (usize, u64) = (0x4d0, EFER_SVME);
const CR0: (usize, u64) = (0x558, 0x10);
const DR7: (usize, u64) = (0x560, 0x400);
const DR6: (usize, u64) = (0x568, 0xffff_0ff0);
const FLAGS: (usize, u64) = (0x570, 2);
const INSTRUCTION: (usize, u64) = (0x578, CODE);
const PAGE_ATTRIBUTES: (usize, u64) = (0x668, 0x0007_0406_0007_0406);

/// The guest.
pub(crate) struct Guest {
    vm: Cap<Task>,
    vcpu: Vcpu,
    state: State,
}

impl Guest {
    /// One for the calling thread. None, if the machine has no virtual machines, or by VMX.
    pub(crate) fn new() -> Option<Self> {
        const HAS_SVM: u32 = 1 << 2;
        let has_svm = core::arch::x86_64::__cpuid(0x8000_0001).ecx & HAS_SVM != 0;
        let vm = (own::factory().create_vm().ok()).filter(|_| has_svm)?;
        let page = allocate(PAGE_ORDER);
        store(page, CPUID);
        let flexpage = Flexpage::memory(page, PAGE_ORDER, MemoryRights::RX);
        map(*vm, flexpage, CODE);
        let state = State::new();
        let extended = state.enter();
        let vcpu = extended.vcpu();
        vcpu.set_saved_state(StateFlags::USER_MODE | StateFlags::FPU_ENABLED);
        let block = Vmcb::of(extended);
        for (offset, value) in [
            INTERCEPT_CPUID,
            UNCHANGED,
            NESTED_PAGING,
            CODE_SEGMENT,
            STACK_SEGMENT,
            EFER,
            CR0,
            DR7,
            DR6,
            FLAGS,
            INSTRUCTION,
            PAGE_ATTRIBUTES,
        ] {
            block.set_word(offset, value);
        }
        let vm = vm.leak();
        Some(Self { vm, vcpu, state })
    }

    /// Makes the calling thread its vCPU.
    pub(crate) fn prepare(&self) {
        self.state.enter();
        self.vcpu.set_user_task(UserTask::new(self.vm.selector()));
    }

    /// Runs it until it exits.
    /// A VMM that does nothing changes nothing.
    #[inline(always)]
    pub(crate) fn run(&self) {
        assert_eq!(self.vcpu.run_guest(&[]), Ok(GuestEnd::Exit));
    }
}
