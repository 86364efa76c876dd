//! Threads without a stack.

use core::arch::naked_asm;

use l4_test::abi::operation::{Destination, Operation};
use l4_test::abi::utcb::BUFFERS_OFFSET;
use l4_test::sys::Selector;

use crate::crowd::DEADLINE;

/// First instructions of a thread of the crowd, and all.
#[unsafe(naked)]
pub(crate) extern "C" fn call_and_sleep() -> ! {
    naked_asm!(
        "ldp x0, x2, [sp], #16",
        "ldp x1, x3, [sp], #16",
        "ldr x5, [sp]",
        "mrs x6, tpidrro_el0",
        "str x5, [x6, {deadline}]",
        "svc #0",
        "2:",
        "mov x0, xzr",
        "ldr x2, ={sleep}",
        "mov x1, xzr",
        "mov x3, xzr",
        "svc #0",
        "b 2b",
        deadline = const BUFFERS_OFFSET + DEADLINE * 8,
        sleep = const Destination::new(Selector::INVALID, Operation::RECEIVE).raw(),
    )
}

/// There are none.
pub(crate) fn many_ports_come_and_go() {}
