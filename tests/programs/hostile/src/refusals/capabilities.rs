//! Capabilities that the component does not have, or not with these rights.

use l4_abi::capability::{Selector, slot};
use l4_abi::error::IpcError;
use l4_abi::flexpage::Flexpage;
use l4_abi::item::{ItemControl, ItemFlags};
use l4_abi::protocol::label;
use l4_abi::rights::MemoryRights;
use l4_rt::{Cap, CapabilityRights, env};
use l4_sys::Object;
use l4_sys::object::{IpcGate, Task};

use super::{failed, not_accepted};
use crate::raw::{Answer, call};

pub(super) fn check() -> l4_rt::Result {
    let gone = IpcError::NOT_EXISTENT;
    // The kernel's own objects, where the first programs have them.
    for index in [slot::ICU, slot::PAGER, slot::IOMMU, slot::SMC, 0, 9] {
        failed(call(Selector::new(index), label::NONE, &[1, 0], 0), gone);
    }
    for index in [
        0x100,
        0x7fff,
        0xffff,
        0x1_0000,
        0xf_ffff_ffff,
        (1 << 52) - 1,
    ] {
        failed(call(Selector::new(index), label::NONE, &[0], 0), gone);
        failed(
            call(Selector::reply(index), label::NONE, &[0], 0),
            IpcError::SEND_TIMEOUT,
        );
    }
    channel_of_another()?;
    objects_of_others()
}

/// A client can call through its channel, but not take it over.
fn channel_of_another() -> l4_rt::Result {
    let channel = env::cap::<IpcGate>("channel")?;
    // Without the server right this is a message to whoever serves it: nobody does.
    assert!(not_bound(channel), "a client bound the channel");
    Task::SELF.delete_object(channel.selector())?;
    failed(
        call(channel.selector(), label::NONE, &[0], 0),
        IpcError::NOT_EXISTENT,
    );
    Ok(())
}

fn not_bound(channel: Cap<IpcGate>) -> bool {
    let words = [0x10, 0x1230, 8, env::main_thread().selector().raw() | 0x37];
    !matches!(
        call(channel.selector(), label::KERNEL_OBJECT, &words, 1),
        Answer::Accepted(_)
    )
}

/// Deleting what was given without the D right removes the own capability only.
fn objects_of_others() -> l4_rt::Result {
    let map = env::region_map().selector();
    let spare = Selector::new(0x1234);
    let rights = CapabilityRights::RWSD;
    env::task().map_capability(Cap::<IpcGate>::new(map), spare.index(), rights)?;
    Task::SELF.delete_object(spare)?;
    if env::region_map().find(0x100_0000, 1).is_err() {
        return Err("the region map was deleted".into());
    }
    // Memory of the kernel and of others is not there to be mapped.
    for address in [0, 0x10_0000, 0xffff_8000_0000_0000, !0xfff] {
        let control = ItemControl::map(0x7000_0000, ItemFlags::empty());
        let page = Flexpage::memory(address, 12, MemoryRights::RWX);
        env::task().map(env::task(), control, page)?;
    }
    not_accepted(call(spare, label::NONE, &[0], 0));
    Ok(())
}
