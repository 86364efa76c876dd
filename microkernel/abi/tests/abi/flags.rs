use l4_abi::message_tag::TagFlags;
use l4_abi::rights::CapabilityRights;

#[test]
fn sets_are_made_of_bits_and_told_by_name() {
    let rights = CapabilityRights::READ | CapabilityRights::WRITE;
    assert_eq!(rights, CapabilityRights::RW);
    assert_eq!(rights - CapabilityRights::READ, CapabilityRights::WRITE);
    assert!(rights.contains(CapabilityRights::READ));
    assert!(!rights.contains(CapabilityRights::RS) && rights.intersects(CapabilityRights::RS));
    assert_eq!(format!("{rights:?}"), "CapabilityRights(WRITE | READ)");
    assert_eq!(
        format!("{:?}", CapabilityRights::empty()),
        "CapabilityRights(0x0)"
    );
}

#[test]
fn bits_without_a_name_are_kept_cut_off_or_refused() {
    let bits = TagFlags::ERROR.bits() | 1;
    assert_eq!(TagFlags::from_bits(bits), None);
    assert_eq!(TagFlags::from_bits_truncate(bits), TagFlags::ERROR);
    let kept = TagFlags::from_bits_retain(bits);
    assert_eq!(format!("{kept:?}"), "TagFlags(ERROR | 0x1)");
}
