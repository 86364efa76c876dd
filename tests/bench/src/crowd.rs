//! Threads, tasks and mappings that do nothing but exist.

use core::time::Duration;

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::rights::CapabilityRights;
use l4_test::memory::{self, PAGE};
use l4_test::own;
use l4_test::sys::object::Task;
use l4_test::sys::{Cap, Object, OwnedCap, ipc};

use crate::PRIORITY;
use crate::partner::{Place, Stack, map_page};

/// Where the mappings are in the crowd's task.
const MAPPINGS: u64 = memory::UNUSED + 0x1000_0000;
/// Order of the memory that is mapped there: enough for 10,000 pages.
const MEMORY_ORDER: u32 = 26;
/// First slot of the tasks, and of the threads, in the task that keeps them.
const TASKS: u64 = 0x1000;
const THREADS: u64 = 0x8000;

static STACK: Stack = Stack::new();

/// So many of each.
pub(crate) struct Crowd {
    size: usize,
    /// All threads live here, and all mappings are to here.
    place: Place,
    /// Has the capabilities.
    keeper: Cap<Task>,
    memory: u64,
}

impl Crowd {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self {
            size: 0,
            place: Place::other(),
            keeper: new_task().leak(),
            memory: memory::allocate(MEMORY_ORDER),
        }
    }

    /// As many as `size` of each.
    pub(crate) fn grow(&mut self, size: usize) {
        for index in self.size as u64..size as u64 {
            let thread = self.place.start(PRIORITY + 1, &STACK, wait);
            self.keep(thread, THREADS + index);
            self.keep(new_task(), TASKS + index);
            map_page(
                self.place.task,
                self.memory + index * PAGE,
                MAPPINGS + index * PAGE,
            );
        }
        self.size = size;
    }

    /// Moves the capability to slot `index` of the keeper.
    fn keep<T: Object>(&self, object: OwnedCap<T>, index: u64) {
        self.keeper
            .map_capability(object.as_cap(), index, CapabilityRights::RWSD)
            .expect("cannot keep a capability");
    }
}

fn new_task() -> OwnedCap<Task> {
    own::factory()
        .create_task(Flexpage::NIL)
        .expect("cannot make a task")
}

/// Waits for nobody, and for longer than anything takes here.
extern "C" fn wait(_: u64) -> ! {
    loop {
        ipc::sleep(Duration::from_secs(10_000));
    }
}
