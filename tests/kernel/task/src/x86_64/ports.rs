//! I/O ports that the CPU lets a task use.

use core::arch::asm;

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::ReceiveBuffer;
use l4_test::abi::protocol::label;
use l4_test::message::{accept, accept_nothing};
use l4_test::other_task::{End, OtherTask};
use l4_test::{Message, own};

/// Writes a diagnostic code, which has no effect.
fn write() -> u64 {
    // SAFETY: nothing happens, or an exception.
    unsafe { asm!("out 0x80, al", in("al") 0_u8, options(nomem, nostack, preserves_flags)) };
    0
}

pub(super) fn tasks_do_not_use_those_of_others() {
    let other = OtherTask::new();
    accept(&[ReceiveBuffer::WINDOW_WORD, Flexpage::io_ports(0, 16).raw()]);
    let request = [Flexpage::io_ports(0x80, 0).raw(), 0];
    let given = Message::new(label::IO_PAGE_FAULT)
        .words(&request)
        .call(*own::pager());
    accept_nothing();
    assert_eq!(given.outcome(), Ok(0));
    write();
    assert_eq!(other.run(write), End::Exception);
    write();
}
