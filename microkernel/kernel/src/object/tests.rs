//! What holds for objects of every kind.

use super::*;
use l4_abi::rights::CapabilityRights;

/// The slots that name an object are the ones on its list, and it counts
/// those that count.
pub(crate) fn check(cpu: &Cpu, header: &Header, slots: Vec<CapabilityRights>) {
    let common = header.common();
    let list = common.capabilities.lock();
    let mut listed = 0;
    let mut next = list.front(cpu);
    while let Some(capability) = next {
        listed += 1;
        let entry = capability.get(cpu).expect("a listed slot is full");
        assert!(entry.object.is(header), "a slot is on another's list");
        next = list.after(cpu, capability);
    }
    assert_eq!(listed, slots.len(), "slots of {:?}", common.kind);
    let counted = |rights: &&CapabilityRights| rights.contains(CapabilityRights::COUNTED);
    // Only gates can be made to count wrong (dec_refcnt).
    if common.kind != Kind::IpcGate {
        let counted = slots.iter().filter(counted).count();
        assert_eq!(common.add_counted(0), counted as i64, "{:?}", common.kind);
    }
    assert!(!common.is_doomed() || slots.is_empty(), "{:?}", common.kind);
}
