//! Threads without a stack, and I/O ports.

use core::arch::{asm, naked_asm};

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags, ReceiveBuffer};
use l4_test::abi::operation::{Destination, Operation};
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::utcb::BUFFERS_OFFSET;
use l4_test::message::{accept, accept_nothing};
use l4_test::sys::Selector;
use l4_test::{Message, own};

use crate::crowd::DEADLINE;

/// First instructions of a thread of the crowd, and all.
#[unsafe(naked)]
pub(crate) extern "C" fn call_and_sleep() -> ! {
    naked_asm!(
        "pop rax",
        "pop rdx",
        "pop rsi",
        "pop r8",
        "pop rcx",
        "mov r11, gs:0",
        "mov [r11 + {deadline}], rcx",
        "syscall",
        "2:",
        "xor eax, eax",
        "mov rdx, {sleep}",
        "xor esi, esi",
        "xor r8d, r8d",
        "syscall",
        "jmp 2b",
        deadline = const BUFFERS_OFFSET + DEADLINE * 8,
        sleep = const Destination::new(Selector::INVALID, Operation::RECEIVE).raw(),
    )
}

/// Ports that nothing listens to.
const FIRST: u16 = 0x8000;
const COUNT: u16 = 0x4000;

pub(crate) fn many_ports_come_and_go() {
    let all = Flexpage::io_ports(FIRST, COUNT.ilog2());
    accept(&[ReceiveBuffer::WINDOW_WORD, all.raw()]);
    let asked = Message::new(label::IO_PAGE_FAULT)
        .words(&[all.raw(), 0x1000])
        .call(*own::pager());
    accept_nothing();
    assert_eq!(asked.outcome(), Ok(0));
    // Each by itself, so that there are no large pages.
    let task = own::factory().create_task(Flexpage::NIL).unwrap();
    let control = ItemControl::map(0, ItemFlags::empty());
    for port in (FIRST..FIRST + COUNT).step_by(2) {
        let port = Flexpage::io_ports(port, 0);
        task.map(own::task(), control, port).unwrap();
    }
    let back = own::task();
    (back.unmap(all, UnmapMask::OTHER_SPACES)).unwrap();
    task.map(own::task(), control, all).unwrap();
    // SAFETY: nothing listens to the port.
    unsafe { asm!("in al, dx", in("dx") FIRST + 1, out("al") _) };
    task.delete();
}
