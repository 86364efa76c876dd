//! Random states: whatever a VMM asks for, the kernel and other threads go on.

use core::mem::size_of;
use core::time::Duration;

use l4_test::abi::arch::aarch64::exception::ExceptionFrame;
use l4_test::abi::arch::aarch64::vm::{ExtendedState, Hcr};
use l4_test::guest::{Random, ask_for_wild};
use l4_test::own;
use l4_test::spawn_at;
use l4_test::suite::{self, PRIORITY};
use l4_test::sys::ipc;

use super::code;
use super::machine::{GUEST, Machine};

const ROUNDS: u64 = 3000;
/// How long a guest may run.
const SLICE: Duration = Duration::from_micros(300);

pub(crate) fn no_state_of_a_guest_does_harm() {
    let (times, mut random) = ask_for_wild(0x1234_5678_9abc_def1);
    let machine = Machine::new();
    let worker = spawn_at(PRIORITY - 1, move || {
        let cpu = machine.vcpu(code::traps, 0);
        for piece in [code::take, code::keep, code::spin] {
            machine.map_code(piece);
        }
        let calm = cpu.guest.all();
        let start = cpu.vcpu.registers();
        for _ in 0..ROUNDS * times {
            let mut state = calm;
            let mut registers = start;
            // Some words of the state, some registers; or all of them.
            let keep = random.number() & random.number();
            spoil::<{ size_of::<ExtendedState>() / 8 }, _>(&mut state, keep, &mut random);
            // This code can be at EL0 only.
            state.host_hcr |= Hcr::TGE.bits();
            // QEMU's emulator (7.2) does not survive that.
            if state.cntv_cval.checked_add(state.cntvoff).is_none() {
                state.cntvoff = 0;
            }
            let keep = random.number() | 1 << 36;
            spoil::<{ size_of::<ExceptionFrame>() / 8 }, _>(&mut registers, keep, &mut random);
            cpu.guest.set_all(state);
            cpu.vcpu.set_registers(registers);
            cpu.vcpu.set_saved_state(GUEST);
            cpu.vcpu.run(&[]).unwrap();
            suite::is_alive();
        }
    });
    let irq = own::factory().create_irq().unwrap();
    irq.bind_thread(worker.thread(), 0).unwrap();
    // Ends each run that does not end by itself.
    let ender = spawn_at(PRIORITY, move || {
        loop {
            ipc::sleep(SLICE);
            irq.trigger().unwrap();
        }
    });
    // For as long as it goes on: the worker itself tells that it is alive.
    while !worker.has_ended() {
        ipc::sleep(SLICE);
    }
    worker.join();
    drop::<l4_test::Worker<()>>(ender);
}

/// Makes the words of `value` random whose bits in `keep` are 0.
fn spoil<const WORDS: usize, T: Copy>(value: &mut T, keep: u64, random: &mut Random) {
    let words: *mut u64 = core::ptr::from_mut(value).cast();
    for index in 0..WORDS {
        let some = random.number() & random.number() | random.number() << 63;
        if keep >> (index % 64) & 1 == 0 {
            // SAFETY: inside the value, of which every bit pattern is one.
            unsafe { words.add(index).write(some) };
        }
    }
}
