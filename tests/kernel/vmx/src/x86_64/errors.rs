//! What does not run.

use l4_test::abi::arch::x86_64::vmx::control::{LOAD_EFER, LONG_MODE_GUEST};
use l4_test::abi::arch::x86_64::vmx::{EVENT_VALID, field};
use l4_test::abi::error::ResultCode;
use l4_test::guest::Guest as _;
use l4_test::sys::vcpu::GuestEnd;
use l4_test::{refused as refusal, spawn};

use super::guest::{Guest, HALT, Machine, exit};

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

pub(crate) fn a_state_that_no_guest_can_have_is_told() {
    let machine = Machine::new(HALT);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        // No task state; reserved flags; CR3 beyond the memory.
        for (field, value) in [(0x4822, 1 << 16), (field::GUEST_RFLAGS, 0), (0x4824, 3)] {
            guest.set(field, value);
            assert_eq!(
                (guest.run(), guest.exit()),
                (GuestEnd::Exit, exit::BAD_STATE)
            );
            guest.reset();
            assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::HALT));
            guest.reset();
        }
    });
    worker.join();
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
    // An interrupt with an error code.
    let event = EVENT_VALID | 1 << 11 | 0x20;
    refused(move |guest| guest.set(field::ENTRY_EVENT, event));
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
