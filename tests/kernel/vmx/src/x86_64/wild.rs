//! VMMs that set up nonsense: random states of guests, for which the CPU may do anything but harm.

use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use core::time::Duration;

use l4_test::abi::arch::x86_64::vmx::field;
use l4_test::abi::timeout::TimeoutPair;
use l4_test::memory::store;
use l4_test::suite::PRIORITY;
use l4_test::sys::ipc;
use l4_test::sys::vcpu::GuestEnd;
use l4_test::{own, spawn_at};

use super::guest::{CODE, FLAGS, Guest, HALT, Machine, exit};

/// xorshift*
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 33) % limit
    }

    /// A number that is more likely than others to be something special.
    fn word(&mut self) -> u64 {
        match self.below(5) {
            0 => 1 << self.below(64),
            1 => !(1 << self.below(64)),
            2 => self.below(0x1_0000),
            3 => u64::MAX,
            _ => self.next(),
        }
    }
}

const ROUNDS: u64 = 300;

/// First field and number of fields of each kind that are the user's.
const FIELDS: [(u32, u64); 9] = [
    (0x800, 8),
    (0x2010, 1),
    (0x2800, 5),
    (0x2880, 7),
    (0x4000, 16),
    (0x4800, 24),
    (0x6000, 4),
    (0x6800, 20),
    (0x6880, 1),
];

pub(crate) fn wild_states_harm_nobody() {
    static DONE: AtomicBool = AtomicBool::new(false);
    DONE.store(false, SeqCst);
    let machine = Machine::new(HALT);
    let worker = spawn_at(PRIORITY - 1, move || {
        let mut random = Random(0x1357_9bdf);
        let guest = machine.vcpu();
        let mut exits = 0;
        for _ in 0..ROUNDS {
            spoil(&machine, guest, &mut random);
            match guest.vcpu.run_guest(&[]) {
                Ok(GuestEnd::Exit) => exits += 1,
                Ok(_) => while ipc::wait(TimeoutPair::RECEIVE_ZERO).is_ok() {},
                Err(_) => {}
            }
        }
        assert!(exits > ROUNDS / 8, "{exits} exits");
        // The vCPU is as good as ever.
        guest.reset();
        machine.write(CODE, HALT);
        let mut end = GuestEnd::Pending;
        while end == GuestEnd::Pending {
            while ipc::wait(TimeoutPair::RECEIVE_ZERO).is_ok() {}
            end = guest.run();
        }
        assert_eq!((end, guest.exit()), (GuestEnd::Exit, exit::HALT));
        DONE.store(true, SeqCst);
    });
    // No guest runs for ever.
    let alarm = own::factory().create_irq().unwrap();
    alarm.bind_thread(worker.thread(), 0x10).unwrap();
    while !DONE.load(SeqCst) {
        ipc::sleep(Duration::from_micros(500));
        alarm.trigger().unwrap();
        l4_test::suite::is_alive();
    }
    worker.join();
}

/// Changes some of what there is, from a good state or from the last one.
fn spoil(machine: &Machine, guest: Guest, random: &mut Random) {
    if random.below(3) != 0 {
        guest.reset();
    }
    for _ in 0..random.below(6) {
        let (first, count) = FIELDS[random.below(FIELDS.len() as u64) as usize];
        guest.set(first + 2 * random.below(count) as u32, random.word());
    }
    if random.below(4) == 0 {
        guest.set(field::ENTRY_EVENT, 1 << 31 | random.below(0x800));
    }
    spare_the_emulator(guest);
    // What it runs, and its interrupt table.
    for word in 0..16 {
        store(machine.memory + CODE + word * 8, random.next());
        store(machine.memory + random.below(0x400) / 8 * 8, random.word());
    }
}

/// Bochs (2.7) does not interrupt guests that begin without the flag (`Guest::reset`), and gives up on events of kind
/// 7, which are no interrupts.
fn spare_the_emulator(guest: Guest) {
    let event = guest.get(field::ENTRY_EVENT);
    if event >> 8 & 7 == 7 {
        guest.set(field::ENTRY_EVENT, event ^ 1 << 8);
    }
    guest.set(field::GUEST_RFLAGS, guest.get(field::GUEST_RFLAGS) | FLAGS);
}
