//! Tests the ways into the kernel with a hostile thread.
//!
//! As root task it has one victim thread whose exceptions it handles. For each case it sets all of
//! the victim's registers by its answer to the exception before, and looks at the exception that
//! comes next. A kernel that panics, a missing exception, or a wrong one fails the test.
#![no_std]
#![no_main]

#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
mod arch;
mod report;
mod victim;

use core::panic::PanicInfo;

use l4_abi::capability::slot;
use l4_abi::exception::ExceptionFrame;
use l4_sys::slots::SLOTS;
use victim::Victim;

const STACK_SIZE: usize = 64 * 1024;

l4_sys::root_start!(main, STACK_SIZE);

/// One thing that the victim does.
struct Case {
    name: &'static str,
    /// Changes the registers with which it begins.
    prepare: fn(&mut ExceptionFrame),
    /// Whether the exception is the right one.
    check: fn(&ExceptionFrame) -> bool,
    /// Whether the exception must be at the place that the code marks.
    at_mark: bool,
}

/// Where a case's code begins, and the place that it marks.
#[repr(C)]
struct Code {
    start: u64,
    mark: u64,
}

extern "C" fn main(_: usize) -> ! {
    SLOTS.start_at(slot::FIRST_FREE as usize);
    let mut victim = match Victim::start() {
        Ok(victim) => victim,
        Err(error) => panic!("no victim: {error}"),
    };
    let mut failed = 0;
    for (case, code) in arch::CASES.iter().zip(&arch::CODE) {
        let mut frame = victim.fresh(code.start);
        (case.prepare)(&mut frame);
        report::line(format_args!("{}", case.name));
        let frame = victim.run(&frame);
        let in_place = !case.at_mark || frame.instruction_pointer() == code.mark;
        let verdict = if in_place && (case.check)(&frame) {
            "as it should be"
        } else {
            failed += 1;
            report::line(format_args!("marked {:#x}: {frame:x?}", code.mark));
            "wrong"
        };
        report::line(format_args!("{}: {verdict}", case.name));
    }
    assert_eq!(failed, 0, "cases have failed");
    arch::more(&mut victim);
    report::line(format_args!("random registers"));
    victim.random_registers();
    report::end()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    report::fail(info)
}
