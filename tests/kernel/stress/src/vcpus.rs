//! A vCPU whose user mode makes system calls, while messages come.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::Message;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags};
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::timeout::Timeout;
use l4_test::abi::vcpu::{StateFlags, UserTask};
use l4_test::memory::{PAGE, PAGE_ORDER, UNUSED};
use l4_test::own;
use l4_test::sys::object::Thread;
use l4_test::sys::vcpu::Vcpu;
use l4_test::sys::{Cap, Object, ipc};
use l4_test::worker::current;

use crate::actor::{Actor, Role};
use crate::arch;

pub(crate) const ROLES: &[Role] = &[
    Role {
        name: "vCPU",
        body: run,
        serves: true,
    },
    Role {
        name: "sender to the vCPU",
        body: send,
        serves: false,
    },
];

/// Where its state is.
const STATE: u64 = UNUSED + (1 << 28);
/// Its slot.
static VCPU: AtomicU64 = AtomicU64::new(0);

pub(crate) fn prepare() {
    let area = Flexpage::memory(STATE, PAGE_ORDER, MemoryRights::RW);
    own::task().add_kernel_user_memory(area).unwrap();
}

fn run(actor: &Actor) {
    let task = own::factory().create_task(Flexpage::NIL).unwrap();
    let code = arch::system_call as *const () as u64;
    for page in [code & !(PAGE - 1), (code & !(PAGE - 1)) + PAGE] {
        let control = ItemControl::map(page, ItemFlags::empty());
        let flexpage = Flexpage::memory(page, PAGE_ORDER, MemoryRights::RX);
        task.map(own::task(), control, flexpage).unwrap();
    }
    Thread::SELF.vcpu_control(STATE).unwrap();
    // SAFETY: a page of kernel-user memory that stays; one vCPU at a time uses it.
    let vcpu = unsafe { Vcpu::new(STATE as usize) };
    VCPU.store(current().selector().index(), SeqCst);
    let mut number = 0;
    while actor.goes_on() {
        number += 1;
        vcpu.set_user_task(UserTask::new(task.selector()));
        vcpu.set_saved_state(StateFlags::USER_MODE);
        vcpu.set_registers(arch::registers(code, number));
        vcpu.run(&[]).unwrap();
        let registers = vcpu.registers();
        assert_eq!(arch::value(&registers), number);
        assert!(
            arch::is_system_call(&registers) || arch::is_message(&registers),
            "{registers:x?}"
        );
        actor.step();
    }
    VCPU.store(0, SeqCst);
}

fn send(actor: &Actor) {
    let patience = Timeout::from_micros(2000);
    let mut random = actor.random();
    while actor.goes_on() {
        let slot = VCPU.load(SeqCst);
        if slot == 0 {
            ipc::yield_now();
            continue;
        }
        let message = Message::new(1).words(&[1, 2]).send_timeout(patience);
        if message.send(*Cap::<Thread>::at(slot)).came() {
            actor.step();
        }
        random.delay();
    }
}
