//! VMMs that set up nonsense: random states of guests, for which the CPU may do anything but harm.

use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use core::time::Duration;

use l4_test::abi::arch::x86_64::vm::EFER_SVME;
use l4_test::abi::timeout::TimeoutPair;
use l4_test::memory::store;
use l4_test::suite::PRIORITY;
use l4_test::sys::ipc;
use l4_test::sys::vcpu::GuestEnd;
use l4_test::{own, spawn_at};

use super::guest::{CODE, Guest, HALT, Machine, at, exit};

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

const ROUNDS: u64 = 400;

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
        assert!(exits > ROUNDS / 4, "{exits} exits");
        // The vCPU is as good as ever.
        for offset in (0..0x6a0).step_by(8) {
            guest.vmcb.set_word(offset, 0);
        }
        guest.reset();
        machine.write(CODE, HALT);
        while ipc::wait(TimeoutPair::RECEIVE_ZERO).is_ok() {}
        let mut end = guest.run();
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
        for offset in (0..0x400).step_by(8) {
            guest.vmcb.set_word(offset, 0);
        }
        guest.vmcb.set_word(at::NESTED_PAGING, 1);
    }
    for _ in 0..random.below(12) {
        let offset = match random.below(3) {
            0 => random.below(0x100 / 8),
            1 => 0x400 / 8 + random.below(0xa0 / 8),
            _ => 0x4a0 / 8 + random.below(0x200 / 8),
        };
        guest.vmcb.set_word(offset as usize * 8, random.word());
    }
    if random.below(8) != 0 {
        let efer = guest.vmcb.word(at::EFER);
        guest.vmcb.set_word(at::EFER, efer | EFER_SVME);
        guest.vmcb.set_word(at::NESTED_PAGING, 1);
    }
    spare_the_emulator(guest);
    // What it runs, and its interrupt table.
    for word in 0..16 {
        store(machine.memory + CODE + word * 8, random.next());
        store(machine.memory + random.below(0x400) / 8 * 8, random.word());
    }
}

/// QEMU's emulator (7.2) does not find the way back to its host from a guest with EFER.LME, but
/// neither CR4.PAE nor CR0.PG: it restores CR0 first, and refuses to turn paging on.
fn spare_the_emulator(guest: Guest) {
    const LONG_MODE: u64 = 1 << 8;
    const PHYSICAL_ADDRESS_EXTENSION: u64 = 1 << 5;
    const CR4_WRITE: u64 = 1 << 20;
    let efer = guest.vmcb.word(at::EFER);
    if efer & LONG_MODE != 0 {
        let cr4 = guest.vmcb.word(at::CR4);
        guest
            .vmcb
            .set_word(at::CR4, cr4 | PHYSICAL_ADDRESS_EXTENSION);
        let intercepts = guest.vmcb.word(0);
        guest.vmcb.set_word(0, intercepts | CR4_WRITE);
    }
}
