//! What a quota bounds.

use l4_test::abi::error::ResultCode;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::rights::CapabilityRights;
use l4_test::own;
use l4_test::sys::object::{Factory, Semaphore, Thread};
use l4_test::sys::{Cap, Error, OwnedCap};

const USED_UP: Error = Error::Result(ResultCode::ENOMEM);

/// A factory with `quota` bytes.
pub(crate) fn factory(quota: u64) -> OwnedCap<Factory> {
    own::factory().create_factory(quota).unwrap()
}

/// How many semaphores `factory` can still make: the finest measure of what is left.
pub(crate) fn room(factory: Cap<Factory>) -> usize {
    const MAX: usize = 2000;
    let mut made: [Option<OwnedCap<Semaphore>>; MAX] = [const { None }; MAX];
    for (count, place) in made.iter_mut().enumerate() {
        match factory.create_semaphore() {
            Ok(semaphore) => *place = Some(semaphore),
            Err(error) => {
                assert_eq!(error, USED_UP);
                return count;
            }
        }
    }
    panic!("more than {MAX} objects fit");
}

pub(crate) fn it_bounds_what_is_made() {
    let factory = factory(32 * 1024);
    let mut threads: [Option<OwnedCap<Thread>>; 64] = [const { None }; 64];
    let made = threads
        .iter_mut()
        .map_while(|place| match factory.create_thread() {
            Ok(thread) => {
                *place = Some(thread);
                Some(())
            }
            Err(error) => {
                assert_eq!(error, USED_UP);
                None
            }
        });
    let made = made.count();
    assert!((2..64).contains(&made), "{made} threads");
    // What one gives back another can take.
    threads[0] = None;
    assert!(factory.create_thread().is_ok());
}

pub(crate) fn a_factory_is_charged_to_its_parent() {
    let parent = factory(64 * 1024);
    assert_eq!(parent.create_factory(64 * 1024).err(), Some(USED_UP));
    let child = parent.create_factory(48 * 1024).unwrap();
    assert_eq!(parent.create_factory(48 * 1024).err(), Some(USED_UP));
    drop(child);
    assert!(parent.create_factory(48 * 1024).is_ok());
}

pub(crate) fn capability_tables_are_charged() {
    let factory = factory(64 * 1024);
    let task = factory.create_task(Flexpage::NIL).unwrap();
    // One capability in each of many tables: not all of them fit.
    let failed = (0..512).any(|table| {
        let mapped = task.map_capability(own::thread(), table * 128, CapabilityRights::RWS);
        mapped.is_err()
    });
    assert!(failed);
}

pub(crate) fn objects_outlive_their_factory() {
    let factory = factory(64 * 1024);
    let gate = factory.create_unbound_gate().unwrap();
    drop(factory);
    assert_eq!(gate.bind_thread(own::thread(), 0x10), Ok(()));
    assert_eq!(gate.label(), Ok(0x10));
}
