use l4_abi::arch::aarch64::vm::{Hcr, VirtualTimerConfig};
use l4_abi::arch::x86_64::vm::{XCR0_OFFSET, forced_intercept};
use l4_abi::capability::Selector;
use l4_abi::vcpu::{UserTask, UserTaskChange};

#[test]
fn the_low_nibble_of_the_user_task_is_a_command() {
    let task = UserTask::new(Selector::new(5));
    assert_eq!(task.change(), UserTaskChange::LookUp(5));
    assert_eq!(task.cached().change(), UserTaskChange::Keep);
    assert_eq!(UserTask::from_raw(0x5008).change(), UserTaskChange::Drop);
    assert_eq!(UserTask::from_raw(0x5002).change(), UserTaskChange::Keep);
    assert_eq!(
        UserTask::new(Selector::INVALID).change(),
        UserTaskChange::Keep
    );
}

#[test]
fn a_virtual_timer_is_configured_by_one_word() {
    let config = VirtualTimerConfig::from_raw(0xa003_001b);
    assert_eq!((config.interrupt(), config.priority()), (27, 0xa0));
    assert!(config.is_direct() && config.is_enabled());
    assert!(!VirtualTimerConfig::from_raw(27).is_enabled());
}

#[test]
fn what_the_kernel_forces_on_a_guest() {
    assert_eq!(Hcr::FORCED.bits(), 0x38_0038_003f);
    assert_eq!(XCR0_OFFSET, 0x698);
    assert_eq!(forced_intercept::INSTRUCTIONS_0, 0xf940_800f);
    assert_eq!(forced_intercept::INSTRUCTIONS_1, 0x2cff);
    assert_eq!(forced_intercept::EXCEPTIONS, 0x2_0002);
}
