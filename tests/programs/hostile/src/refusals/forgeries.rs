//! Flexpages, items and labels as nobody should make them.

use l4_abi::capability::Selector;
use l4_abi::flexpage::{Flexpage, Space};
use l4_abi::item::ItemControl;
use l4_abi::protocol::label;
use l4_abi::protocol::task::UnmapMask;
use l4_rt::{CapabilityRights, env};
use l4_sys::Object;

use super::capabilities::more_than_was_given;
use super::not_accepted;
use crate::raw::call;

/// The first of some slots that nothing else uses.
const SPARE: u64 = 0xc000;
/// Their number, as a power of two.
const SPARE_ORDER: u32 = 12;

/// Flexpages that cover everything, nothing, or what is not there, in each space, with all rights.
fn forged() -> impl Iterator<Item = Flexpage> {
    // Rights, space, order and address (abi/01).
    let spaces = [0x00, 0x10, 0x20, 0x30];
    let orders = [0, 1, 11, 12, 13, 16, 31, 32, 48, 52, 63];
    let addresses = [0, 0x1000, 0x8000_0000_0000, 0xffff_8000_0000_0000, !0xfff];
    spaces.into_iter().flat_map(move |space| {
        orders.into_iter().flat_map(move |order| {
            addresses.map(|address| Flexpage::from_raw(address | order << 6 | space | 0xf))
        })
    })
}

/// Mapping from the own task to itself gives nothing that was not there.
pub(super) fn flexpages() -> l4_rt::Result {
    for flexpage in forged() {
        // Some of it is no flexpage, and what that answers is all one.
        if flexpage.space() != Some(Space::Object) {
            let in_place = ItemControl::from_raw(flexpage.raw() & !0xfff | 8);
            let _ = env::task().map(env::task(), in_place, flexpage);
        } else if flexpage.order() <= SPARE_ORDER {
            // Upon itself a capability would be lost.
            let elsewhere = ItemControl::from_raw(SPARE << 12 | 8);
            let _ = env::task().map(env::task(), elsewhere, flexpage);
            let spare = Flexpage::objects(SPARE, SPARE_ORDER, CapabilityRights::RWSD);
            env::task().unmap(spare, UnmapMask::ALL_SPACES)?;
        }
    }
    more_than_was_given()
}

/// Items for servers that name no object, no item, or too much.
pub(super) fn items() -> l4_rt::Result {
    let servers = [
        (env::region_map().selector(), label::REGION_MAP),
        (env::mem_alloc().selector(), label::FACTORY),
        (env::parent().selector(), label::PARENT),
        (env::log().selector(), label::LOG),
        (env::scheduler().selector(), label::SCHEDULER),
    ];
    for (server, protocol) in servers {
        for control in [0, 1, 4, 8, 9, 0xf7, 0xfff, u64::MAX] {
            // Never a slot that holds something: a granted capability would be gone.
            for flexpage in [0, 0x33_3037, 0x33_303f, 0xffff_ffff_ffff_f03f, u64::MAX] {
                not_accepted(call(server, protocol, &[0x77, control, flexpage], 1));
            }
        }
    }
    Ok(())
}

/// Gates with labels that are rights, to threads that are none.
pub(super) fn labels() -> l4_rt::Result {
    let factory = env::factory().selector();
    let own = env::main_thread().selector().raw() | 0x37;
    let nobody = Selector::new(0x333).raw() | 0x37;
    let task = env::task().selector().raw() | 0x37;
    for label_bits in [1, 2, 3] {
        not_accepted(call(
            factory,
            label::FACTORY,
            &[0, 0x80001, label_bits, 8, own],
            1,
        ));
    }
    for thread in [nobody, task] {
        not_accepted(call(
            factory,
            label::FACTORY,
            &[0, 0x80001, 0, 8, thread],
            1,
        ));
    }
    Ok(())
}
