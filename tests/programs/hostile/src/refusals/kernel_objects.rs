//! Requests to the kernel's objects that make no sense.

use l4_abi::capability::Selector;
use l4_abi::error::ResultCode;
use l4_abi::flexpage::Flexpage;
use l4_abi::protocol::label;
use l4_abi::rights::MemoryRights;
use l4_rt::env;
use l4_sys::Object;
use l4_sys::object::Control;

use super::{not_accepted, refused, refused_with};
use crate::raw::call;

pub(super) fn check() -> l4_rt::Result {
    protocols_and_opcodes();
    utcbs()?;
    factory()
}

fn protocols_and_opcodes() {
    let own = [
        (env::task().selector(), label::TASK),
        (env::factory().selector(), label::FACTORY),
        (env::main_thread().selector(), label::THREAD),
    ];
    for (object, protocol) in own {
        for wrong in [
            0x4000,
            label::LOG,
            label::SCHEDULER,
            label::META,
            label::SIGMA0,
        ] {
            // A message to a thread under another label is an IPC to it: nobody waits for that.
            not_accepted(call(object, wrong, &[0, 0, 0], 0));
        }
        for opcode in [0x20, 0x77, 0xffff] {
            not_accepted(call(object, protocol, &[opcode, 0, 0], 0));
        }
        not_accepted(call(object, protocol, &[u64::MAX; 63], 0));
    }
    refused(
        call(env::task().selector(), label::TASK, &[0x20], 0),
        ResultCode::ENOSYS,
    );
    refused(
        call(env::factory().selector(), label::FACTORY, &[], 0),
        ResultCode::EMSGTOOSHORT,
    );
}

/// UTCBs lie in kernel-user memory, or nowhere.
fn utcbs() -> l4_rt::Result {
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
fn factory() -> l4_rt::Result {
    let factory = env::factory();
    for quota in [0, 1 << 30, 1 << 40, u64::MAX, i64::MAX as u64] {
        refused_with(factory.create_factory(quota), ResultCode::ENOMEM);
    }
    for kind in [-9, -13, -14, 0x4000, i64::MIN, 1] {
        let answer = call(factory.selector(), label::FACTORY, &[kind as u64, 0, 0], 0);
        not_accepted(answer);
    }
    // A gate to a thread that is none, and with a label that would forge rights.
    let thread = env::main_thread().selector().raw() | 0x37;
    let none = Selector::new(0x333).raw() | 0x37;
    not_accepted(call(
        factory.selector(),
        label::FACTORY,
        &[0, 0x80001, 0, 8, none],
        1,
    ));
    not_accepted(call(
        factory.selector(),
        label::FACTORY,
        &[0, 0x80001, 3, 8, thread],
        1,
    ));
    Ok(())
}
