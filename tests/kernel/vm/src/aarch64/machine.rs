//! A virtual machine with a page of data, and threads that run guests in it.

use l4_test::abi::arch::aarch64::exception::{class, exception_class, pstate};
use l4_test::abi::arch::aarch64::vm::Hcr;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::vcpu::{StateFlags, UserTask};
use l4_test::guest::{State, map, settle};
use l4_test::memory::{PAGE, PAGE_ORDER, allocate, load, store};
use l4_test::own;
use l4_test::sys::arch::guest::Guest;
use l4_test::sys::object::{Factory, Task};
use l4_test::sys::vcpu::{ExtendedVcpu, Vcpu};
use l4_test::sys::{Cap, Object, OwnedCap};

use super::code::{self, Code};

/// Where the machine has a page of data, and where it has nothing.
pub(crate) const DATA: u64 = 0x50_0000;
pub(crate) const NOTHING: u64 = 0x60_0000;
/// EL1 with a stack of its own, all interrupts masked.
pub(crate) const EL1: u64 = pstate::EL1H | 0xf << 6;
/// What a resume asks for.
pub(crate) const GUEST: StateFlags = StateFlags::USER_MODE
    .union(StateFlags::FPU_ENABLED)
    .union(StateFlags::ENTRY);
/// Stage 1 is off, and what is always 1.
pub(crate) const SCTLR: u32 = 0x30d0_0800;
/// The guest may use the FPU.
const CPACR: u32 = 3 << 20;

/// A virtual machine.
pub(crate) struct Machine {
    pub(crate) task: OwnedCap<Task>,
    /// The page of data in the own task.
    pub(crate) page: u64,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::made_by(own::factory())
    }

    /// One that a factory makes and pays for.
    pub(crate) fn made_by(factory: Cap<Factory>) -> Self {
        let task = factory.create_vm().unwrap();
        let page = blank_page();
        let machine = Self { task, page };
        machine.map(page, DATA, MemoryRights::RW);
        machine
    }

    /// Maps a page of the own task to the machine.
    pub(crate) fn map(&self, from: u64, to: u64, rights: MemoryRights) {
        map(*self.task, Flexpage::memory(from, PAGE_ORDER, rights), to);
    }

    /// Maps the code, and the vectors.
    pub(crate) fn map_code(&self, code: Code) {
        for start in [code as *const () as u64, code::vectors()] {
            let first = start & !(PAGE - 1);
            for page in [first, first + PAGE] {
                self.map(page, page, MemoryRights::RX);
            }
        }
    }

    /// The calling thread as a vCPU that is about to run `code` at EL1.
    pub(crate) fn vcpu(&self, code: Code, argument: u64) -> VirtualCpu {
        self.map_code(code);
        VirtualCpu::new(&self.task, code, argument)
    }
}

/// A page of zeros.
pub(crate) fn blank_page() -> u64 {
    let page = allocate(PAGE_ORDER);
    for word in 0..PAGE / 8 {
        store(page + word * 8, 0);
    }
    page
}

/// The calling thread, which runs a guest.
#[derive(Clone, Copy)]
pub(crate) struct VirtualCpu {
    pub(crate) vcpu: Vcpu,
    pub(crate) guest: Guest,
}

impl VirtualCpu {
    /// About to run `code` at EL1, in `machine`, where that is mapped already.
    pub(crate) fn new(machine: &Cap<Task>, code: Code, argument: u64) -> Self {
        Self::of(State::new().enter(), machine, code, argument)
    }

    /// The same for the thread with this state.
    pub(crate) fn of(
        extended: ExtendedVcpu,
        machine: &Cap<Task>,
        code: Code,
        argument: u64,
    ) -> Self {
        let (vcpu, guest) = (extended.vcpu(), Guest::of(extended));
        vcpu.set_user_task(UserTask::new(machine.selector()));
        vcpu.set_saved_state(GUEST);
        let mut registers = vcpu.registers();
        registers.pc = code as *const () as u64;
        registers.x[0] = argument;
        registers.pstate = EL1;
        vcpu.set_registers(registers);
        guest.set_hcr((Hcr::RW | Hcr::TWI).bits());
        guest.set_sctlr(SCTLR);
        guest.set_cpacr(CPACR);
        guest.set_timer_control(0);
        Self { vcpu, guest }
    }

    /// Runs the guest until something enters.
    pub(crate) fn run(self) -> Exit {
        self.vcpu.run(&[]).unwrap();
        let registers = self.vcpu.registers();
        Exit {
            class: exception_class(registers.error),
            syndrome: registers.error,
            pc: registers.pc,
            address: registers.fault_address,
            x: registers.x,
        }
    }

    /// The guest goes on behind the instruction that has exited.
    pub(crate) fn skip(self) {
        let mut registers = self.vcpu.registers();
        registers.pc += 4;
        self.vcpu.set_registers(registers);
        self.vcpu.set_saved_state(GUEST);
    }

    /// Runs the guest to its next `hvc`; the number of that, and its registers.
    pub(crate) fn run_to_call(self) -> (u64, [u64; 31]) {
        let exit = self.run();
        assert_eq!(exit.class, class::HVC64, "{exit:x?}");
        self.skip();
        (exit.immediate(), exit.x)
    }

    /// Sets a general register.
    pub(crate) fn set(self, register: usize, value: u64) {
        let mut registers = self.vcpu.registers();
        registers.x[register] = value;
        self.vcpu.set_registers(registers);
    }
}

/// Why a guest was left.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) class: u64,
    pub(crate) syndrome: u64,
    pub(crate) pc: u64,
    pub(crate) address: u64,
    pub(crate) x: [u64; 31],
}

impl Exit {
    /// The number in a call, or of a virtual interrupt.
    pub(crate) fn immediate(&self) -> u64 {
        self.syndrome & 0xffff
    }
}

/// Waits until a guest has written something to the start of its page of data.
pub(crate) fn await_sign(page: u64) {
    settle(|| load(page) != 0);
}
