//! How much of a stretch of memory can be mapped at once.

use l4_abi::flexpage::{Flexpage, Space};
use l4_abi::item::{ItemControl, ItemFlags, MapItem};
use l4_abi::protocol::region_map::Flags;
use l4_abi::rights::MemoryRights;

use crate::arch;
use crate::frames::{LARGEST_ORDER, PAGE_SHIFT, PAGE_SIZE};
use crate::object::dataspace::Stretch;

/// Bytes before and from an address on that a mapping may cover.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) before: u64,
    pub(super) after: u64,
}

impl Room {
    /// No limit but that of the memory.
    pub(super) const ANY: Room = Room {
        before: u64::MAX,
        after: u64::MAX,
    };
}

/// The item that maps the memory of `stretch` at `target`, and as much around it as lies alike in
/// both and within `room`.
pub(super) fn item(
    target: u64,
    stretch: Stretch,
    room: Room,
    rights: MemoryRights,
    caching: Flags,
) -> MapItem {
    let order = common_order(target, stretch, room);
    let block = stretch.address & !((1 << order) - 1);
    if rights.contains(MemoryRights::EXECUTE) && stretch.is_changeable {
        arch::make_executable(block, 1 << order);
    }
    // The caching bits of regions are those of the item, one bit below, without "set" (abi/08 §3).
    let cache = match caching & Flags::CACHING {
        Flags::BUFFERABLE => ItemFlags::BUFFERABLE,
        Flags::UNCACHED => ItemFlags::UNCACHED,
        _ => ItemFlags::empty(),
    };
    if !cache.is_empty() && stretch.is_changeable {
        arch::write_back(block, 1 << order);
    }
    MapItem {
        control: ItemControl::map(target & !(PAGE_SIZE - 1), cache),
        flexpage: Flexpage::memory(block, order, rights),
        space: Space::Memory,
    }
}

fn common_order(target: u64, stretch: Stretch, room: Room) -> u32 {
    let (before, after) = (
        stretch.before.min(room.before),
        stretch.after.min(room.after),
    );
    let fits = |order: &u32| {
        let mask = (1u64 << order) - 1;
        let inside = stretch.address & mask;
        let lies_alike = (target ^ stretch.address) & mask & !(PAGE_SIZE - 1) == 0;
        lies_alike && inside <= before && mask - inside < after
    };
    (PAGE_SHIFT + 1..=PAGE_SHIFT + LARGEST_ORDER)
        .take_while(fits)
        .last()
        .unwrap_or(PAGE_SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(target: u64, address: u64, before: u64, after: u64, room: Room) -> u32 {
        common_order(
            target,
            Stretch {
                address,
                before,
                after,
                is_changeable: false,
            },
            room,
        )
    }

    #[test]
    fn a_superpage_needs_both_sides_to_lie_alike() {
        let size = 4 << 20;
        let at = 0x12_3456;
        let whole = |target| order(target, 0x4000_0000 + at, at, size - at, Room::ANY);
        assert_eq!(whole(0x8000_0000 + at), 22);
        assert_eq!(whole(0x8020_0000 + at), 21);
        assert_eq!(whole(0x8000_1000 + at), 12);
        assert_eq!(whole(0x8000_2000 + at), 13);
    }

    #[test]
    fn nothing_outside_stretch_or_room_is_mapped() {
        assert_eq!(order(0x4000, 0x4000, 0, 0x1000, Room::ANY), 12);
        assert_eq!(order(0x4000, 0x4000, 0, 0x2fff, Room::ANY), 13);
        assert_eq!(order(0x5000, 0x5000, 0xfff, 0x3000, Room::ANY), 12);
        assert_eq!(order(0x5008, 0x5008, 0x1008, 0x2ff8, Room::ANY), 14);
        let room = Room {
            before: 0,
            after: 0x2000,
        };
        assert_eq!(order(0x4000, 0x4000, 0x4000, 0x10000, room), 13);
    }

    #[test]
    fn the_item_names_the_whole_block_and_the_faulting_page() {
        let stretch = Stretch {
            address: 0x4012_3456,
            before: 0x12_3456,
            after: 0xe_0000,
            is_changeable: false,
        };
        let rights = MemoryRights::RW;
        let item = item(0x8012_3456, stretch, Room::ANY, rights, Flags::UNCACHED);
        assert_eq!(item.flexpage, Flexpage::memory(0x4000_0000, 21, rights));
        assert_eq!(item.control.raw(), 0x8012_3018);
    }
}
