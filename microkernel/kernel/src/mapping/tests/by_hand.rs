//! Cases with a name.

use core::sync::atomic::AtomicU64;

use machine::page_table::Cache;

use super::*;
use crate::mapping::memory_space::handle_root_fault;

const R: MemoryRights = MemoryRights::READ;
const RW: MemoryRights = MemoryRights::RW;
const RWX: MemoryRights = MemoryRights::RWX;
const NONE: MemoryRights = MemoryRights::empty();
const PAGE: u64 = 1 << 12;
const MIB_2: u64 = 1 << 21;
const GIB: u64 = 1 << 30;

fn world(spaces: usize) -> World {
    World::new(formats()[0], spaces, 1 << 30)
}

/// Runs an operation to its end; how often it paused.
fn pauses<T>(mut run: impl FnMut() -> Option<T>) -> usize {
    core::iter::from_fn(|| run().is_none().then_some(())).count()
}

#[test]
fn the_first_space_gives_all_memory_in_the_largest_pages() {
    let mut world = world(1);
    assert!(world.map((0, 0), (1, 0), 33, RWX));
    let pages = world.pages(1);
    assert_eq!(
        pages.keys().copied().collect::<Vec<_>>(),
        (0..4096).map(|n| n * MIB_2).collect::<Vec<_>>()
    );
    assert!(
        pages
            .iter()
            .all(|(address, page)| { page.level == 1 && page.leaf.memory.as_u64() == *address })
    );
    // Where there is no memory there is nothing to map.
    assert!(!world.map((0, 1 << PHYSICAL_BITS), (1, 0), 12, RWX));
    assert!(!world.map((0, 1 << 46), (1, 0), 46, RWX));
    world.end(0);
}

#[test]
fn a_fault_in_the_first_space_is_resolved_one_to_one() {
    let world = world(0);
    let fault = |address| handle_root_fault(world.spaces[0], &world.heap, &world.mappings, address);
    assert_eq!(fault(0x12_3456_7000), Ok(false));
    assert_eq!(fault(u64::MAX), Ok(false));
    assert_eq!(fault(0x1234_5678), Ok(true));
    assert_eq!(fault(0x1234_5678), Ok(true));
    let (leaf, order) = world.spaces[0].page_at(0x1234_5678).unwrap();
    assert_eq!((leaf.memory.as_u64(), order), (0x1220_0000, 21));
    assert_eq!(leaf.attributes.rights, RWX);
    world.end(0);
}

#[test]
fn a_page_takes_the_short_way_where_it_is_tried() {
    let mut world = world(2);
    assert!(world.map((0, 0), (1, 0), 21, RWX));
    let pages = (0..10).map(|page| page * PAGE);
    for address in pages.clone() {
        assert!(world.map((1, address), (2, address), 12, RW));
        assert_eq!(world.rights(2, address), Some(RW));
    }
    // Every other time.
    assert_eq!(world.short_ways, 5);
    for address in pages {
        world.unmap((2, address), 12, R, Scope::All);
    }
    assert_eq!(world.short_ways, 10);
    assert!(world.pages(2).is_empty());
    world.end(0);
}

#[test]
fn only_what_the_sender_has_can_be_passed_on() {
    let mut world = world(3);
    assert!(world.map((0, 0), (1, 0), 12, RW));
    assert!(world.map((1, 0), (2, 0), 12, RWX));
    assert_eq!(world.rights(2, 0), Some(RW));
    assert!(world.map((2, 0), (3, 0), 12, R));
    assert_eq!(world.rights(3, 0), Some(R));
    assert!(!world.map((2, 0), (3, PAGE), 12, MemoryRights::EXECUTE));
    assert_eq!(world.rights(3, PAGE), None);
    assert!(!world.map((2, PAGE), (3, PAGE), 12, RW), "nothing there");
    world.end(1);
}

#[test]
fn mapping_a_page_again_adds_rights_and_keeps_what_came_of_it() {
    let mut world = world(3);
    world.map((0, 0), (1, 0), 21, RWX);
    world.map((1, PAGE), (2, 0), 12, R);
    world.map((2, 0), (3, 0), 12, R);
    world.map((1, PAGE), (2, 0), 12, RW);
    assert_eq!(
        (world.rights(2, 0), world.rights(3, 0)),
        (Some(RW), Some(R))
    );
    world.map((1, PAGE), (2, 0), 12, R);
    assert_eq!(world.rights(2, 0), Some(RW));
    // Another page of the same superpage replaces it.
    world.map((1, 0), (2, 0), 12, R);
    assert_eq!((world.rights(2, 0), world.rights(3, 0)), (Some(R), None));
    world.end(1);
}

#[test]
fn a_page_mapped_onto_its_own_source_stays_gone() {
    let mut world = world(2);
    world.map((0, 0), (1, 0), 12, RW);
    world.map((1, 0), (2, 0), 12, RW);
    world.map((2, 0), (1, 0), 12, RW);
    assert_eq!((world.rights(1, 0), world.rights(2, 0)), (None, None));
    world.end(1);
}

#[test]
fn a_page_mapped_onto_itself_stays() {
    let mut world = world(2);
    world.map((0, 0), (1, 0), 12, RW);
    world.map((1, 0), (2, 0), 12, RW);
    assert!(world.map((1, 0), (1, 0), 12, R));
    assert_eq!(
        (world.rights(1, 0), world.rights(2, 0)),
        (Some(RW), Some(RW))
    );
    world.end(1);
}

#[test]
fn pages_are_split_in_the_receiver_only() {
    let mut world = world(2);
    world.map((0, GIB), (1, 0), 21, RW);
    world.map((1, 0), (2, PAGE), 21, RW);
    assert_eq!(world.pages(1)[&0].level, 1);
    let pages = world.pages(2);
    // The window is aligned, so the page is too.
    assert_eq!((pages.len(), pages[&0].level), (1, 1));
    let window = Flexpage::memory(8 * MIB_2, 14, NONE);
    let send = Flexpage::memory(0, 21, RW);
    world
        .map_words((1, 2), ItemFlags::MAP.bits() | 0x5000, send, window)
        .unwrap();
    let pages = world.pages(2);
    for index in 0..4 {
        let page = pages[&(8 * MIB_2 + index * PAGE)];
        assert_eq!(page.leaf.memory.as_u64(), GIB + 0x4000 + index * PAGE);
    }
    assert_eq!(pages.len(), 5);
    world.end(1);
}

#[test]
fn a_grant_moves_the_page_with_all_that_came_of_it() {
    let mut world = world(3);
    world.map((0, 0), (1, 0), 21, RW);
    world.map((1, PAGE), (3, 0), 12, RW);
    let grant = (ItemFlags::MAP | ItemFlags::GRANT).bits();
    let (send, window) = (
        Flexpage::memory(0, 21, RW),
        Flexpage::memory(MIB_2, 21, NONE),
    );
    world.map_words((1, 2), grant, send, window).unwrap();
    assert_eq!(
        (world.rights(1, 0), world.rights(2, MIB_2)),
        (None, Some(RW))
    );
    assert_eq!(world.rights(3, 0), Some(RW));
    // A part of a page cannot be granted.
    let (send, window) = (
        Flexpage::memory(MIB_2, 12, RW),
        Flexpage::memory(0, 12, NONE),
    );
    world.map_words((2, 1), grant, send, window).unwrap();
    assert_eq!(
        (world.rights(2, MIB_2), world.rights(1, 0)),
        (Some(RW), Some(RW))
    );
    // What was granted is revoked where it is now.
    world.unmap((2, MIB_2), 21, RWX, Scope::All);
    assert_eq!((world.rights(1, 0), world.rights(3, 0)), (None, None));
    world.check();
    world.end(1);
}

#[test]
fn ports_are_mapped_and_revoked_one_by_one() {
    let mut world = World::new(Format::X86_64(x86_64::Format::IO_PORTS), 2, 1 << 20);
    let port = |port: u64| port * PAGE;
    assert!(world.map((0, 0), (1, 0), 28, RWX));
    assert_eq!(world.pages(1).len(), 65536 / 512);
    for (first, order) in [(0x60, 0), (0x64, 0), (0x3f8, 3)] {
        world.map((1, port(first)), (2, port(first)), 12 + order, RWX);
    }
    assert_eq!(world.pages(2).len(), 10);
    world.unmap((1, port(0x3f8)), 13, RWX, Scope::Descendants);
    assert_eq!(world.rights(2, port(0x3f9)), None);
    assert_eq!(world.rights(2, port(0x3fa)), Some(RWX));
    assert_eq!(world.pages(2).len(), 8);
    assert!(!world.map((0, port(0x1_0000)), (2, 0), 12, RWX));
    world.end(1);
}

#[test]
fn revoking_a_part_leaves_the_rest() {
    let mut world = world(2);
    world.map((0, 0), (1, 0), 22, RWX);
    for page in 0..4 {
        world.map((1, page * PAGE), (2, page * PAGE), 12, RWX);
    }
    world.map((1, MIB_2), (2, MIB_2), 21, RWX);
    world.unmap((1, PAGE), 12, RWX, Scope::Descendants);
    assert_eq!(
        world.pages(2).keys().copied().collect::<Vec<_>>(),
        [0, 2 * PAGE, 3 * PAGE, MIB_2]
    );
    // A part of a page that is mapped whole takes it whole.
    world.unmap((1, MIB_2 + PAGE), 12, RWX, Scope::Descendants);
    assert_eq!(world.rights(2, MIB_2), None);
    // So does a part of the own page.
    world.unmap((1, PAGE), 12, MemoryRights::WRITE, Scope::All);
    assert_eq!(world.rights(1, 0), Some(MemoryRights::RX));
    assert_eq!(world.rights(2, 2 * PAGE), Some(MemoryRights::RX));
    world.unmap((1, 2 * PAGE), 12, R, Scope::All);
    assert_eq!((world.pages(1).len(), world.pages(2).len()), (1, 0));
    world.end(1);
}

#[test]
fn an_unmap_of_less_than_a_page_does_nothing() {
    let mut world = world(1);
    world.map((0, 0), (1, 0), 12, RW);
    for order in 0..12 {
        assert_eq!(world.unmap((1, 0), order, RWX, Scope::All), Access::NONE);
    }
    assert_eq!(world.rights(1, 0), Some(RW));
    world.end(1);
}

#[test]
fn access_flags_are_collected_where_they_are_asked_for() {
    let mut world = world(2);
    world.map((0, 0), (1, 0), 12, RW);
    world.map((1, 0), (2, 0), 12, RW);
    let dirty = Access::REFERENCED.union(Access::DIRTY);
    world.touch(2, 0, dirty);
    assert_eq!(world.unmap((1, 0), 12, NONE, Scope::Descendants), dirty);
    assert_eq!(
        world.unmap((1, 0), 12, NONE, Scope::Descendants),
        Access::NONE
    );
    // The own page remembers.
    assert_eq!(world.unmap((1, 0), 12, NONE, Scope::All), dirty);
    assert_eq!(world.unmap((1, 0), 12, NONE, Scope::All), dirty);
    // A new mapping starts with what its source has.
    world.map((1, 0), (2, PAGE), 12, R);
    assert_eq!(world.unmap((2, PAGE), 12, NONE, Scope::All), dirty);
    world.end(1);
}

#[test]
fn cache_modes_are_kept_or_changed() {
    let mut world = world(2);
    let send = Flexpage::memory(0, 12, RW);
    let window = Flexpage::memory(0, 12, NONE);
    let uncached = (ItemFlags::MAP | ItemFlags::UNCACHED).bits();
    world.map_words((0, 1), uncached, send, window).unwrap();
    world.map((1, 0), (2, 0), 12, RW);
    let cache = |world: &World| world.pages(2)[&0].leaf.attributes.cache;
    assert_eq!(cache(&world), Cache::Uncached);
    let bufferable = (ItemFlags::MAP | ItemFlags::BUFFERABLE).bits();
    world.map_words((1, 2), bufferable, send, window).unwrap();
    assert_eq!(cache(&world), Cache::Bufferable);
    world.end(1);
}

#[test]
fn a_long_chain_of_mappings_is_revoked_in_steps() {
    let mut world = world(1);
    const LENGTH: u64 = 3000;
    world.map((0, 0), (1, 0), 12, RW);
    for page in 0..LENGTH {
        world.map((1, page * PAGE), (1, (page + 1) * PAGE), 12, RW);
    }
    let flexpage = Flexpage::memory(0, 12, RWX);
    let mut unmap = Unmap::new(world.spaces[1], flexpage, Scope::Descendants);
    let (mut context, cursor) = world.context();
    let paused = pauses(|| unmap.run(&mut context, cursor));
    assert!(paused as u64 > LENGTH / 2, "{paused}");
    assert_eq!(world.pages(1).len(), 1);
    world.end(0);
}

#[test]
fn an_unmap_does_not_rely_on_another_that_is_given_up() {
    let all = Flexpage::memory(0, 12, RWX);
    // Wherever the two pause.
    for (own, other) in (1..12).flat_map(|own| (1..40).map(move |other| (own, other))) {
        let mut world = world(3);
        world.map((0, 0), (1, 0), 12, RW);
        world.map((1, 0), (2, 0), 12, RW);
        for page in 0..8 {
            world.map((2, 0), (3, page * PAGE), 12, RW);
        }
        let mut unmap = Unmap::new(world.spaces[2], all, Scope::All);
        let mut of_parent = Unmap::new(world.spaces[1], all, Scope::Descendants);
        let second = Box::new(Cursor::new());
        let (mut context, first) = world.context();
        let mut is_done = (0..own).any(|_| unmap.run(&mut context, first).is_some());
        let _ = (0..other).any(|_| of_parent.run(&mut context, &second).is_some());
        second.retract(context.mappings);
        while !is_done {
            is_done = unmap.run(&mut context, first).is_some();
        }
        assert_eq!(world.rights(2, 0), None, "after {own} and {other} parts");
        assert!(world.pages(3).is_empty());
        world.end(1);
    }
}

#[test]
fn who_maps_on_while_a_page_is_taken_away_does_not_hold_that_up() {
    for scope in [Scope::All, Scope::Descendants] {
        let mut world = world(3);
        world.map((0, 0), (1, 0), 12, RW);
        world.map((1, 0), (2, 0), 12, RW);
        let mut unmap = Unmap::new(world.spaces[1], Flexpage::memory(0, 12, RWX), scope);
        let cursor = Box::new(Cursor::new());
        for part in 0.. {
            assert!(part < 200, "it does not end");
            // More pages than a part takes away.
            for page in part * 8..(part + 1) * 8 {
                if scope == Scope::All {
                    world.map((1, 0), (3, (page + 1000) * PAGE), 12, RW);
                }
                world.map((2, 0), (3, page * PAGE), 12, RW);
            }
            let (mut context, _) = world.context();
            if unmap.run(&mut context, &cursor).is_some() {
                break;
            }
        }
        assert!(world.pages(2).is_empty() && world.pages(3).is_empty());
        world.end(1);
    }
}

#[test]
fn a_page_whose_unmap_was_given_up_can_be_passed_on_when_it_was_mapped_again() {
    let mut world = world(3);
    world.map((0, 0), (1, 0), 12, RW);
    world.map((1, 0), (2, 0), 12, RW);
    for page in 1..9 {
        world.map((2, 0), (3, page * PAGE), 12, RW);
    }
    let all = Flexpage::memory(0, 12, RWX);
    let mut unmap = Unmap::new(world.spaces[1], all, Scope::Descendants);
    let (mut context, cursor) = world.context();
    for _ in 0..3 {
        assert_eq!(unmap.run(&mut context, cursor), None);
    }
    cursor.retract(context.mappings);
    // Either way to map.
    for _ in 0..2 {
        world.map((2, 0), (3, 0), 12, RW);
    }
    assert_eq!(world.rights(3, 0), None);
    world.map((1, 0), (2, 0), 12, RW);
    world.map((2, 0), (3, 0), 12, RW);
    assert_eq!(world.rights(3, 0), Some(RW));
    world.end(1);
}

#[test]
fn work_depends_on_what_is_mapped_and_not_on_the_flexpage() {
    let mut world = world(2);
    world.map((0, 0), (1, 0), 21, RWX);
    for page in 0..512 {
        world.map((1, page * PAGE), (2, page * PAGE), 12, RWX);
    }
    // One page among many that were mapped from the same superpage.
    let flexpage = Flexpage::memory(77 * PAGE, 12, RWX);
    let mut unmap = Unmap::new(world.spaces[1], flexpage, Scope::Descendants);
    let (mut context, cursor) = world.context();
    let paused = pauses(|| unmap.run(&mut context, cursor));
    assert!(paused <= 3, "{paused}");
    assert_eq!(world.pages(2).len(), 511);
    // A whole space with one page.
    let flexpage = Flexpage::memory(0, 63, RWX);
    let mut unmap = Unmap::new(world.spaces[1], flexpage, Scope::All);
    let (mut context, cursor) = world.context();
    let paused = pauses(|| unmap.run(&mut context, cursor));
    assert!(paused < 512, "{paused}");
    let window = Flexpage::memory(0, 63, NONE);
    let control = ItemControl::from_raw(ItemFlags::MAP.bits());
    let mut map = Map::new(world.spaces[1], world.spaces[2], control, flexpage, window);
    let (mut context, cursor) = world.context();
    let paused = pauses(|| map.run(&mut context, cursor).map(Result::unwrap));
    assert!(paused <= 5, "{paused}");
    world.end(1);
}

#[test]
fn nothing_is_mapped_to_or_from_a_closed_space() {
    let mut world = world(2);
    world.map((0, 0), (1, 0), 12, RW);
    world.spaces[2].close();
    world.map((1, 0), (2, 0), 12, RW);
    world.map((0, 0), (2, 0), 12, RW);
    assert_eq!(world.pages(2).len(), 0);
    let space = world.spaces[2];
    let area = Flexpage::memory(0, 12, NONE);
    assert!(super::add(&world, space, area).is_err());
    world.end(2);
}

#[test]
fn a_receiver_without_quota_gets_an_error_and_keeps_what_fitted() {
    let mut world = World::new(formats()[0], 1, 4096 * 9);
    let send = Flexpage::memory(PAGE, 12, RW);
    let mut mapped = 0;
    while world
        .map_words((0, 1), 8, send, Flexpage::memory(mapped * PAGE, 12, NONE))
        .is_ok()
    {
        mapped += 1;
        assert!(mapped < 512);
    }
    assert!(mapped > 0);
    assert_eq!(world.pages(1).len() as u64, mapped);
    world.end(1);
}

#[test]
fn kernel_user_memory_is_where_it_was_asked_for() {
    let world = world(2);
    let space = world.spaces[1];
    let add = |flexpage| super::add(&world, space, flexpage);
    let area = Flexpage::memory(0xb300_0000, 13, NONE);
    assert_eq!(add(Flexpage::memory(0xb300_1abc, 13, RWX)), Ok(()));
    assert_eq!(add(area), Err(ResultCode::EEXIST));
    assert_eq!(
        add(Flexpage::memory(0xb300_0000, 17, NONE)),
        Err(ResultCode::EEXIST)
    );
    let invalid = [
        Flexpage::NIL,
        Flexpage::ALL_SPACES,
        Flexpage::memory(0, 11, RW),
        Flexpage::memory(0, 18, RW),
        Flexpage::memory(0, 63, RW),
        Flexpage::memory(1 << 47, 12, RW),
        Flexpage::memory(u64::MAX, 12, RW),
        Flexpage::io_ports(0, 12),
    ];
    for flexpage in invalid {
        assert_eq!(add(flexpage), Err(ResultCode::EINVAL), "{flexpage:?}");
    }
    assert!(add(Flexpage::memory((1 << 47) - 1, 17, RW)).is_ok());
    assert!(add(Flexpage::memory(0xb300_2000, 12, RW)).is_ok());

    type Utcb = [AtomicU64; 128];
    let find = |address| kernel_user_memory::find::<Utcb>(space, &world.mappings, address);
    assert!(find(0xb300_0000).is_some() && find(0xb300_0008).is_some());
    assert!(find(0xb300_1c00).is_some());
    // Not aligned; across the end of its chunk, though another follows; not there.
    for address in [
        0xb300_0004,
        0xb300_1c08,
        0xb300_3000,
        0xb2ff_fff8,
        0,
        u64::MAX,
        u64::MAX - 7,
    ] {
        assert!(find(address).is_none(), "{address:#x}");
    }
    find(0xb300_0000).unwrap()[0].store(7, core::sync::atomic::Ordering::Relaxed);
    assert_eq!(world.rights(1, 0xb300_0000), Some(RW));
    world.end(1);
}

#[test]
fn kernel_user_memory_is_cleared_in_parts_before_it_is_there() {
    let world = world(2);
    let space = world.spaces[1];
    let step = |world: &World, address, order| {
        let area = Flexpage::memory(address, order, NONE);
        kernel_user_memory::add(space, &world.heap, &world.mappings, area).unwrap()
    };
    assert_eq!(pauses(|| step(&world, 0, 17)), 4);
    assert_eq!(world.pages(1).len(), 32);
    for address in (0..1 << 17).step_by(8) {
        let word = kernel_user_memory::find::<AtomicU64>(space, &world.mappings, address);
        let word = word.expect("it is there");
        assert_eq!(word.load(core::sync::atomic::Ordering::Relaxed), 0);
    }
    // What is begun with is not there yet, and makes room for another.
    let used = world.heap.used();
    assert_eq!(step(&world, 1 << 17, 17), None);
    assert_eq!(world.heap.used(), used + (1 << 17));
    assert_eq!(world.pages(1).len(), 32);
    assert_eq!(step(&world, 1 << 17, 12), Some(()));
    assert!(world.heap.used() < used + (1 << 14));
    // At the end of the space it goes, too.
    assert_eq!(step(&world, 1 << 18, 17), None);
    world.end(1);
}

#[test]
fn kernel_user_memory_stays_and_is_not_passed_on() {
    let mut world = world(2);
    let space = world.spaces[1];
    super::add(&world, space, Flexpage::memory(0, 12, NONE)).unwrap();
    let memory = world.pages(1)[&0].leaf.memory;
    assert!(world.map((1, 0), (2, 0), 12, RW));
    assert_eq!(world.pages(2).len(), 0);
    assert!(world.map((0, GIB), (1, 0), 13, RW));
    assert_eq!(world.pages(1)[&0].leaf.memory, memory);
    assert!(world.pages(1).contains_key(&PAGE));
    world.unmap((1, 0), 63, RWX, Scope::All);
    assert_eq!(world.pages(1).keys().copied().collect::<Vec<_>>(), [0]);
    world.end(1);
}

#[test]
fn ten_thousand_cycles_leave_memory_as_it_was() {
    let mut world = world(2);
    world.map((0, 0), (1, 0), 21, RW);
    world.map((1, 0), (2, 0), 12, RW);
    let used = world.heap.used();
    for cycle in 0..10_000 {
        let page = cycle % 512 * PAGE;
        world.map((1, page), (2, page), 12, RW);
        world.unmap((1, page), 12, RWX, Scope::Descendants);
    }
    world.unmap((1, 0), 12, RWX, Scope::Descendants);
    assert_eq!(world.heap.used(), used - size_of::<Node>());
    world.end(1);
}
