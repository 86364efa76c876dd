//! Threads in each state in which they can be destroyed, cancelled or moved.

use l4_abi::flexpage::{Flexpage, PAGE_ORDER, PAGE_SIZE};
use l4_abi::item::{ItemControl, ItemFlags};
use l4_abi::rights::MemoryRights;
use l4_abi::vcpu::{StateFlags, UserTask};
use l4_sys::object::{Control, Semaphore, Task, Thread};
use l4_sys::vcpu::Vcpu;
use l4_sys::{Cap, Object, OwnedCap, Selector, ipc};

use crate::memory::{UNUSED, load};
use crate::message::{Message, wait};
use crate::worker::{Worker, spawn_on};
use crate::{arch, own};

/// Where nothing is ever mapped.
const NOTHING: u64 = UNUSED + (1 << 29);

/// What a thread does, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Running,
    /// It sends to somebody who does not receive.
    Sending,
    /// It calls somebody who receives, but does not answer.
    Calling,
    /// It waits for anybody.
    Receiving,
    /// It sleeps, and has the right to answer who has called it.
    Holding,
    /// It has raised a page fault, and its pager does not hear of it.
    Faulting,
    /// It has raised an exception, and its handler does not hear of it.
    Raising,
    /// Its timeouts expire again and again.
    Sleeping,
    /// It waits for a semaphore.
    Down,
    /// It is a vCPU in user mode.
    UserMode,
}

/// All of them.
pub const STATES: [State; 10] = [
    State::Running,
    State::Sending,
    State::Calling,
    State::Receiving,
    State::Holding,
    State::Faulting,
    State::Raising,
    State::Sleeping,
    State::Down,
    State::UserMode,
];

/// What the states need. Everything can be used by many, one after the other; the page for the vCPU by
/// one at a time.
pub struct Surroundings {
    /// Never receives.
    pub deaf: Worker<()>,
    /// Receives, and does not answer.
    silent: Worker<()>,
    semaphore: OwnedCap<Semaphore>,
    user_task: OwnedCap<Task>,
    vcpu_state: u64,
}

impl Surroundings {
    /// With the page of kernel-user memory at `vcpu_state`, for one vCPU after the other.
    pub fn new(vcpu_state: u64) -> Self {
        let user_task = (own::factory().create_task(Flexpage::NIL)).expect("cannot make a task");
        let code = arch::spin as *const () as u64 & !(PAGE_SIZE - 1);
        for page in [code, code + PAGE_SIZE] {
            let control = ItemControl::map(page, ItemFlags::empty());
            let flexpage = Flexpage::memory(page, PAGE_ORDER, MemoryRights::RX);
            (user_task.map(own::task(), control, flexpage)).expect("cannot map code");
        }
        Self {
            deaf: spawn_on(0, || ipc::sleep_forever()),
            silent: spawn_on(0, || {
                loop {
                    wait();
                }
            }),
            semaphore: (own::factory().create_semaphore()).expect("cannot make a semaphore"),
            user_task,
            vcpu_state,
        }
    }

    /// A thread on CPU `cpu` that is in this state soon.
    pub fn spawn(&self, state: State, cpu: u32) -> Worker<()> {
        let deaf = self.deaf.thread();
        match state {
            State::Running => spawn_on(cpu, || {
                loop {
                    core::hint::spin_loop();
                }
            }),
            State::Sending => spawn_on(cpu, move || {
                Message::new(0).words(&[1, 2, 3]).send(*deaf);
            }),
            State::Calling => {
                let silent = self.silent.thread();
                spawn_on(cpu, move || {
                    Message::new(0).words(&[1]).call(*silent);
                })
            }
            State::Receiving => spawn_on(cpu, || {
                wait();
            }),
            State::Holding => spawn_on(cpu, || {
                wait();
                ipc::sleep_forever()
            }),
            State::Faulting => with_handler(cpu, deaf, || {
                load(NOTHING);
            }),
            // SAFETY: it raises an exception that nobody answers.
            State::Raising => with_handler(cpu, deaf, || unsafe { arch::undefined() }),
            State::Sleeping => spawn_on(cpu, || {
                loop {
                    ipc::sleep(core::time::Duration::from_micros(70));
                }
            }),
            State::Down => {
                let semaphore = self.semaphore.as_cap();
                spawn_on(cpu, move || {
                    let _ = semaphore.down(l4_abi::timeout::Timeout::NEVER);
                })
            }
            State::UserMode => {
                let (task, state) = (self.user_task.selector(), self.vcpu_state);
                spawn_on(cpu, move || run_user_mode(task, state))
            }
        }
    }
}

fn with_handler(cpu: u32, handler: Cap<Thread>, body: fn()) -> Worker<()> {
    spawn_on(cpu, move || {
        let handler = Some(handler.selector());
        let control = Control {
            pager: handler,
            exception_handler: handler,
            ..Control::default()
        };
        Thread::SELF
            .control(control)
            .expect("cannot set the handlers");
        body();
    })
}

/// As a vCPU; whatever enters, it goes back.
fn run_user_mode(task: Selector, state: u64) {
    Thread::SELF
        .vcpu_control(state)
        .expect("cannot become a vCPU");
    // SAFETY: a page of kernel-user memory that stays; the last vCPU that used it is gone.
    let vcpu = unsafe { Vcpu::new(state as usize) };
    vcpu.set_registers(arch::user_registers(arch::spin as *const () as u64));
    loop {
        vcpu.set_user_task(UserTask::new(task));
        vcpu.set_saved_state(StateFlags::USER_MODE | StateFlags::IRQ);
        vcpu.run(&[]).expect("cannot resume");
    }
}
