//! Requests to the kernel's objects that make no sense.

use l4_abi::error::ResultCode;
use l4_abi::flexpage::Flexpage;
use l4_abi::protocol::label;
use l4_abi::protocol::scheduler::Opcode;
use l4_abi::rights::MemoryRights;
use l4_rt::env;
use l4_sys::Object;
use l4_sys::object::Control;

use super::{not_accepted, refused_with};
use crate::raw::{Answer, call};

/// UTCBs lie in kernel-user memory, or nowhere.
pub(super) fn utcbs() -> l4_rt::Result {
    let thread = env::factory().create_thread()?;
    for utcb in [
        0,
        0x1000,
        0x100_0000,
        0xb300_0004,
        0xb300_1fff,
        0xffff_ffff_8000_0000,
        !7,
    ] {
        let bind = Some((env::task(), utcb));
        refused_with(
            thread.control(Control {
                bind,
                ..Control::default()
            }),
            ResultCode::EINVAL,
        );
    }
    for (address, order) in [
        (0x100_0000, 11),
        (0xb300_0000, 12),
        (0xffff_8000_0000_0000, 12),
    ] {
        let area = Flexpage::memory(address, order, MemoryRights::RW);
        assert!(
            env::task().add_kernel_user_memory(area).is_err(),
            "{address:#x}"
        );
        assert!(env::factory().create_task(area).is_err() || address == 0xb300_0000);
    }
    Ok(())
}

/// Quotas that nobody has, types that do not exist, arguments that are none.
pub(super) fn factory() -> l4_rt::Result {
    let factory = env::factory();
    for quota in [0, 1 << 30, 1 << 40, u64::MAX, i64::MAX as u64] {
        refused_with(factory.create_factory(quota), ResultCode::ENOMEM);
    }
    for kind in [-9, -13, -14, 0x4000, i64::MIN, 1] {
        let answer = call(factory.selector(), label::FACTORY, &[kind as u64, 0, 0], 0);
        not_accepted(answer);
    }
    Ok(())
}

/// Whatever is asked for, the thread runs no more urgently than its component may: the witness would
/// notice. What is no priority at all is refused.
pub(super) fn priorities() -> l4_rt::Result {
    let run = |priority: u64| {
        let thread = env::main_thread().selector().raw() | 0x37;
        let words = [Opcode::RunThread.word(), 0, 1, priority, 0, 8, thread];
        call(env::scheduler().selector(), label::SCHEDULER, &words, 1)
    };
    for priority in [255, 256, u16::MAX.into(), i64::MAX as u64] {
        assert_eq!(run(priority), Answer::Accepted(0), "priority {priority}");
    }
    for priority in [0, i64::MIN as u64, u64::MAX] {
        not_accepted(run(priority));
    }
    Ok(())
}
