//! Slots and capabilities come and go in step, and cleaning up leaves no trace in the UTCB.

use std::cell::RefCell;
use std::rc::Rc;

use l4_abi::error::{IpcError, ResultCode};
use l4_abi::message_tag::MessageTag;
use l4_abi::utcb::BufferDescriptor;
use l4_sys::arch::{SystemCall, SystemReturn, with_kernel};
use l4_sys::object::{Factory, Semaphore, Task};
use l4_sys::slots::SLOTS;
use l4_sys::{AnyObject, Cap, Error, Object, OwnedCap, Slot, Utcb};

/// What the kernel was asked: raw destination, message words 0 to 2.
type Calls = Rc<RefCell<Vec<(u64, [u64; 3])>>>;

/// Runs `body` with a kernel that answers everything with `label`, or an IPC error.
fn answering<R>(
    answer: Result<i64, IpcError>,
    body: impl FnOnce() -> R,
) -> (R, Vec<(u64, [u64; 3])>) {
    SLOTS.start_at(0x1000);
    let calls = Calls::default();
    let record = calls.clone();
    let kernel = move |call: SystemCall, utcb: Utcb| {
        let words = [utcb.message(0), utcb.message(1), utcb.message(2)];
        record.borrow_mut().push((call.destination, words));
        let tag = match answer {
            Ok(label) => MessageTag::label_only(label),
            Err(error) => {
                utcb.set_error(error.word());
                MessageTag::SEND_FAILED
            }
        };
        // A kernel writes results over the request.
        utcb.set_messages(&[0xaaaa; 4]);
        SystemReturn {
            tag: tag.raw(),
            label: 0,
        }
    };
    let result = with_kernel(kernel, body);
    let calls = calls.borrow().clone();
    (result, calls)
}

fn unmap_of(index: u64, mask: u64) -> (u64, [u64; 3]) {
    (0x1003, [1, mask, index << 12 | 0x3f])
}

#[test]
fn a_dropped_capability_is_unmapped_and_its_slot_is_free_again() {
    let (index, calls) = answering(Ok(0), || {
        let slot = Slot::allocate().unwrap();
        let index = slot.selector().index();
        drop(slot.filled::<AnyObject>());
        index
    });
    assert_eq!(calls, [unmap_of(index, 0x8000_0000)]);
}

#[test]
fn a_deleted_object_is_destroyed_and_its_slot_is_free_again() {
    let (index, calls) = answering(Ok(0), || {
        let slot = Slot::allocate().unwrap();
        let index = slot.selector().index();
        slot.filled::<AnyObject>().delete();
        index
    });
    assert_eq!(calls, [unmap_of(index, 0xc000_0000)]);
}

#[test]
fn a_leaked_capability_stays() {
    let (capability, calls) =
        answering(Ok(0), || Slot::allocate().unwrap().filled::<Task>().leak());
    assert!(calls.is_empty());
    assert!(capability.selector().index() >= 0x1000);
}

#[test]
fn dropping_leaves_message_and_buffers_as_they_were() {
    answering(Ok(0), || {
        let owned: OwnedCap<AnyObject> = Slot::allocate().unwrap().filled();
        let utcb = Utcb::current();
        utcb.set_messages(&[1, 2, 3]);
        utcb.set_buffer_descriptor(BufferDescriptor::new(1, 2, 3));
        utcb.set_buffer(0, 4);
        drop(owned);
        assert_eq!(
            [utcb.message(0), utcb.message(1), utcb.message(2)],
            [1, 2, 3]
        );
        assert_eq!(utcb.buffer_descriptor(), BufferDescriptor::new(1, 2, 3));
        assert_eq!(utcb.buffer(0), 4);
    });
}

#[test]
fn preserving_covers_all_registers() {
    answering(Ok(0), || {
        let utcb = Utcb::current();
        utcb.set_message(62, 7);
        utcb.set_buffer(57, 8);
        let inside = utcb.preserve(|| {
            utcb.set_message(62, 0);
            utcb.set_buffer(57, 0);
            "result"
        });
        assert_eq!(
            (inside, utcb.message(62), utcb.buffer(57)),
            ("result", 7, 8)
        );
    });
}

#[test]
fn errors_tell_who_refused() {
    let create = || Cap::<Factory>::at(2).create_semaphore().map(|_| ());
    let (refused, _) = answering(Ok(ResultCode::ENOMEM.label()), create);
    assert_eq!(refused, Err(Error::Result(ResultCode::ENOMEM)));
    let (lost, _) = answering(Err(IpcError::NOT_EXISTENT), create);
    assert_eq!(lost, Err(Error::Ipc(IpcError::NOT_EXISTENT)));
    assert_eq!(
        Error::Ipc(IpcError::NOT_EXISTENT).result_code().code(),
        2004
    );
}

#[test]
fn a_failed_creation_empties_its_slot() {
    let (_, calls) = answering(Ok(-12), || drop(Cap::<Factory>::at(2).create_irq()));
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[1].1[1], 0x8000_0000);
}

#[test]
fn words_that_name_no_slot_are_no_capabilities() {
    let from =
        |word| Cap::<Semaphore>::from_word(word).map(|capability| capability.selector().raw());
    assert_eq!(from(0), None);
    assert_eq!(from(0xffff_ffff_ffff_f800), None);
    assert_eq!(from(0x16400), None);
    assert_eq!(from(0x16000), Some(0x16000));
    // A library's mark in the ignored bits.
    assert_eq!(from(0x26010), Some(0x26000));
}
