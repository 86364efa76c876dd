//! How threads end.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use l4_test::abi::error::{IpcError, ResultCode};
use l4_test::abi::protocol::thread::ExRegsFlags;
use l4_test::memory::{UNUSED, load};
use l4_test::suite::PRIORITY;
use l4_test::sys::Selector;
use l4_test::sys::object::Control;
use l4_test::worker::settle;
use l4_test::{Message, failed, own, refused, spawn, spawn_at};

use crate::binding::{bind, spare_utcb, thread};

pub(crate) fn a_thread_without_pager_dies_of_a_fault() {
    let victim = spawn_at(PRIORITY - 1, || load(UNUSED));
    let control = Control {
        pager: Some(Selector::new(0x800)),
        ..Control::default()
    };
    victim.thread().control(control).unwrap();
    settle();
    let reply = Message::new(0).send(*victim.thread());
    assert_eq!(reply.outcome(), failed(IpcError::NOT_EXISTENT));
}

pub(crate) fn a_thread_that_died_cannot_be_used_again() {
    let victim = spawn_at(PRIORITY - 1, || load(UNUSED));
    let control = Control {
        pager: Some(Selector::new(0x800)),
        ..Control::default()
    };
    victim.thread().control(control).unwrap();
    settle();
    let invalid = refused(ResultCode::EINVAL);
    let bound = bind(victim.thread(), own::task(), spare_utcb());
    assert_eq!(bound, invalid);
    let none = ExRegsFlags::empty();
    let started = victim.thread().ex_regs(Some(0), Some(0), none);
    assert_eq!(started.map(|_| 0), invalid);
}

static SLOT: AtomicU64 = AtomicU64::new(0);
static SURVIVED: AtomicBool = AtomicBool::new(false);

pub(crate) fn a_thread_can_delete_itself() {
    SURVIVED.store(false, SeqCst);
    let worker = spawn_at(PRIORITY - 1, || {
        let own = Selector::new(SLOT.load(SeqCst));
        let _ = own::task().delete_object(own);
        SURVIVED.store(true, SeqCst);
    });
    SLOT.store(worker.selector().index(), SeqCst);
    settle();
    assert!(!SURVIVED.load(SeqCst));
    assert_eq!(own::task().is_valid(worker.thread()), Ok(false));
}

pub(crate) fn a_deleted_thread_frees_its_utcb() {
    let worker = spawn(|| ());
    let utcb = worker.utcb_address() as usize;
    drop(worker);
    let thread = thread();
    assert_eq!(bind(thread.as_cap(), own::task(), utcb), Ok(0));
}
