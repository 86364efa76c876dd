//! How much kernel memory there is: as many objects as can be made.

use l4_abi::capability::slot;
use l4_abi::error::ResultCode;
use l4_abi::flexpage::{Flexpage, PAGE_SIZE};
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_abi::utcb::AREA_MAX_ORDER;
use l4_sys::object::Factory;
use l4_sys::slots::{self, SLOTS};
use l4_sys::{AnyObject, Cap, Error, Object, OwnedCap, Result, Selector};

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

/// Frames by which [`kernel_memory`] differs by chance: some are in use in part. What is lost again and
/// again is more.
pub const FRAGMENTS: usize = 4;

/// Frames of kernel memory that objects can be made of: large ones, then smaller ones.
pub fn kernel_memory() -> usize {
    let area = Flexpage::memory(UNUSED, AREA_MAX_ORDER, MemoryRights::RW);
    let mut large = Hoard::new();
    let count = large.fill(|| own::factory().create_task(area));
    let [small, _] = room(own::factory());
    // Each task has a root table.
    count * (1 + (1 << AREA_MAX_ORDER) / PAGE_SIZE as usize) + small
}

/// Uses all slots of the own task once, so that they have their tables, and
/// [`kernel_memory`] only depends on what others use.
pub fn touch_slots() {
    // A bit for each slot, which are more than fit onto the stack.
    let mut taken = [0_u64; slots::CAPACITY / 64];
    while let Some(selector) = SLOTS.allocate() {
        let index = selector.index();
        (own::task().map_capability(own::thread(), index, CapabilityRights::READ))
            .expect("no memory for tables of slots");
        let offset = (index - slot::FIRST_FREE) as usize;
        taken[offset / 64] |= 1 << (offset % 64);
    }
    let is_taken = |offset: &usize| taken[offset / 64] >> (offset % 64) & 1 != 0;
    for offset in (0..slots::CAPACITY).filter(is_taken) {
        let selector = Selector::new(slot::FIRST_FREE + offset as u64);
        let _ = own::task().release(selector);
        SLOTS.free(selector);
    }
}
