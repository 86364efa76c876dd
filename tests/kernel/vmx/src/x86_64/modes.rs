//! Guests that page, in modes that they enter by themselves.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::arch::x86_64::vmx::control::{LOAD_EFER, LONG_MODE_GUEST};
use l4_test::abi::arch::x86_64::vmx::field;
use l4_test::arch::guest as pc;
use l4_test::guest::{CODE, DATA, Guest as _, irq, settle};
use l4_test::memory::load;
use l4_test::suite::PRIORITY;
use l4_test::sys::vcpu::GuestEnd;
use l4_test::{spawn_at, spawn_on};

use super::guest::{Machine, exit, machine_with_tables};

const TABLE: u64 = 0x3000;
const PRESENT: u64 = 3;
const LARGE: u64 = 1 << 7;
/// Of CR4, and of EFER.
const ADDRESS_EXTENSION: u64 = 1 << 5;
const LONG_MODE: u64 = 1 << 8;
const LONG_MODE_ACTIVE: u64 = 1 << 10;

/// The processor says what has become of the guest's mode, so that it can go on after an interrupt of the host.
pub(crate) fn a_guest_that_turns_long_mode_on_is_interrupted_and_goes_on() {
    // mov eax, cr0; or eax, PG | PE; mov cr0, eax; inc word [CODE + 0x800]; jmp back to that
    let machine = machine_with_tables(&[
        0x0f, 0x20, 0xc0, 0x66, 0x0d, 1, 0, 0, 0x80, 0x0f, 0x22, 0xc0, 0xff, 0x06, 0x00, 0x18,
        0xeb, 0xfa,
    ]);
    let counter = machine.memory + CODE + 0x800;
    let worker = spawn_at(PRIORITY - 1, move || {
        let guest = machine.vcpu();
        guest.set(field::GUEST_CR3, DATA);
        guest.set(field::GUEST_CR4, ADDRESS_EXTENSION);
        guest.set(field::GUEST_EFER, LONG_MODE);
        pc::check_pending(guest, guest.run());
        let efer = guest.get(field::GUEST_EFER);
        assert_eq!(efer, LONG_MODE | LONG_MODE_ACTIVE);
        let controls = guest.get(field::ENTRY_CONTROLS);
        assert_eq!(controls, LOAD_EFER | LONG_MODE_GUEST);
    });
    // The runner's timer interrupts it.
    for _ in 0..3 {
        let before = load(counter);
        settle(|| load(counter) != before);
    }
    let irq = irq(worker.thread(), 0);
    irq.trigger().unwrap();
    worker.join();
}

/// Without long mode the processor has entries of the page table of its own, which no other guest's may become.
pub(crate) fn guests_with_extended_addresses_keep_their_tables() {
    const FIRST_ENTRY: u32 = 0x280a;
    const ROUNDS: u64 = 10;
    static TURN: AtomicU64 = AtomicU64::new(0);
    TURN.store(0, SeqCst);
    let workers = [TABLE, DATA].map(|table| {
        // hlt; jmp back
        let machine = Machine::new(&[0xf4, 0xeb, 0xfd]);
        machine.write(table, &(LARGE | PRESENT).to_le_bytes());
        spawn_on(0, move || {
            let guest = machine.vcpu();
            guest.set(field::GUEST_CR0, 0x8000_0031);
            guest.set(field::GUEST_CR4, ADDRESS_EXTENSION);
            guest.set(FIRST_ENTRY, table | 1);
            for round in 0..ROUNDS {
                settle(|| TURN.load(SeqCst) == round * 2 + u64::from(table == DATA));
                assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::HALT));
                guest.skip();
                TURN.fetch_add(1, SeqCst);
            }
            assert_eq!(guest.get(FIRST_ENTRY), table | 1);
        })
    });
    for worker in workers {
        worker.join();
    }
}
