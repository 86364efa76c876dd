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
