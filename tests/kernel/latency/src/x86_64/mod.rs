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

/// Gets ports for this task.
fn ask_for(ports: Flexpage) {
    accept(&[ReceiveBuffer::WINDOW_WORD, ports.raw()]);
    let asked = Message::new(label::IO_PAGE_FAULT)
        .words(&[ports.raw(), 0x1000])
        .call(*own::pager());
    accept_nothing();
    assert_eq!(asked.outcome(), Ok(0));
}

/// Each second port by itself, so that there are no large pages.
fn single_ports() -> impl Iterator<Item = Flexpage> {
    let ports = (FIRST..FIRST + COUNT).step_by(2);
    ports.map(|port| Flexpage::io_ports(port, 0))
}

pub(crate) fn many_ports_come_and_go() {
    let all = Flexpage::io_ports(FIRST, COUNT.ilog2());
    ask_for(all);
    let task = own::factory().create_task(Flexpage::NIL).unwrap();
    let control = ItemControl::map(0, ItemFlags::empty());
    for port in single_ports() {
        task.map(own::task(), control, port).unwrap();
    }
    let own = own::task();
    own.unmap(all, UnmapMask::OTHER_SPACES).unwrap();
    task.map(own, control, all).unwrap();
    task.delete();
    own.unmap(all, UnmapMask::ALL_SPACES).unwrap();
    single_ports().for_each(ask_for);
    // Those of the first page, which are looked at too.
    (0..0x100).for_each(|port| ask_for(Flexpage::io_ports(port, 0)));
    // SAFETY: nothing listens to the port.
    unsafe { asm!("in al, dx", in("dx") FIRST, out("al") _) };
    own.unmap(all, UnmapMask::ALL_SPACES).unwrap();
}
