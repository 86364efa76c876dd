//! Capabilities that the component does not have, or not with these rights.

use l4_abi::capability::{OBJECT_SPACE_SLOTS, Selector, slot};
use l4_abi::error::IpcError;
use l4_abi::flexpage::Flexpage;
use l4_abi::item::{ItemControl, ItemFlags};
use l4_abi::l4re::slot as program;
use l4_abi::protocol::label;
use l4_abi::rights::MemoryRights;
use l4_rt::{Cap, CapabilityRights, env};
use l4_sys::object::{IpcGate, Task};
use l4_sys::slots::SLOTS;
use l4_sys::{AnyObject, Object};

use super::{failed, not_accepted};
use crate::raw::{Answer, call};

/// All that the description gives to this component.
const GIVEN: [u64; 11] = [
    slot::TASK,
    slot::FACTORY,
    slot::THREAD,
    slot::LOG,
    slot::SCHEDULER,
    program::REGION_MAP,
    program::MEM_ALLOC,
    program::PARENT,
    program::KIP,
    // The channel, and the namespace of boot modules.
    program::FIRST_NAMED,
    program::FIRST_NAMED + 1,
];
/// A slot that nothing else uses.
const SPARE: Selector = Selector::new(0xf000);

pub(super) fn empty_slots() -> l4_rt::Result {
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
    Ok(())
}

/// Looks into every slot that there is.
pub(super) fn more_than_was_given() -> l4_rt::Result {
    let first_own = program::FIRST_NAMED + 2;
    let mut made_by_itself = 0;
    for index in 0..OBJECT_SPACE_SLOTS {
        let is_filled = Task::SELF.is_valid(Cap::<AnyObject>::at(index))?;
        if index < first_own {
            assert_eq!(is_filled, GIVEN.contains(&index), "slot {index:#x}");
        } else if is_filled {
            made_by_itself += 1;
        }
    }
    assert!(made_by_itself <= SLOTS.used(), "{made_by_itself} slots");
    Ok(())
}

/// The D right would let a component destroy what others use too.
pub(super) fn destruction() -> l4_rt::Result {
    for index in GIVEN {
        let given = Cap::<AnyObject>::at(index);
        let rights = CapabilityRights::RWSD;
        env::task().map_capability(given, SPARE.index(), rights)?;
        Task::SELF.delete_object(SPARE)?;
        assert!(
            Task::SELF.is_valid(given)?,
            "slot {index:#x} can be deleted"
        );
    }
    Ok(())
}

/// A client can call through its channel, but not take it over.
pub(super) fn channel_of_another() -> l4_rt::Result {
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

/// Memory of the kernel and of others is not there to be mapped.
pub(super) fn memory_of_others() -> l4_rt::Result {
    for address in [0, 0x10_0000, 0xffff_8000_0000_0000, !0xfff] {
        let control = ItemControl::map(0x7000_0000, ItemFlags::empty());
        let page = Flexpage::memory(address, 12, MemoryRights::RWX);
        env::task().map(env::task(), control, page)?;
    }
    not_accepted(call(SPARE, label::NONE, &[0], 0));
    Ok(())
}
