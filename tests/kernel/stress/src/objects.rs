//! Objects and mappings that come and go, at the cost of a quota that only suffices if all is given
//! back.

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::rights::CapabilityRights;
use l4_test::own;
use l4_test::sys::object::Thread;
use l4_test::sys::{Cap, Object};

use crate::actor::{Actor, Role};

pub(crate) const ROLES: &[Role] = &[
    Role {
        name: "maker",
        body: make,
        serves: false,
    },
    Role {
        name: "other maker",
        body: make,
        serves: false,
    },
    Role {
        name: "giver of capabilities",
        body: give,
        serves: false,
    },
];

const QUOTA: u64 = 64 << 10;

fn make(actor: &Actor) {
    let factory = own::factory().create_factory(QUOTA).unwrap();
    while actor.goes_on() {
        let task = factory.create_task(Flexpage::NIL).unwrap();
        let thread = factory.create_thread().unwrap();
        let gate = factory.create_gate(thread.as_cap(), 0x10).unwrap();
        let irq = factory.create_irq().unwrap();
        irq.bind_thread(thread.as_cap(), 1).unwrap();
        irq.trigger().unwrap();
        task.map_capability(gate.as_cap(), 7, CapabilityRights::RWS)
            .unwrap();
        // The gate goes before its thread, and the task takes a capability along.
        drop(gate);
        drop(thread);
        drop(task);
        drop(factory.create_factory(4096).unwrap());
        drop(irq);
        actor.step();
    }
}

fn give(actor: &Actor) {
    let task = own::factory().create_task(Flexpage::NIL).unwrap();
    let mut random = actor.random();
    while actor.goes_on() {
        let slot = random.below(1000);
        task.map_capability(own::thread(), slot, CapabilityRights::RWS)
            .unwrap();
        let given = Cap::<Thread>::at(slot);
        assert_eq!(task.is_valid(given), Ok(true));
        task.release(given.selector()).unwrap();
        assert_eq!(task.is_valid(given), Ok(false));
        actor.step();
    }
}
