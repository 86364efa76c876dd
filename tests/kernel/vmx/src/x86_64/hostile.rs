//! Guests and VMMs that do what they should not.

use l4_test::abi::arch::x86_64::vmx::{EVENT_VALID, field};
use l4_test::abi::error::ResultCode;
use l4_test::guest::{CODE, DATA, Guest as _};
use l4_test::memory::{PAGE, store};
use l4_test::sys::vcpu::GuestEnd;
use l4_test::{refused, spawn};

use super::guest::{HALT, Machine, exit, machine_with_tables};
use super::wild::spare_the_emulator;

/// An exit by an exception: its description.
const UNDEFINED: u64 = EVENT_VALID | 3 << 8 | 6;
const PROTECTION: u64 = EVENT_VALID | 3 << 8 | 1 << 11 | 13;

/// Runs `code` in 64-bit mode, where all exceptions exit; why it exits.
fn exit_of(code: &[u8]) -> Result<u64, u64> {
    machine_with_tables(code).run_prepared(
        |guest| {
            guest.enter_long_mode(DATA);
            guest.set(field::EXCEPTION_BITMAP, u32::MAX.into());
        },
        |guest| match guest.exit() {
            exit::EXCEPTION => Err(guest.get(field::EXIT_EVENT)),
            reason => Ok(reason),
        },
    )
}

pub(crate) fn none_of_the_instructions_for_hosts_is_the_guests() {
    let cases: [(&[u8], Result<u64, u64>); 20] = [
        // invd; vmclear, vmlaunch, vmptrld, vmptrst, vmread, vmresume, vmwrite, vmxoff, vmxon; invept, invvpid
        (&[0x0f, 0x08], Ok(13)),
        (&[0x66, 0x0f, 0xc7, 0x30], Ok(19)),
        (&[0x0f, 0x01, 0xc2], Ok(20)),
        (&[0x0f, 0xc7, 0x30], Ok(21)),
        (&[0x0f, 0xc7, 0x38], Ok(22)),
        (&[0x0f, 0x78, 0xc0], Ok(23)),
        (&[0x0f, 0x01, 0xc3], Ok(24)),
        (&[0x0f, 0x79, 0xc0], Ok(25)),
        (&[0x0f, 0x01, 0xc4], Ok(26)),
        (&[0xf3, 0x0f, 0xc7, 0x30], Ok(27)),
        (&[0x66, 0x0f, 0x38, 0x80, 0x00], Ok(50)),
        (&[0x66, 0x0f, 0x38, 0x81, 0x00], Ok(53)),
        // mwait, monitor; mov to and from CR8, to DR7
        (&[0x0f, 0x01, 0xc9], Ok(36)),
        (&[0x0f, 0x01, 0xc8], Ok(39)),
        (&[0x44, 0x0f, 0x22, 0xc0], Ok(exit::CONTROL_REGISTER)),
        (&[0x44, 0x0f, 0x20, 0xc0], Ok(exit::CONTROL_REGISTER)),
        (&[0x0f, 0x23, 0xf8], Ok(exit::DEBUG_REGISTER)),
        // vmfunc, rdtscp, getsec: there are none.
        (&[0x0f, 0x01, 0xd4], Err(UNDEFINED)),
        (&[0x0f, 0x01, 0xf9], Err(UNDEFINED)),
        (&[0x0f, 0x37], Err(UNDEFINED)),
    ];
    for (code, expected) in cases {
        assert_eq!(exit_of(code), expected, "{code:x?}");
    }
}

/// What VMX and its mode want of these the processor itself keeps.
pub(crate) fn control_registers_that_the_host_needs_stay() {
    // mov rax, cr0 or cr4; btc rax, BIT; mov back; hlt. CR0: protection, numeric errors, not write-through,
    // paging; CR4: extended addresses.
    for (register, bit) in [(0, 0), (0, 5), (0, 29), (0, 31), (4, 5)] {
        let name = 0xc0 | register << 3;
        let code = [
            0x0f, 0x20, name, 0x48, 0x0f, 0xba, 0xf8, bit, 0x0f, 0x22, name, 0xf4,
        ];
        let expected = match bit {
            // A cache that is on and not written through there is none.
            29 => Ok(exit::CONTROL_REGISTER),
            _ => Err(PROTECTION),
        };
        assert_eq!(exit_of(&code), expected, "CR{register} {bit}");
    }
}

pub(crate) fn a_guest_that_can_always_be_interrupted_gets_nowhere() {
    let machine = Machine::new(HALT);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        guest.set(field::CPU_CONTROLS, 1 << 2);
        for _ in 0..500 {
            let outcome = (guest.run(), guest.exit());
            assert_eq!(outcome, (GuestEnd::Exit, exit::INTERRUPT_WINDOW));
            assert_eq!(guest.get(field::GUEST_RIP), CODE);
        }
        guest.set(field::CPU_CONTROLS, 0);
        assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::HALT));
    });
    worker.join();
}

/// It is an error or makes the guest exit, which then runs as it did before.
pub(crate) fn any_field_may_have_any_value() {
    const VALUES: [u64; 4] = [
        u64::MAX,
        0x5555_5555_5555_5555,
        0xaaaa_aaaa_aaaa_aaaa,
        0x8000_8000_8000_8001,
    ];
    /// What fields are for, and how long they are; how many of a kind are tried.
    const KINDS: u32 = 16;
    const EACH: u32 = 22;
    let machine = Machine::new(HALT);
    // Wherever it goes, it halts.
    for word in (0..4 * PAGE).step_by(8) {
        store(machine.memory + word, 0xf4f4_f4f4_f4f4_f4f4);
    }
    let worker = spawn(move || {
        let guest = machine.vcpu();
        for number in 0..KINDS * EACH {
            let (purpose, length, index) = (number & 3, number >> 2 & 3, number / KINDS);
            let field = length << 13 | purpose << 10 | index << 1;
            for value in VALUES {
                guest.set(field, value);
                spare_the_emulator(guest);
                let end = guest.vcpu.run_guest(&[]);
                assert!(
                    end == Ok(GuestEnd::Exit) || end == refused(ResultCode::EINVAL),
                    "{field:#x} {value:#x}: {end:?}"
                );
                guest.reset();
                let outcome = (guest.run(), guest.exit());
                assert_eq!(
                    outcome,
                    (GuestEnd::Exit, exit::HALT),
                    "{field:#x} {value:#x}"
                );
                guest.reset();
            }
        }
    });
    worker.join();
}
