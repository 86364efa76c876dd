//! How much kernel memory there is: as many objects as can be made.

use l4_abi::error::ResultCode;
use l4_abi::flexpage::Flexpage;
use l4_abi::rights::MemoryRights;
use l4_abi::utcb::AREA_MAX_ORDER;
use l4_sys::object::Factory;
use l4_sys::slots;
use l4_sys::{AnyObject, Cap, Error, Object, OwnedCap, Result};

use crate::memory::UNUSED;
use crate::own;

/// What a request gives when the quota or all memory is used up.
pub const USED_UP: Error = Error::Result(ResultCode::ENOMEM);

/// More objects of a kind than a test may want.
const MAX: usize = 1300;

/// As many objects as there is memory for.
pub struct Hoard([Option<OwnedCap<AnyObject>>; MAX]);

impl Hoard {
    /// None yet.
    #[expect(clippy::new_without_default, reason = "it is large")]
    pub const fn new() -> Self {
        Self([const { None }; MAX])
    }

    /// Makes objects until there is no memory left; how many.
    ///
    /// # Panics
    /// If there is too much memory, or another error.
    pub fn fill<T: Object>(&mut self, make: impl Fn() -> Result<OwnedCap<T>>) -> usize {
        for (count, place) in self.0.iter_mut().enumerate() {
            match make() {
                Ok(object) => *place = Some(object.cast()),
                Err(error) => {
                    assert_eq!(error, USED_UP);
                    return count;
                }
            }
        }
        panic!("more than {MAX} objects fit");
    }
}

/// What `factory` can still make: tasks, and then semaphores, the smallest objects.
pub fn room(factory: Cap<Factory>) -> [usize; 2] {
    let (mut tasks, mut semaphores) = (Hoard::new(), Hoard::new());
    [
        tasks.fill(|| factory.create_task(Flexpage::NIL)),
        semaphores.fill(|| factory.create_semaphore()),
    ]
}

/// What all kernel memory is good for: large objects, then smaller ones.
pub fn kernel_memory() -> [usize; 3] {
    let area = Flexpage::memory(UNUSED, AREA_MAX_ORDER, MemoryRights::RW);
    let mut large = Hoard::new();
    let count = large.fill(|| own::factory().create_task(area));
    let [middle, small] = room(own::factory());
    [count, middle, small]
}

/// Uses all slots of the own task once, so that they have their tables, and
/// [`kernel_memory`] only depends on what others use.
pub fn touch_slots() {
    let mut touched = 0;
    while touched < 2 * slots::CAPACITY {
        touched += kernel_memory().iter().sum::<usize>();
    }
}
