//! Segment descriptors that go away while a thread uses them: the return to user mode faults in the
//! kernel, and the fault has to be the thread's.

use core::arch::global_asm;

use l4_abi::exception::ExceptionFrame;
use l4_abi::message_tag::MessageTag;
use l4_abi::protocol::label;
use l4_abi::protocol::thread::OpcodeX86;
use l4_abi::timeout::TimeoutPair;
use l4_sys::{Object, Utcb, ipc};

use crate::Code;
use crate::victim::Victim;

/// A 32-bit code segment of the user.
const CODE_32: u64 = 0x00cf_fb00_0000_ffff;
/// The selector of a thread's first descriptor.
const FIRST_SELECTOR: u64 = 0x5b;

global_asm!(
    ".pushsection .rodata.segments, \"a\", @progbits",
    ".balign 8",
    ".global entry_test_segments",
    "entry_test_segments:",
    ".quad 1f, 2f",
    ".quad 4f, 5f",
    ".popsection",
    ".pushsection .text.cases, \"ax\", @progbits",
    "1: push 0x5b",
    "lea rcx, [rip + 3f]",
    "sub rsp, 4",
    "mov [rsp], ecx",
    "jmp fword ptr [rsp]",
    ".code32",
    "3: nop",
    "2: ud2",
    "4: push 0x2b",
    "push esi",
    "jmp fword ptr [esp]",
    ".code64",
    "5: ud2",
    ".popsection",
);

unsafe extern "C" {
    #[link_name = "entry_test_segments"]
    safe static CODE: [Code; 2];
}

pub(super) fn descriptor_goes_away_under_a_thread(victim: &mut Victim) {
    let set = |victim: &Victim, descriptor| {
        Utcb::current().set_messages(&[OpcodeX86::Gdt.word(), 0, descriptor]);
        let tag = MessageTag::words_only(label::THREAD, 3);
        match ipc::call(victim.thread.selector(), tag, TimeoutPair::NEVER) {
            Ok(answer) => answer.label(),
            Err(error) => panic!("no descriptor can be set: {error}"),
        }
    };
    let run = |victim: &mut Victim, frame: &ExceptionFrame| match victim.run(frame) {
        Some(frame) => frame,
        None => panic!("no exception came"),
    };
    let [enter, leave] = &CODE;
    // A call gate into the kernel.
    assert!(
        set(victim, 0x0000_ec00_0008_0000) < 0,
        "a gate was accepted"
    );
    assert_eq!(set(victim, CODE_32), FIRST_SELECTOR as i64);

    let frame = victim.fresh(enter.start);
    let frame = run(victim, &frame);
    assert_eq!(
        (frame.trap, frame.cs, frame.rip),
        (6, FIRST_SELECTOR, enter.mark)
    );

    assert_eq!(set(victim, 0), FIRST_SELECTOR as i64);
    let frame = run(victim, &frame);
    assert_eq!((frame.trap, frame.error), (13, FIRST_SELECTOR & !3));
    assert_eq!(
        (frame.cs, frame.rip, frame.r15),
        (FIRST_SELECTOR, enter.mark, 15)
    );

    assert_eq!(set(victim, CODE_32), FIRST_SELECTOR as i64);
    let mut frame = victim.fresh(leave.start);
    frame.rsi = leave.mark;
    let frame = run(victim, &frame);
    assert_eq!((frame.trap, frame.cs, frame.rip), (6, 0x2b, leave.mark));
}
