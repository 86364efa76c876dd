//! Events that are injected, and exits that tell when one can be.

use l4_test::abi::arch::x86_64::vmx::{EVENT_VALID, field};
use l4_test::guest::{CODE, DATA, Guest as _};
use l4_test::spawn;
use l4_test::sys::vcpu::GuestEnd;

use super::guest::{FLAGS, Guest, HALT, INTERRUPTIBILITY, Machine, exit};

/// A CPU control: an exit when the guest takes interrupts; when it takes an NMI.
const INTERRUPT_WINDOW: u64 = 1 << 2;
const NMI_WINDOW: u64 = 1 << 22;
/// A pin control: whether the guest has one is the guest's affair.
const VIRTUAL_NMIS: u64 = 1 << 5;
const NMI: u64 = EVENT_VALID | 2 << 8 | 2;
/// Of interruptibility.
const IN_NMI: u64 = 1 << 3;
/// Of flags.
const INTERRUPTS: u64 = 1 << 9;

/// A machine with this code, in whose data is the handler of a vector.
fn machine_with_handler(code: &[u8], vector: u64, handler: &[u8]) -> Machine {
    let machine = Machine::new(code);
    machine.write(vector * 4, &(DATA as u32).to_le_bytes());
    machine.write(DATA, handler);
    machine
}

/// Runs the guest; why it exits, and where.
fn step(guest: Guest) -> (u64, u64) {
    assert_eq!(guest.run(), GuestEnd::Exit);
    (guest.exit(), guest.get(field::GUEST_RIP))
}

pub(crate) fn an_injected_event_goes_through_the_guests_table() {
    let machine = machine_with_handler(HALT, 0x21, &[0x90, 0xf4]);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        guest.set(field::ENTRY_EVENT, EVENT_VALID | 0x21);
        assert_eq!(step(guest), (exit::HALT, DATA + 1));
        assert_eq!(guest.get(field::ENTRY_EVENT) & EVENT_VALID, 0);
        // Once only.
        guest.set(field::GUEST_RIP, CODE);
        assert_eq!(step(guest), (exit::HALT, CODE));
    });
    worker.join();
}

pub(crate) fn an_exit_tells_when_interrupts_are_taken() {
    // sti; nop; nop; hlt
    let machine = Machine::new(&[0xfb, 0x90, 0x90, 0xf4]);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        let begin = |window| {
            guest.reset();
            guest.set(field::GUEST_RFLAGS, FLAGS & !INTERRUPTS);
            guest.set(field::CPU_CONTROLS, window);
        };
        // Behind the instruction that STI shields.
        begin(INTERRUPT_WINDOW);
        assert_eq!(step(guest), (exit::INTERRUPT_WINDOW, CODE + 2));
        // It is asked for no longer.
        guest.set(field::CPU_CONTROLS, 0);
        assert_eq!(step(guest), (exit::HALT, CODE + 3));
        begin(0);
        assert_eq!(step(guest), (exit::HALT, CODE + 3));
    });
    worker.join();
}

pub(crate) fn an_interrupt_comes_between_two_instructions_and_once() {
    // vmcall; inc word [DATA + 0x100]; jmp back; the handler: inc word [DATA + 0x102]; iret
    let code = [0x0f, 0x01, 0xc1, 0xff, 0x06, 0x00, 0x21, 0xeb, 0xf7];
    let machine = machine_with_handler(&code, 0x21, &[0xff, 0x06, 0x02, 0x21, 0xcf]);
    let counters = machine.memory + DATA + 0x100;
    let worker = spawn(move || {
        let guest = machine.vcpu();
        assert_eq!(step(guest).0, exit::CALL);
        // Long enough for interrupts of the host to come in between.
        for round in 1..=500 {
            guest.skip();
            guest.set(field::ENTRY_EVENT, EVENT_VALID | 0x21);
            assert_eq!(step(guest).0, exit::CALL);
            assert_eq!(l4_test::memory::load(counters), round << 16 | round);
        }
    });
    worker.join();
}

pub(crate) fn an_nmi_keeps_off_others_until_its_handler_ends() {
    // nop; hlt; the handler: vmcall; iret
    let machine = machine_with_handler(&[0x90, 0xf4], 2, &[0x0f, 0x01, 0xc1, 0xcf]);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        guest.set(field::PIN_CONTROLS, VIRTUAL_NMIS);
        guest.set(field::ENTRY_EVENT, NMI);
        assert_eq!(step(guest), (exit::CALL, DATA));
        assert_eq!(guest.get(INTERRUPTIBILITY), IN_NMI);
        guest.skip();
        guest.set(field::CPU_CONTROLS, NMI_WINDOW);
        assert_eq!(step(guest), (exit::NMI_WINDOW, CODE));
        assert_eq!(guest.get(INTERRUPTIBILITY), 0);
        guest.set(field::CPU_CONTROLS, 0);
        assert_eq!(step(guest), (exit::HALT, CODE + 1));
    });
    worker.join();
}
