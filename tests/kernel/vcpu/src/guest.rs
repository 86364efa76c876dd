//! A user task with some code, and threads that run it as vCPUs.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::exception::ExceptionFrame;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags};
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::vcpu::{StateFlags, UserTask};
pub(crate) use l4_test::guest::settle;
use l4_test::memory::{PAGE, PAGE_ORDER, UNUSED, allocate, load, store};
use l4_test::own;
use l4_test::sys::object::{Task, Thread};
use l4_test::sys::vcpu::Vcpu;
use l4_test::sys::{Object, OwnedCap};

use crate::arch;

/// A piece of code for user mode: it gets its argument in the first argument register.
pub(crate) type Code = extern "C" fn();

/// Where the guest has a page of data, and an address where it has nothing.
pub(crate) const DATA: u64 = 0x50_0000;
pub(crate) const NOTHING: u64 = 0x60_0000;
/// Where the own task has nothing.
pub(crate) const ABSENT: u64 = UNUSED;
/// The guest's stack pointer: in its page of data.
pub(crate) const STACK: u64 = DATA + PAGE - 16;

/// What a resume to user mode asks for, and the states after an entry from there.
pub(crate) const USER: StateFlags = StateFlags::USER_MODE.union(StateFlags::FPU_ENABLED);
pub(crate) const AFTER: StateFlags = StateFlags::FPU_ENABLED;
pub(crate) const SAVED: StateFlags = USER.union(StateFlags::ENTRY);

/// A task with one page of data, and the code that it is to run at the address that it has here.
pub(crate) struct Guest {
    pub(crate) task: OwnedCap<Task>,
    /// The page of data in the own task.
    pub(crate) page: u64,
}

impl Guest {
    pub(crate) fn new() -> Self {
        let task = own::factory().create_task(Flexpage::NIL).unwrap();
        let page = allocate(PAGE_ORDER);
        for word in 0..PAGE / 8 {
            store(page + word * 8, 0);
        }
        let guest = Self { task, page };
        guest.map(page, DATA, MemoryRights::RW);
        guest
    }

    /// Maps a page of the own task to the guest.
    pub(crate) fn map(&self, from: u64, to: u64, rights: MemoryRights) {
        let control = ItemControl::map(to, ItemFlags::empty());
        let flexpage = Flexpage::memory(from, PAGE_ORDER, rights);
        self.task.map(own::task(), control, flexpage).unwrap();
    }

    /// Maps `code`, which may lie in two pages.
    pub(crate) fn map_code(&self, code: Code) {
        let first = code as *const () as u64 & !(PAGE - 1);
        for page in [first, first + PAGE] {
            self.map(page, page, MemoryRights::RX);
        }
    }

    pub(crate) fn user_task(&self) -> UserTask {
        UserTask::new(self.task.selector())
    }

    /// The calling thread as a vCPU that is about to run `code` in the guest.
    pub(crate) fn vcpu(&self, code: Code, argument: u64) -> Vcpu {
        let vcpu = new_vcpu();
        self.prepare(vcpu, code, argument);
        vcpu
    }

    /// Lets `vcpu` run `code` at its next resume.
    pub(crate) fn prepare(&self, vcpu: Vcpu, code: Code, argument: u64) {
        self.map_code(code);
        start(vcpu, self.user_task(), code, argument);
    }

    /// Runs `code` in a thread of its own, until something enters; what the vCPU's registers and
    /// states are then.
    pub(crate) fn run(&self, code: Code, argument: u64) -> Entry {
        self.map_code(code);
        let task = self.user_task();
        let worker = l4_test::spawn(move || {
            let vcpu = new_vcpu();
            start(vcpu, task, code, argument);
            vcpu.run(&[]).unwrap();
            Entry::of(vcpu)
        });
        worker.join()
    }

    /// Waits until a guest has written something to the start of its page of data.
    pub(crate) fn await_sign(page: u64) {
        settle(|| load(page) != 0);
    }
}

/// The next resume runs `code` in `task`.
fn start(vcpu: Vcpu, task: UserTask, code: Code, argument: u64) {
    vcpu.set_user_task(task);
    vcpu.set_saved_state(USER);
    vcpu.set_registers(user_registers(code, argument));
}

/// What spoils registers.
pub(crate) type Change = fn(&mut ExceptionFrame);

/// Runs `code` with registers that `change` has spoilt, in a vCPU that the kernel sees for the
/// first time, and in one whose task it knows, to which it goes faster.
pub(crate) fn resume_with(code: Code, change: Change) -> [ExceptionFrame; 2] {
    [false, true].map(|is_known| {
        let guest = Guest::new();
        let worker = l4_test::spawn(move || {
            let vcpu = new_vcpu();
            if is_known {
                guest.prepare(vcpu, arch::undefined, 0);
                vcpu.run(&[]).unwrap();
            }
            guest.prepare(vcpu, code, 0);
            let mut registers = vcpu.registers();
            change(&mut registers);
            vcpu.set_registers(registers);
            vcpu.run(&[]).unwrap();
            Entry::of(vcpu)
        });
        let entry = worker.join();
        entry.check_from_user();
        entry.registers
    })
}

/// What an entry leaves.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) registers: ExceptionFrame,
    pub(crate) state: StateFlags,
    pub(crate) saved_state: StateFlags,
}

impl Entry {
    pub(crate) fn of(vcpu: Vcpu) -> Self {
        Self {
            registers: vcpu.registers(),
            state: vcpu.state(),
            saved_state: vcpu.saved_state(),
        }
    }

    /// The registers in an exception message that has come.
    pub(crate) fn of_message() -> ExceptionFrame {
        ExceptionFrame::from_words(&core::array::from_fn(l4_test::message::word))
    }

    /// Checks what all entries from user mode have in common.
    pub(crate) fn check_from_user(&self) {
        assert_eq!((self.state, self.saved_state), (AFTER, SAVED));
        assert_eq!(self.registers.stack_pointer(), STACK);
    }
}

/// The registers with which `code` starts.
pub(crate) fn user_registers(code: Code, argument: u64) -> ExceptionFrame {
    arch::registers(code as *const () as u64, STACK, argument)
}

/// Makes the calling thread a vCPU.
pub(crate) fn new_vcpu() -> Vcpu {
    new_vcpu_at(kernel_user_page())
}

/// The same with its state at `address`, in a new page of kernel-user memory.
pub(crate) fn new_vcpu_at(address: u64) -> Vcpu {
    Thread::SELF.vcpu_control(address).unwrap();
    // SAFETY: a page of kernel-user memory of its own, which stays.
    unsafe { Vcpu::new(address as usize) }
}

/// A new page of kernel-user memory.
pub(crate) fn kernel_user_page() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(UNUSED + 0x1000_0000);
    let address = NEXT.fetch_add(PAGE, SeqCst);
    let area = Flexpage::memory(address, PAGE_ORDER, MemoryRights::RW);
    own::task().add_kernel_user_memory(area).unwrap();
    address
}
