//! Semaphores (`abi/05` Semaphore).
#![no_std]
#![no_main]

use l4_test::abi::error::{IpcError, ResultCode};
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::thread::ExRegsFlags;
use l4_test::abi::rights::CapabilityRights;
use l4_test::abi::timeout::{Timeout, TimeoutPair};
use l4_test::suite::PRIORITY;
use l4_test::sys::object::Semaphore;
use l4_test::sys::{OwnedCap, Utcb};
use l4_test::{Message, failed, kip, own, refused, spawn, spawn_at};

l4_test::suite![
    a_new_semaphore_is_at_zero,
    down_takes_what_up_gave,
    a_receive_timeout_ends_the_wait,
    up_wakes_the_waiter,
    the_waiter_of_highest_priority_goes_first,
    down_without_receive_phase_counts_too,
    a_waiter_is_cancelled,
    deletion_ends_the_wait,
    down_needs_the_special_right,
    wrong_requests_are_refused,
    up_is_a_trigger_in_each_form,
    up_has_no_answer,
    down_clears_the_error,
];

fn semaphore() -> OwnedCap<Semaphore> {
    own::factory().create_semaphore().unwrap()
}

fn a_new_semaphore_is_at_zero() {
    let empty = failed(IpcError::RECEIVE_TIMEOUT);
    assert_eq!(semaphore().down(Timeout::ZERO), empty);
}

fn down_takes_what_up_gave() {
    let semaphore = semaphore();
    for _ in 0..3 {
        semaphore.up().unwrap();
    }
    for _ in 0..3 {
        assert_eq!(semaphore.down(Timeout::ZERO), Ok(()));
    }
    let empty = failed(IpcError::RECEIVE_TIMEOUT);
    assert_eq!(semaphore.down(Timeout::ZERO), empty);
}

fn a_receive_timeout_ends_the_wait() {
    let start = kip::micros();
    let outcome = semaphore().down(Timeout::from_micros(10_000));
    assert_eq!(outcome, failed(IpcError::RECEIVE_TIMEOUT));
    assert!(kip::micros() - start >= 9900);
}

fn up_wakes_the_waiter() {
    let semaphore = semaphore();
    let shared = semaphore.as_cap();
    let waiter = spawn(move || shared.down(Timeout::NEVER));
    assert!(!waiter.has_ended());
    semaphore.up().unwrap();
    assert!(waiter.has_ended());
    assert_eq!(waiter.join(), Ok(()));
    // The waiter took it.
    let empty = failed(IpcError::RECEIVE_TIMEOUT);
    assert_eq!(semaphore.down(Timeout::ZERO), empty);
}

fn the_waiter_of_highest_priority_goes_first() {
    let semaphore = semaphore();
    let shared = semaphore.as_cap();
    let [low, high, middle] =
        [1, 3, 2].map(|step| spawn_at(PRIORITY + step, move || shared.down(Timeout::NEVER)));
    for waiter in [high, middle, low] {
        assert!(!waiter.has_ended());
        semaphore.up().unwrap();
        assert!(waiter.has_ended());
    }
}

fn down_without_receive_phase_counts_too() {
    let semaphore = semaphore();
    semaphore.up().unwrap();
    let down = Message::new(label::SEMAPHORE).words(&[0]);
    assert!(
        down.timeouts(TimeoutPair::BOTH_ZERO)
            .send(**semaphore)
            .came()
    );
    let empty = failed(IpcError::RECEIVE_TIMEOUT);
    assert_eq!(semaphore.down(Timeout::ZERO), empty);
}

fn a_waiter_is_cancelled() {
    let semaphore = semaphore();
    let shared = semaphore.as_cap();
    let waiter = spawn(move || shared.down(Timeout::NEVER));
    let thread = waiter.thread();
    thread.ex_regs(None, None, ExRegsFlags::CANCEL).unwrap();
    assert_eq!(waiter.join(), failed(IpcError::RECEIVE_CANCELED));
    semaphore.up().unwrap();
    assert_eq!(semaphore.down(Timeout::ZERO), Ok(()));
}

fn deletion_ends_the_wait() {
    let semaphore = semaphore();
    let shared = semaphore.as_cap();
    let waiters = [(); 2].map(|()| spawn(move || shared.down(Timeout::NEVER)));
    semaphore.delete();
    for waiter in waiters {
        assert_eq!(waiter.join(), failed(IpcError::NOT_EXISTENT));
    }
}

fn down_needs_the_special_right() {
    let semaphore = semaphore();
    let weak = own::copy(semaphore.as_cap(), CapabilityRights::RW);
    assert_eq!(weak.up(), Ok(()));
    assert_eq!(weak.down(Timeout::ZERO), refused(ResultCode::EPERM));
}

fn wrong_requests_are_refused() {
    let semaphore = semaphore();
    let refusal = |label: i64, words: &[u64]| Message::new(label).words(words).call(**semaphore);
    for label in [
        label::KERNEL_OBJECT,
        label::IRQ_SENDER,
        label::META,
        label::TASK,
        0,
    ] {
        let reply = refusal(label, &[0]);
        assert_eq!(reply.outcome(), refused(ResultCode::EBADPROTO), "{label}");
    }
    let unknown = refusal(label::SEMAPHORE, &[1]);
    assert_eq!(unknown.outcome(), refused(ResultCode::ENOSYS));
    let empty = refusal(label::SEMAPHORE, &[]);
    assert_eq!(empty.outcome(), refused(ResultCode::EINVAL));
}

fn up_is_a_trigger_in_each_form() {
    let semaphore = semaphore();
    for words in [&[][..], &[2]] {
        let up = Message::new(label::IRQ).words(words).send(**semaphore);
        assert!(up.came());
        assert_eq!(semaphore.down(Timeout::ZERO), Ok(()));
    }
    let unknown = Message::new(label::IRQ).words(&[3]).call(**semaphore);
    assert_eq!(unknown.outcome(), refused(ResultCode::ENOSYS));
}

fn up_has_no_answer() {
    let semaphore = semaphore();
    let up = Message::new(label::IRQ).timeouts(TimeoutPair::RECEIVE_ZERO);
    let reply = up.call(**semaphore);
    assert_eq!(reply.outcome(), failed(IpcError::RECEIVE_TIMEOUT));
    assert_eq!(semaphore.down(Timeout::ZERO), Ok(()));
}

fn down_clears_the_error() {
    let semaphore = semaphore();
    let empty = failed(IpcError::RECEIVE_TIMEOUT);
    assert_eq!(semaphore.down(Timeout::ZERO), empty);
    semaphore.up().unwrap();
    assert_eq!(semaphore.down(Timeout::ZERO), Ok(()));
    assert_eq!(Utcb::current().error().word(), 0);
}
