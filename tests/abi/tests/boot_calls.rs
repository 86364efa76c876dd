//! `l4-abi` knows everything that the stock programs do while they boot, and takes it apart right.

use abi_vectors::boot::{BootCall, boot_calls};
use l4_abi::error::ResultCode;
use l4_abi::item::{ITEM_WORDS, ReceivedItem, SendItem};
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::operation::Operation;
use l4_abi::protocol::*;
use l4_abi::timeout::{Expiry, TimeoutPair};

/// How many calls the programs made.
const CALLS: usize = 2581;

/// Protocols whose operations have 32 bits; what lies in the upper half of the word is stale.
const NARROW: [i64; 6] = [
    label::META,
    label::DATASPACE,
    label::NAMESPACE,
    label::REGION_MAP,
    label::ITAS,
    label::MEM_ALLOC,
];

fn tag(call: &BootCall) -> MessageTag {
    MessageTag::from_raw(call.tag)
}

/// The items of a message: pairs of words behind its words.
fn items(tag: MessageTag, message: &[u64]) -> Vec<[u64; ITEM_WORDS]> {
    let items = message[tag.words()..].as_chunks();
    assert_eq!(items.1, []);
    items.0.to_vec()
}

/// Whether there is such an operation.
fn is_known(label: i64, word: u64) -> bool {
    let opcode = if NARROW.contains(&label) {
        word & u64::from(u32::MAX)
    } else {
        word & thread::OPCODE_MASK
    };
    match label {
        label::IRQ => icu::Opcode::from_word(opcode).is_some(),
        label::PAGE_FAULT => true,
        label::SIGMA0 => sigma0::Request::from_request_word(word).is_some(),
        label::KERNEL_OBJECT => ipc_gate::Opcode::from_word(opcode).is_some(),
        label::TASK => task::Opcode::from_word(opcode).is_some(),
        label::THREAD => {
            thread::Opcode::from_word(opcode).is_some()
                || thread::OpcodeX86::from_word(opcode).is_some()
        }
        label::LOG => log::Opcode::from_word(opcode).is_some(),
        label::SCHEDULER => scheduler::Opcode::from_word(opcode).is_some(),
        label::FACTORY => {
            let servers = [
                label::SIGMA0,
                label::DATASPACE,
                label::REGION_MAP,
                label::LOG,
            ];
            factory::ObjectType::from_word(word).is_some() || servers.contains(&(word as i64))
        }
        label::SEMAPHORE => semaphore::Opcode::from_word(opcode).is_some(),
        // What servers do is declared in `l4re`.
        label::META => opcode <= 2,
        label::DEBUGGER => debugger::ObjectOpcode::from_word(opcode).is_some(),
        label::DATASPACE => opcode <= 5,
        label::NAMESPACE => [0, 1, 3].contains(&opcode),
        label::REGION_MAP => opcode <= 10,
        // The reference system's server of signals and timers, which this one does not have.
        label::ITAS => opcode <= 8,
        // Among themselves programs may use any label.
        _ => label >= 0,
    }
}

#[test]
fn every_call_is_there() {
    let calls = boot_calls();
    assert_eq!(calls.iter().map(|call| call.count).sum::<usize>(), CALLS);
}

#[test]
fn every_operation_is_one_of_ours() {
    for call in boot_calls() {
        // A bare trigger has no words.
        let known = call
            .message
            .first()
            .map_or(tag(&call).label() == label::IRQ, |word| {
                is_known(tag(&call).label(), *word)
            });
        assert!(known, "{}", call.line);
    }
    for (label, word) in [
        (label::TASK, 0x77),
        (label::SIGMA0, 0x60),
        (label::FACTORY, 5),
    ] {
        assert!(!is_known(label, word), "the check itself sees strangers");
    }
}

#[test]
fn calls_and_sends_are_the_phases() {
    for call in boot_calls() {
        let operation = match call.phases {
            "SR" => Operation::CALL,
            "S" => Operation::SEND,
            other => panic!("{other}: {}", call.line),
        };
        assert_eq!(call.answer.is_some(), operation == Operation::CALL);
        let timeouts = TimeoutPair::from_raw(call.timeouts);
        let rebuilt = TimeoutPair::new(timeouts.send(), timeouts.receive());
        assert_eq!(rebuilt, timeouts, "{}", call.line);
        // Only a trigger does not wait for ever.
        let waits = timeouts.send().expiry() == Expiry::Never;
        assert_eq!(
            waits,
            tag(&call).label() != label::IRQ || tag(&call).words() > 0
        );
    }
}

#[test]
fn requests_survive_taking_apart() {
    for call in boot_calls() {
        let tag = tag(&call);
        let rebuilt = MessageTag::new(tag.label(), tag.words(), tag.items(), tag.flags());
        assert_eq!(rebuilt, tag, "{}", call.line);
        assert!(TagFlags::all().contains(tag.flags()));
        let items = items(tag, &call.message);
        assert_eq!(items.len(), tag.items(), "{}", call.line);
        for [control, flexpage] in items {
            let item = SendItem::decode(control, flexpage);
            assert_eq!(item.map(SendItem::words), Ok([control, flexpage]));
        }
    }
}

#[test]
fn answers_survive_taking_apart() {
    for call in boot_calls() {
        let Some((raw, message)) = &call.answer else {
            continue;
        };
        let tag = MessageTag::from_raw(*raw);
        for [control, second] in items(tag, message) {
            let item = ReceivedItem::decode(control, second);
            let item = item.unwrap_or_else(|| panic!("no item: {}", call.line));
            assert_eq!(item.control_word(), control, "{}", call.line);
            // What an item does not say of the second word is left as it was.
            assert!(item.second_word().is_none_or(|word| word == second));
        }
        assert_eq!(ResultCode::from_label(tag.label()), None, "it succeeded");
    }
}
