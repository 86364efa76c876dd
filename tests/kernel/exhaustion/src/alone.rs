//! Who uses up a resource, and who must not notice.

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::MemoryRights;
use l4_test::hoard::room;
use l4_test::memory::{PAGE_ORDER, allocate, load, store};
use l4_test::message::{wait, word};
use l4_test::other_task::{FREE, OtherTask};
use l4_test::sys::object::Factory;
use l4_test::sys::{Cap, OwnedCap};
use l4_test::{Message, Worker, own, spawn};

/// How often a resource is used up and given back.
const ROUNDS: usize = 3;

/// Lets `use_up` use up a resource at the cost of a factory with `quota` bytes, again and again. It
/// must give back what it has taken, and call the function that it gets while it has it.
pub(crate) fn check(quota: u64, use_up: impl Fn(Cap<Factory>, &dyn Fn())) {
    let bystander = Bystander::new();
    let factory = own::factory().create_factory(quota).unwrap();
    // The first time may leave memory that is kept for the next.
    use_up(factory.as_cap(), &|| bystander.work());
    let before = room(factory.as_cap());
    for _ in 0..ROUNDS {
        use_up(factory.as_cap(), &|| bystander.work());
        assert_eq!(room(factory.as_cap()), before, "not all is given back");
    }
}

/// Has a quota of its own, a task, and a server, and needs them all.
struct Bystander {
    factory: OwnedCap<Factory>,
    task: OtherTask,
    server: Worker<()>,
    page: u64,
}

impl Bystander {
    fn new() -> Self {
        let factory = own::factory().create_factory(512 << 10).unwrap();
        let task = OtherTask::made_by(factory.as_cap()).unwrap();
        let page = allocate(PAGE_ORDER);
        store(page, 0x1234);
        let server = spawn(|| {
            wait();
            loop {
                Message::new(0).words(&[word(0) + 1]).reply_and_wait();
            }
        });
        Self {
            factory,
            task,
            server,
            page,
        }
    }

    /// Does a little of everything.
    fn work(&self) {
        let reply = Message::new(0).words(&[41]).call(*self.server.thread());
        assert_eq!((reply.outcome(), word(0)), (Ok(0), 42));
        self.factory.create_thread().unwrap();
        self.factory.create_task(Flexpage::NIL).unwrap();
        let irq = self.factory.create_irq().unwrap();
        irq.bind_thread(own::thread(), 1).unwrap();
        self.task.map(self.page, FREE).unwrap();
        let there = Flexpage::memory(FREE, PAGE_ORDER, MemoryRights::RWX);
        self.task.task.unmap(there, UnmapMask::ALL_SPACES).unwrap();
        assert_eq!(load(self.page), 0x1234);
    }
}
