//! What the program was started with: capabilities and arguments.

use core::cell::UnsafeCell;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use l4_abi::capability::slot;
use l4_abi::flexpage::Flexpage;
use l4_abi::l4re::Environment;
use l4_abi::utcb;
use l4_sys::object::{Factory, Log, Scheduler, Task, Thread};
use l4_sys::{AnyObject, Cap, Object};
#[cfg(feature = "component")]
use l4re::{MemAlloc, Parent, RegionMap};

use crate::place::Place;
use crate::stack_block::StackBlock;

/// The block of this program, written once before its first use.
static BLOCK: Global = Global {
    ready: AtomicBool::new(false),
    block: UnsafeCell::new(None),
};

struct Global {
    ready: AtomicBool,
    block: UnsafeCell<Option<(StackBlock, &'static Place)>>,
}

// SAFETY: written once, before `ready` is set, by the only thread there is then; only read after.
unsafe impl Sync for Global {}

/// Makes `block` the program's environment, and `place` its place.
///
/// # Safety
/// Called before the program has a second thread.
pub(crate) unsafe fn initialise(block: StackBlock, place: &'static Place) {
    // SAFETY: by the contract nobody reads or writes it now.
    unsafe { *BLOCK.block.get() = Some((block, place)) };
    BLOCK.ready.store(true, Ordering::Release);
}

fn block() -> Option<&'static StackBlock> {
    surroundings().map(|(block, _)| block)
}

/// The program's place; none on a host.
pub(crate) fn place() -> Option<&'static Place> {
    surroundings().map(|(_, place)| *place)
}

fn surroundings() -> Option<&'static (StackBlock, &'static Place)> {
    if !BLOCK.ready.load(Ordering::Acquire) {
        return None;
    }
    // SAFETY: it is ready, so it is not written any more.
    unsafe { (*BLOCK.block.get()).as_ref() }
}

/// The program's own task.
pub fn task() -> Cap<Task> {
    Cap::at(slot::TASK)
}

/// The capability in a field of the environment. A missing one is slot 0, which is always empty,
/// so that using it fails instead of addressing the caller itself.
fn initial<T: Object>(field: impl FnOnce(&Environment) -> u64) -> Cap<T> {
    let word = block().and_then(StackBlock::environment).map_or(0, field);
    Cap::from_word(word).unwrap_or(Cap::at(0))
}

/// Who started the program.
#[cfg(feature = "component")]
pub fn parent() -> Cap<Parent> {
    initial(|environment| environment.parent)
}

/// What is mapped in the program's memory; its pager.
#[cfg(feature = "component")]
pub fn region_map() -> Cap<RegionMap> {
    initial(|environment| environment.region_map)
}

/// Where the program's memory comes from.
#[cfg(feature = "component")]
pub fn mem_alloc() -> Cap<MemAlloc> {
    initial(|environment| environment.mem_alloc)
}

/// The pager of the program's threads.
pub(crate) fn pager() -> Cap<AnyObject> {
    initial(|environment| environment.region_map)
}

/// Where `println!` writes to.
pub fn log() -> Cap<Log> {
    initial(|environment| environment.log)
}

/// The thread that runs `main`.
pub fn main_thread() -> Cap<Thread> {
    initial(|environment| environment.main_thread)
}

/// Where the program's kernel objects come from.
pub fn factory() -> Cap<Factory> {
    initial(|environment| environment.factory)
}

/// What gives the program's threads their priorities.
pub fn scheduler() -> Cap<Scheduler> {
    initial(|environment| environment.scheduler)
}

/// The initial capability with this name: a channel, a dataspace, `rom` …
///
/// # Errors
/// [`MissingCapability`] if the program was not given one.
pub fn cap<T: Object>(name: &'static str) -> Result<Cap<T>, MissingCapability> {
    block()
        .into_iter()
        .flat_map(StackBlock::capabilities)
        .find(|entry| entry.name() == name.as_bytes())
        .and_then(|entry| Cap::from_word(entry.capability))
        .ok_or(MissingCapability(name))
}

/// The program was not given a capability with this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingCapability(&'static str);

impl fmt::Display for MissingCapability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "no capability '{}': is it in the system's configuration?",
            self.0
        )
    }
}

impl core::error::Error for MissingCapability {}

/// The arguments; the first is the program's name.
pub fn args() -> impl Iterator<Item = &'static str> {
    block().into_iter().flat_map(StackBlock::arguments)
}

/// The program's name without directories.
pub fn program_name() -> &'static str {
    block().map_or("program", StackBlock::program_name)
}

/// First free UTCB and end of the area that the loader made for UTCBs; empty without an area.
pub(crate) fn utcb_area() -> (u64, u64) {
    let Some(environment) = block().and_then(StackBlock::environment) else {
        return (0, 0);
    };
    let area = Flexpage::from_raw(environment.utcb_area);
    let end = area.address() + (1 << area.order());
    // Some loaders leave an address that is no multiple of a UTCB's size.
    (
        environment
            .first_free_utcb
            .next_multiple_of(utcb::SIZE as u64),
        end,
    )
}

/// Address of the kernel info page.
pub(crate) fn kip() -> Option<usize> {
    block()
        .map(|block| block.kip)
        .filter(|address| *address != 0)
}
