//! Messages while a guest runs.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::timeout::TimeoutPair;
use l4_test::abi::vcpu::{StateFlags, StickyFlags};
use l4_test::guest::{AFTER, DATA, GUEST, Guest as _, LABEL, interrupted, irq, settle};
use l4_test::memory::load;
use l4_test::suite::PRIORITY;
use l4_test::sys::ipc;
use l4_test::sys::vcpu::GuestEnd;
use l4_test::{Worker, own, spawn_at};

use super::guest::{Guest, Machine, at, exit};

/// inc word [DATA]; jmp back.
const COUNT: &[u8] = &[0xff, 0x06, 0x00, 0x20, 0xeb, 0xfa];
/// The same with interrupts masked.
const MASKED: &[u8] = &[0xfa, 0xff, 0x06, 0x00, 0x20, 0xeb, 0xfa];

fn check_pending(guest: Guest, end: GuestEnd) {
    assert_eq!((end, guest.exit()), (GuestEnd::Pending, exit::INTERRUPT));
    assert_eq!(guest.vcpu.state(), AFTER);
    assert_eq!(guest.vcpu.saved_state(), GUEST);
    assert_eq!(guest.vcpu.sticky_flags(), StickyFlags::IRQ_PENDING);
}

fn fetch(guest: Guest) {
    let arrival = ipc::wait(TimeoutPair::RECEIVE_ZERO).expect("a message waits");
    assert_eq!(arrival.label, LABEL);
    assert_eq!(guest.vcpu.sticky_flags(), StickyFlags::empty());
}

pub(crate) fn a_message_ends_the_run() {
    interrupted(COUNT, GUEST, |guest: Guest, end| {
        check_pending(guest, end);
        fetch(guest);
    });
}

pub(crate) fn a_message_that_waits_is_told_again_and_again() {
    interrupted(COUNT, GUEST, |guest: Guest, end| {
        check_pending(guest, end);
        for _ in 0..3 {
            check_pending(guest, guest.run());
        }
        fetch(guest);
    });
}

pub(crate) fn a_message_enters_if_the_flag_says_so() {
    let flags = GUEST | StateFlags::IRQ;
    interrupted(COUNT, flags, move |guest: Guest, end| {
        assert_eq!(end, GuestEnd::Entered);
        assert_eq!(guest.vcpu.registers().trap, 0xfe);
        assert_eq!(guest.vcpu.state(), AFTER);
        assert_eq!(guest.vcpu.saved_state(), flags);
        assert_eq!(guest.vcpu.message().label, LABEL);
        assert_eq!(guest.vcpu.sticky_flags(), StickyFlags::empty());
    });
}

pub(crate) fn a_message_ends_the_run_of_a_guest_that_masks_interrupts() {
    interrupted(MASKED, GUEST, |guest: Guest, end| {
        check_pending(guest, end);
        assert_eq!(guest.vmcb.word(at::FLAGS) & 1 << 9, 0);
    });
}

pub(crate) fn a_guest_that_spins_takes_turns_with_others() {
    static TURNS: AtomicU64 = AtomicU64::new(0);
    TURNS.store(0, SeqCst);
    let machines = [(); 2].map(|()| Machine::new(COUNT));
    let memories = [0, 1].map(|index: usize| machines[index].memory + DATA);
    let guests = machines.map(|machine| {
        spawn_at(PRIORITY - 1, move || {
            machine.vcpu().run();
        })
    });
    let native: Worker<()> = spawn_at(PRIORITY - 1, || {
        loop {
            TURNS.fetch_add(1, SeqCst);
        }
    });
    // All on this CPU, with short time slices.
    for thread in guests.iter().map(Worker::thread).chain([native.thread()]) {
        own::scheduler()
            .run_thread(thread, CpuSet::single(0), PRIORITY - 1, 1000)
            .unwrap();
    }
    settle(|| TURNS.load(SeqCst) > 0 && memories.iter().all(|memory| load(*memory) != 0));
    let before = (TURNS.load(SeqCst), memories.map(load));
    settle(|| {
        TURNS.load(SeqCst) != before.0
            && memories
                .map(load)
                .iter()
                .zip(before.1)
                .all(|(now, then)| *now != then)
    });
    for worker in guests {
        let irq = irq(worker.thread(), 0);
        irq.trigger().unwrap();
        worker.join();
    }
}
