//! Takes all memory and kernel memory that it can get, and keeps it.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;
use core::convert::Infallible;

use l4_memory::Shared;
use l4_rt::{Outcome, OwnedCap, Request, env, println};
use l4_sys::object::Semaphore;
use l4re::mem_alloc::DataspaceFlags;
use l4re::{Dataspace, PAGE_SIZE};
use quota_interface::{Glutton, GluttonServer};

l4_rt::entry!(main);

/// One bite of memory.
const BITE: u64 = 16 * PAGE_SIZE;
/// More objects than any quota here allows.
const MOST_OBJECTS: usize = 4000;

struct Belly {
    memory: Vec<OwnedCap<Dataspace>>,
    objects: Vec<OwnedCap<Semaphore>>,
    /// Memory that is promised, but not there yet.
    promised: Shared,
}

impl GluttonServer for Belly {
    fn eat_memory(&mut self, _: &mut Request<'_>) -> Outcome<u64> {
        for size in [BITE, PAGE_SIZE] {
            while self.memory.len() < self.memory.capacity()
                && let Ok(bite) = env::mem_alloc().create_dataspace(size, DataspaceFlags::PINNED, 0)
            {
                self.memory.push(bite);
            }
        }
        let usage = env::mem_alloc().info()?;
        println!("{} of {} bytes used", usage.memory_used, usage.memory_limit);
        Ok(self.memory.iter().filter_map(|bite| bite.size().ok()).sum())
    }

    fn eat_kernel_memory(&mut self, _: &mut Request<'_>) -> Outcome<u64> {
        while self.objects.len() < self.objects.capacity()
            && let Ok(object) = env::factory().create_semaphore()
        {
            self.objects.push(object);
        }
        Ok(self.objects.len() as u64)
    }

    fn burst(&mut self, _: &mut Request<'_>) -> Outcome<()> {
        for page in 0..self.promised.size() / PAGE_SIZE {
            self.promised.write_word(page * PAGE_SIZE, 1);
        }
        Ok(())
    }
}

fn main() -> l4_rt::Result<Infallible> {
    let promised = env::mem_alloc().create_dataspace(8 << 20, DataspaceFlags::empty(), 0)?;
    let mut belly = Belly {
        // No memory for growing will be left.
        memory: Vec::with_capacity(MOST_OBJECTS),
        objects: Vec::with_capacity(MOST_OBJECTS),
        promised: Shared::writable(promised.leak())?,
    };
    l4_rt::serve("glutton", |request| Glutton::dispatch(&mut belly, request))
}
