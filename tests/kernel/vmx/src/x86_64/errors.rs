//! What does not run.

use l4_test::abi::arch::x86_64::vmx::control::{LOAD_EFER, LOAD_PAT, LONG_MODE_GUEST};
use l4_test::abi::arch::x86_64::vmx::{EVENT_VALID, field};
use l4_test::abi::error::ResultCode;
use l4_test::guest::{DATA, Guest as _};
use l4_test::sys::vcpu::GuestEnd;
use l4_test::{refused as refusal, spawn};

use super::guest::{CODE_RIGHTS, Guest, HALT, INTERRUPTIBILITY, Machine, exit};

/// What the user may choose of the controls, and cannot turn off.
pub(crate) fn the_user_is_told_what_there_is() {
    Machine::new(HALT).run_prepared(
        |guest| {
            let (set, possible) = (guest.info(1) as u32, (guest.info(1) >> 32) as u32);
            // Interrupts and NMIs exit.
            assert_eq!((set & 0b1001, possible & 0b1001), (0b1001, 0b1001));
            let (set, possible) = (guest.info(2) as u32, (guest.info(2) >> 32) as u32);
            // Ports exit, bitmaps there are none.
            assert_eq!((set >> 24 & 0x13, possible >> 24 & 0x13), (1, 1));
        },
        |_| (),
    );
}

/// States that no guest can have (SDM volume 3, 27.3.1): each is all that is wrong.
const IMPOSSIBLE: &[&[(u32, u64)]] = &[
    // Paging without protection; reserved bits of CR3.
    &[(field::GUEST_CR0, 0x8000_0010)],
    &[(field::GUEST_CR3, 1 << 52)],
    // Long mode without paging; without saying so; half of it; reserved bits.
    &[(field::ENTRY_CONTROLS, LOAD_EFER | LONG_MODE_GUEST)],
    &[(field::GUEST_EFER, 0x500)],
    &[(field::GUEST_EFER, 1 << 1)],
    // A PAT with a type that is none.
    &[
        (field::ENTRY_CONTROLS, LOAD_EFER | LOAD_PAT),
        (field::GUEST_PAT, 2),
    ],
    // Flags: reserved ones, virtual 8086 mode whose segments are none.
    &[(field::GUEST_RFLAGS, 0)],
    &[(field::GUEST_RFLAGS, 1 << 17 | 2), (0x6808, 0x1234)],
    // An address without 64-bit mode.
    &[(field::GUEST_RIP, 1 << 32)],
    // Segments: no code, bases that are too high or no addresses, limits that are none.
    &[(CODE_RIGHTS, 0x92)],
    &[(CODE_RIGHTS, 1 << 16)],
    &[(0x6808, 1 << 32)],
    &[(0x680e, 1 << 60)],
    &[(0x4810, 1 << 16)],
    &[(0x4812, 1 << 16)],
    // No task state, or one that is free.
    &[(0x4822, 1 << 16)],
    &[(0x4822, 0x89)],
    // SYSENTER's address is none.
    &[(0x6826, 1 << 60)],
    // Interrupts are kept off in two ways, in a way that is none, or by STI without the flag.
    &[(INTERRUPTIBILITY, 3)],
    &[(INTERRUPTIBILITY, 1 << 5)],
    &[(INTERRUPTIBILITY, 1), (field::GUEST_RFLAGS, 2)],
    // Debug exceptions that there are not.
    &[(0x6822, 1 << 5)],
];

pub(crate) fn a_state_that_no_guest_can_have_is_told() {
    let machine = Machine::new(HALT);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        for state in IMPOSSIBLE {
            for &(field, value) in *state {
                guest.set(field, value);
            }
            let outcome = (guest.run(), guest.exit());
            assert_eq!(outcome, (GuestEnd::Exit, exit::BAD_STATE), "{state:x?}");
            guest.reset();
            assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::HALT));
            guest.reset();
        }
    });
    worker.join();
}

pub(crate) fn what_is_the_kernels_the_user_cannot_change() {
    Machine::new(HALT).run_prepared(
        |guest| {
            // Neither the controls that are forced nor those that are not offered.
            for (field, info) in [
                (field::PIN_CONTROLS, 1),
                (field::CPU_CONTROLS, 2),
                (field::EXIT_CONTROLS, 3),
                (field::CPU_CONTROLS_2, 11),
            ] {
                guest.set(field, !(guest.info(info) >> 32));
            }
            // Bitmaps; lists of registers to store and load, and how long they are; the task priority page,
            // the page table, the link, debug control, CR3 targets, and the priority below which it exits.
            for field in (0x2000..0x2010).chain(0x2012..0x2040).step_by(2) {
                guest.set(field, DATA);
            }
            for field in [
                0x2800, 0x2802, 0x400a, 0x400e, 0x4010, 0x4014, 0x401c, 0x482e,
            ] {
                guest.set(field, 1);
            }
            // The host's registers.
            for field in (0xc00..=0xc0c)
                .chain(0x2c00..=0x2c04)
                .chain(0x6c00..=0x6c16)
            {
                guest.set(field & !1, DATA);
            }
        },
        |guest| assert_eq!(guest.exit(), exit::HALT),
    );
}

pub(crate) fn bits_that_guests_do_not_have_are_off() {
    // Machine checks, VMX, SMX, protection keys.
    const BITS: u64 = 1 << 6 | 1 << 13 | 1 << 14 | 1 << 22;
    Machine::new(HALT).run_prepared(
        |guest| guest.set(field::GUEST_CR4, BITS),
        |guest| {
            assert_eq!(guest.exit(), exit::HALT);
            // While there is a host, there are VMX and machine checks.
            assert_eq!(guest.get(field::GUEST_CR4) & BITS, 1 << 13 | 1 << 6);
        },
    );
    // mov eax, cr4; or eax, BIT; mov cr4, eax
    for bit in [6, 13, 14, 22] {
        let [low, high, more, most] = u32::to_le_bytes(1 << bit);
        let code = [
            0x0f, 0x20, 0xe0, 0x66, 0x0d, low, high, more, most, 0x0f, 0x22, 0xe0,
        ];
        let reason = Machine::new(&code).run(|guest| guest.exit());
        assert_eq!(reason, exit::CONTROL_REGISTER, "{bit}");
    }
}

/// Whether the vCPU's guest is refused as `spoil` makes it, and runs as it was before.
fn refused(spoil: impl Fn(Guest) + 'static) {
    let machine = Machine::new(HALT);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        spoil(guest);
        let end = guest.vcpu.run_guest(&[]);
        assert_eq!(end, refusal(ResultCode::EINVAL));
        guest.reset();
        assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::HALT));
    });
    worker.join();
}

pub(crate) fn what_the_kernel_refuses_does_not_run() {
    // It waits for another CPU's signal, which no interrupt ends.
    refused(|guest| guest.set(field::ACTIVITY, 3));
    // No address.
    refused(|guest| {
        guest.set(field::ENTRY_CONTROLS, LOAD_EFER | LONG_MODE_GUEST);
        guest.set(field::GUEST_EFER, 0x500);
        guest.set(field::LSTAR, 1 << 60);
    });
}

pub(crate) fn what_the_processor_refuses_does_not_run() {
    // Events: an interrupt with an error code, a kind that is none, an NMI that is none, an exception that is none,
    // one with an error code in real mode.
    for event in [
        1 << 11 | 0x20,
        1 << 8,
        2 << 8 | 3,
        3 << 8 | 32,
        3 << 8 | 1 << 11 | 13,
    ] {
        refused(move |guest| guest.set(field::ENTRY_EVENT, EVENT_VALID | event));
    }
    // INT n that is longer than instructions are.
    refused(|guest| {
        guest.set(field::ENTRY_EVENT, EVENT_VALID | 4 << 8 | 0x21);
        guest.set(field::ENTRY_LENGTH, 16);
    });
    // A window for NMIs that are the host's.
    refused(|guest| guest.set(field::CPU_CONTROLS, 1 << 22));
}

pub(crate) fn no_guest_runs_without_an_extended_vcpu() {
    let machine = Machine::new(HALT);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        let state = guest.vcpu.address();
        l4_test::sys::object::Thread::SELF
            .vcpu_control(state)
            .unwrap();
        guest.vcpu.set_saved_state(l4_test::guest::GUEST);
        let end = guest.vcpu.run_guest(&[]);
        assert_eq!(end, refusal(ResultCode::EINVAL));
    });
    worker.join();
}
