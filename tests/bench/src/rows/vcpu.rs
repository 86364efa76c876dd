//! A vCPU that goes to its user mode, which is in another task, and comes back.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use core::time::Duration;

use l4_test::abi::timeout::TimeoutPair;
use l4_test::abi::vcpu::{StateFlags, UserTask};
use l4_test::own;
use l4_test::sys::object::{Irq, Thread};
use l4_test::sys::vcpu::Vcpu;
use l4_test::sys::{Cap, Object, ipc};

use super::OPERATIONS;
use crate::measure::{between, row, stagger};
use crate::partner::{Place, Stack};
use crate::{PRIORITY, arch};

static STACK: Stack = Stack::new();
/// The counter when the last interrupt had entered.
static ENTERED: AtomicU64 = AtomicU64::new(0);
/// What the thread that waits in its user mode has to know.
static WAITING: AtomicU64 = AtomicU64::new(0);
static USER_TASK: AtomicU64 = AtomicU64::new(0);

/// The thread that measures as a vCPU, and another one that waits in its user mode.
pub(crate) struct Rows {
    vcpu: Vcpu,
    irq: Cap<Irq>,
}

impl Rows {
    pub(crate) fn new(own: &mut Place, other: &Place) -> Self {
        USER_TASK.store(other.task.selector().raw(), SeqCst);
        let vcpu = make(own::thread(), own.new_utcb());
        let state = own.new_utcb();
        WAITING.store(state, SeqCst);
        let waiting = own.start(PRIORITY - 1, &STACK, wait).leak();
        make(waiting, state);
        let irq = own::factory()
            .create_irq()
            .expect("cannot make an interrupt")
            .leak();
        irq.bind_thread(waiting, 0x40).expect("cannot bind");
        Self { vcpu, irq }
    }

    pub(crate) fn measure(&self, crowd: usize) {
        // The guest has had another state for this thread.
        own::thread()
            .vcpu_control(self.vcpu.address())
            .expect("cannot make a vCPU");
        let task = UserTask::from_raw(USER_TASK.load(SeqCst));
        self.vcpu.set_user_task(task);
        row("vcpu-resume", crowd, OPERATIONS, || {
            self.round_trips(|[start, inside, _]| between(start, inside))
        });
        row("vcpu-system-call", crowd, OPERATIONS, || {
            self.round_trips(|[_, inside, end]| between(inside, end))
        });
        arch::load_selectors();
        row("vcpu-irq", crowd, OPERATIONS, || {
            let mut ticks = 0;
            for round in 0..OPERATIONS {
                // It goes to its user mode meanwhile.
                ipc::sleep(Duration::from_micros(20));
                stagger(round);
                let start = arch::counter();
                self.irq.trigger().expect("cannot trigger");
                ipc::wait(TimeoutPair::NEVER).expect("the vCPU does not answer");
                ticks += between(start, ENTERED.load(SeqCst));
            }
            ticks
        });
    }

    /// The sum of a part of each round trip, which `part` tells.
    #[inline(always)]
    fn round_trips(&self, part: impl Fn([u64; 3]) -> u64) -> u64 {
        (0..OPERATIONS)
            .map(|round| part(self.round_trip(round)))
            .sum()
    }

    /// To user mode and back, by a system call; the counter at the start, inside, and at the end. An
    /// entry leaves no registers, so if this were not a function of its own, the loop would load
    /// what it needs anew, and be measured with it.
    #[inline(never)]
    fn round_trip(&self, round: usize) -> [u64; 3] {
        self.vcpu.set_saved_state(USER);
        self.vcpu
            .set_registers(arch::user_registers(arch::user_mode));
        stagger(round);
        let start = arch::counter();
        let result = self.vcpu.run(&[]);
        let end = arch::counter();
        result.expect("the vCPU does not run");
        let inside = arch::user_counter(&self.vcpu.registers());
        [start, inside, end]
    }
}

/// With interrupts, so that one enters that came before user mode.
const USER: StateFlags = StateFlags::USER_MODE
    .union(StateFlags::FPU_ENABLED)
    .union(StateFlags::IRQ);

/// Makes `thread` a vCPU.
fn make(thread: Cap<Thread>, address: u64) -> Vcpu {
    thread.vcpu_control(address).expect("cannot make a vCPU");
    // SAFETY: kernel-user memory of its own, which stays.
    let vcpu = unsafe { Vcpu::new(address as usize) };
    let task = UserTask::from_raw(USER_TASK.load(SeqCst));
    vcpu.set_user_task(task);
    vcpu.set_saved_state(USER);
    vcpu.set_registers(arch::user_registers(arch::spin));
    vcpu
}

/// Is in user mode until an interrupt enters, and tells the thread that measures.
extern "C" fn wait(_: u64) -> ! {
    // SAFETY: as in `make`.
    let vcpu = unsafe { Vcpu::new(WAITING.load(SeqCst) as usize) };
    loop {
        vcpu.run(&[]).expect("the vCPU does not run");
        ENTERED.store(arch::counter(), SeqCst);
        // The flags that user mode forced on are on again after it.
        vcpu.set_saved_state(USER);
        ipc::send(
            own::thread().selector(),
            l4_test::abi::message_tag::MessageTag::EMPTY,
            TimeoutPair::NEVER,
        )
        .expect("nobody waits for the vCPU");
    }
}
