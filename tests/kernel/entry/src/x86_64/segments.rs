//! Segment descriptors that go away while a thread uses them: the return to user mode faults in the
//! kernel, and the fault has to be the thread's.

use core::arch::global_asm;

use l4_abi::capability::slot;
use l4_abi::message_tag::MessageTag;
use l4_abi::protocol::label;
use l4_abi::protocol::task::Opcode;
use l4_abi::protocol::thread::OpcodeX86;
use l4_abi::timeout::TimeoutPair;
use l4_sys::{Object, Selector, Utcb, ipc};

use crate::Code;
use crate::victim::Victim;

/// A 32-bit code segment of the user.
const CODE_32: u64 = 0x00cf_fb00_0000_ffff;
/// The selectors of a thread's first descriptor, and of its task's.
const OF_THREAD: u64 = 0x5b;
const OF_TASK: u64 = 0x07;

global_asm!(
    ".pushsection .rodata.segments, \"a\", @progbits",
    ".balign 8",
    ".global entry_test_segments",
    "entry_test_segments:",
    ".quad 1f, 2f",
    ".quad 4f, 5f",
    ".popsection",
    ".pushsection .text.cases, \"ax\", @progbits",
    "1: push rdi",
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

/// Sets the first descriptor; whether the kernel takes it.
fn set(victim: &Victim, selector: u64, descriptor: u64) -> bool {
    let (object, protocol, opcode) = match selector {
        OF_THREAD => (
            victim.thread.selector(),
            label::THREAD,
            OpcodeX86::Gdt.word(),
        ),
        _ => (
            Selector::new(slot::TASK),
            label::TASK,
            Opcode::LdtSet.word(),
        ),
    };
    Utcb::current().set_messages(&[opcode, 0, descriptor]);
    let tag = MessageTag::words_only(protocol, 3);
    match ipc::call(object, tag, TimeoutPair::NEVER) {
        Ok(answer) => answer.label() >= 0,
        Err(error) => panic!("no descriptor can be set: {error}"),
    }
}

pub(super) fn descriptor_goes_away_under_a_thread(victim: &mut Victim) {
    for selector in [OF_THREAD, OF_TASK] {
        descriptor_goes_away(victim, selector);
    }
}

fn descriptor_goes_away(victim: &mut Victim, selector: u64) {
    let [enter, leave] = &CODE;
    // A call gate into the kernel.
    const GATE: u64 = 0x0000_ec00_0008_0000;
    assert!(!set(victim, selector, GATE), "a gate was accepted");
    assert!(set(victim, selector, CODE_32));

    let mut frame = victim.fresh(enter.start);
    frame.rdi = selector;
    let frame = victim.run(&frame);
    assert_eq!((frame.trap, frame.cs, frame.rip), (6, selector, enter.mark));

    assert!(set(victim, selector, 0));
    let frame = victim.run(&frame);
    assert_eq!((frame.trap, frame.error), (13, selector & !3));
    assert_eq!((frame.cs, frame.rip, frame.r15), (selector, enter.mark, 15));

    assert!(set(victim, selector, CODE_32));
    let mut frame = victim.fresh(leave.start);
    frame.rsi = leave.mark;
    let frame = victim.run(&frame);
    assert_eq!((frame.trap, frame.cs, frame.rip), (6, 0x2b, leave.mark));
}
