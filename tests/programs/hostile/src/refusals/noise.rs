//! Random messages to the servers: whatever they say, the next sensible one must work.

use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::protocol::label;
use l4_abi::utcb::MESSAGE_REGISTERS;
use l4_rt::{CapabilityRights, env};
use l4_sys::{Object, Selector, Utcb};
use l4re::mem_alloc::DataspaceFlags;
use l4re::region_map::Flags;

use crate::raw::{Random, send};

const MESSAGES: u32 = 1500;

pub(super) fn check() -> l4_rt::Result {
    let mut random = Random(0x5eed);
    let dataspace = env::mem_alloc().create_dataspace(8 << 12, DataspaceFlags::empty(), 0)?;
    let map = env::mem_alloc().create_region_map()?;
    let names = env::mem_alloc().create_namespace()?;
    let targets = [
        (dataspace.selector(), label::DATASPACE),
        (map.selector(), label::REGION_MAP),
        (names.selector(), label::NAMESPACE),
        (env::mem_alloc().selector(), label::FACTORY),
        (env::scheduler().selector(), label::SCHEDULER),
    ];
    for number in 0..MESSAGES {
        let (target, protocol) = targets[number as usize % targets.len()];
        send_noise(&mut random, target, protocol);
    }
    // An own region map may be in any state; what it answers is still sound.
    let _ = map.find(0, u64::MAX);
    let passed = dataspace.pass(CapabilityRights::RW);
    let start = env::region_map().attach_anywhere(passed, 0, 1 << 12, Flags::RW)?;
    env::region_map().detach_range(start, 1 << 12)?;
    Ok(())
}

/// Operations of a region map.
const OPCODES: u64 = 11;

fn send_noise(random: &mut Random, target: Selector, protocol: i64) {
    let utcb = Utcb::current();
    for register in 0..MESSAGE_REGISTERS {
        utcb.set_message(register, random.interesting());
    }
    // Mostly an opcode that exists, and a length that might be right.
    utcb.set_message(0, random.next() % (OPCODES + 1));
    let words = (random.next() % 12) as usize;
    let items = (random.next() % 3) as usize;
    for item in 0..items {
        let register = words + 2 * item;
        utcb.set_message(register, 8 | random.next() & 0xf0);
        let capability = random.next() % 0x40;
        utcb.set_message(register + 1, capability << 12 | 0x30 | random.next() & 0xf);
    }
    // Room for what an answer may bring, in a slot that is used for nothing else.
    utcb.set_buffer(0, 0x2345 << 12 | 0xa);
    utcb.set_buffer(1, 0);
    let _ = send(
        target,
        MessageTag::new(protocol, words, items, TagFlags::empty()),
    );
}
