//! Random operations, on the engine and on the model.

use std::collections::BTreeMap;

use l4_abi::flexpage::Flexpage;
use l4_abi::item::ItemControl;
use l4_abi::rights::MemoryRights;
use machine::page_table::{Access, Leaf, order_of};
use proptest::prelude::*;

use super::model::Model;
use super::*;

const SPACES: usize = 4;

#[derive(Clone, Debug)]
enum Operation {
    Map {
        from: usize,
        to: usize,
        control: u64,
        send: Flexpage,
        window: Flexpage,
    },
    /// The same as an earlier map operation, but for rights and flags.
    Again {
        index: prop::sample::Index,
        rights: MemoryRights,
        flags: u64,
    },
    Unmap {
        space: usize,
        flexpage: Flexpage,
        scope: Scope,
    },
    Touch {
        space: usize,
        address: u64,
        access: Access,
    },
    AddKernelUserMemory {
        space: usize,
        flexpage: Flexpage,
    },
}

/// Addresses that are often the same or near each other.
fn address() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => (0_u64..2, 0_u64..3, 0_u64..4).prop_map(|(gib, mib, page)| gib << 30 | mib << 21 | page << 12),
        1 => Just((1 << 47) - 0x1000),
        1 => any::<u64>(),
    ]
}

/// Orders around the page sizes.
fn order() -> impl Strategy<Value = u32> {
    prop_oneof![
        20 => Just(12_u32), 8 => Just(13), 4 => Just(14), 2 => Just(20), 12 => Just(21),
        4 => Just(22), 4 => Just(30), 2 => Just(31), 2 => Just(63), 1 => 0_u32..64,
    ]
}

fn rights() -> impl Strategy<Value = MemoryRights> {
    prop_oneof![3 => Just(7_u8), 2 => 0_u8..8].prop_map(MemoryRights::from_bits_truncate)
}

fn flexpage() -> impl Strategy<Value = Flexpage> {
    prop_oneof![
        30 => (address(), order(), rights())
            .prop_map(|(address, order, rights)| Flexpage::memory(address, order, rights)),
        1 => Just(Flexpage::ALL_SPACES),
        1 => any::<u64>().prop_map(Flexpage::from_raw),
    ]
}

fn flags() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => Just(0_u64),
        2 => Just(2),
        1 => Just(0x10),
        1 => Just(0x30),
        1 => Just(0x50),
        1 => 0_u64..0x1000,
    ]
}

fn control() -> impl Strategy<Value = u64> {
    (address(), flags()).prop_map(|(base, flags)| base & !0xfff | flags | 8)
}

fn operation() -> impl Strategy<Value = Operation> {
    // The whole of the first space is too much to map.
    let from_first = (flexpage(), flexpage(), 1..=SPACES, control())
        .prop_filter("not too much", |(send, window, ..)| {
            send.order().min(window.order()) <= 31
        })
        .prop_map(|(send, window, to, control)| Operation::Map {
            from: 0,
            to,
            control,
            send,
            window,
        });
    let map = (1..=SPACES, 1..=SPACES, control(), flexpage(), flexpage()).prop_map(
        |(from, to, control, send, window)| Operation::Map {
            from,
            to,
            control,
            send,
            window,
        },
    );
    let scope = prop_oneof![Just(Scope::Descendants), Just(Scope::All)];
    let unmap =
        (0..=SPACES, flexpage(), scope).prop_map(|(space, flexpage, scope)| Operation::Unmap {
            space,
            flexpage,
            scope,
        });
    let access = prop_oneof![
        Just(Access::REFERENCED),
        Just(Access::REFERENCED.union(Access::DIRTY))
    ];
    let touch =
        (0..=SPACES, address(), access).prop_map(|(space, address, access)| Operation::Touch {
            space,
            address,
            access,
        });
    let kernel_user = (1..=SPACES, flexpage())
        .prop_map(|(space, flexpage)| Operation::AddKernelUserMemory { space, flexpage });
    let again =
        (any::<prop::sample::Index>(), rights(), flags()).prop_map(|(index, rights, flags)| {
            Operation::Again {
                index,
                rights,
                flags,
            }
        });
    prop_oneof![4 => from_first, 8 => map, 4 => again, 4 => unmap, 3 => touch, 1 => kernel_user]
}

/// A sequence of operations.
fn operations(length: usize) -> impl Strategy<Value = Vec<Operation>> {
    prop::collection::vec(operation(), 1..length).prop_map(|mut operations| {
        let mut maps = Vec::new();
        for operation in &mut operations {
            if let (
                Operation::Again {
                    index,
                    rights,
                    flags,
                },
                false,
            ) = (&operation, maps.is_empty())
            {
                let (from, to, control, send, window): (_, _, u64, Flexpage, _) = *index.get(&maps);
                let control = control & !0xfff | flags | 8;
                let send = send.with_rights(rights.bits());
                *operation = Operation::Map {
                    from,
                    to,
                    control,
                    send,
                    window,
                };
            }
            if let Operation::Map {
                from,
                to,
                control,
                send,
                window,
            } = *operation
            {
                maps.push((from, to, control, send, window));
            }
        }
        operations
    })
}

/// Does it to the engine only; what came back.
fn perform(world: &mut World, operation: &Operation) -> Result<Option<Access>, OutOfMemory> {
    match *operation {
        Operation::Map {
            from,
            to,
            control,
            send,
            window,
        } => {
            world.map_words((from, to), control, send, window)?;
        }
        Operation::Unmap {
            space,
            flexpage,
            scope,
        } => {
            return Ok(Some(world.unmap_words(space, flexpage, scope)));
        }
        Operation::Touch {
            space,
            address,
            access,
        } => world.touch(space, address, access),
        Operation::Again { .. } => {}
        Operation::AddKernelUserMemory { space, flexpage } => {
            let space = world.spaces[space];
            let _ = super::add(world, space, flexpage);
        }
    }
    Ok(None)
}

fn compare(world: &World, model: &Model) {
    let mut ids = BTreeMap::new();
    for index in 0..world.spaces.len() {
        let pages = world.pages(index);
        let expected: BTreeMap<u64, _> = model
            .pages
            .iter()
            .filter(|(_, page)| page.space == index)
            .map(|(id, page)| (page.address, (*id, page)))
            .collect();
        let addresses: Vec<_> = pages.iter().map(|(a, found)| (*a, found.level)).collect();
        let expected_addresses: Vec<_> = expected
            .iter()
            .map(|(a, (_, page))| (*a, page.level))
            .collect();
        assert_eq!(addresses, expected_addresses, "pages of space {index}");
        for (address, found) in pages {
            let (id, page) = expected[&address];
            let leaf = found.leaf;
            assert_eq!(
                (
                    leaf.memory.as_u64(),
                    leaf.attributes.rights,
                    leaf.attributes.cache,
                    leaf.access
                ),
                (page.memory, page.rights, page.cache, page.access),
                "space {index}, page {address:#x}"
            );
            assert_eq!(found.node.is_none(), page.is_fixed);
            if let Some(node) = found.node {
                ids.insert(Handle::address(node), (id, page.parent, node));
            }
        }
    }
    for (_, parent, node) in ids.values() {
        let source = node.parent().map(|source| ids[&Handle::address(source)].0);
        assert_eq!(source, *parent);
    }
}

/// Whether a translation of `old` can be used for `new`.
fn is_covered(old: (Leaf, u32), new: Option<(Leaf, u32)>) -> bool {
    new.is_some_and(|new| {
        new.1 == old.1
            && new.0.memory == old.0.memory
            && new.0.attributes == old.0.attributes
            && new.0.access.union(old.0.access) == new.0.access
    })
}

/// What was there and is no longer, or not in the same way, must have been flushed, after it went.
fn check_flushes(world: &mut World, before: &[BTreeMap<u64, Found>]) {
    let flushed = world.take_flushed();
    for (index, before) in before.iter().enumerate() {
        let now = world.pages(index);
        let root = world.spaces[index].root();
        for (address, old) in before {
            let (order, new) = (order_of(old.level), now.get(address));
            let old = (old.leaf, order);
            let is_kept = is_covered(old, new.map(|new| (new.leaf, order_of(new.level))));
            let is_gone = flushed.iter().any(|f| {
                (f.root, f.address, f.order) == (root, *address, order) && !is_covered(old, f.seen)
            });
            assert!(
                is_kept || is_gone,
                "space {index}, page {address:#x} not flushed"
            );
        }
    }
}

/// Big cases take a while, so there are fewer than usual.
fn configuration() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases.div_ceil(4),
        ..usual
    }
}

/// An operation that can pause.
enum InFlight {
    Map(Map),
    Unmap(Unmap),
}

impl InFlight {
    fn new(world: &World, operation: &Operation) -> Option<InFlight> {
        match *operation {
            Operation::Map {
                from,
                to,
                control,
                send,
                window,
            } => {
                let (from, to) = (world.spaces[from], world.spaces[to]);
                let control = ItemControl::from_raw(control);
                Some(InFlight::Map(Map::new(from, to, control, send, window)))
            }
            Operation::Unmap {
                space,
                flexpage,
                scope,
            } => Some(InFlight::Unmap(Unmap::new(
                world.spaces[space],
                flexpage,
                scope,
            ))),
            _ => None,
        }
    }

    /// True when done.
    fn run(&mut self, context: &mut Context<Recorder>, cursor: &Cursor) -> bool {
        match self {
            InFlight::Map(map) => map.run(context, cursor).is_some(),
            InFlight::Unmap(unmap) => unmap.run(context, cursor).is_some(),
        }
    }
}

proptest! {
    #![proptest_config(configuration())]

    #[test]
    fn operations_may_pause_and_mix(
        format in 0..FORMATS,
        operations in operations(100),
        order in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..10), 0..600),
        first_to_go in any::<usize>(),
    ) {
        const THREADS: usize = 6;
        let mut world = World::new(formats()[format], SPACES, 1 << 30);
        let cursors: Vec<_> = (0..THREADS).map(|_| Cursor::new()).collect();
        let mut threads: Vec<Option<InFlight>> = (0..THREADS).map(|_| None).collect();
        let mut operations = operations.iter();
        for (thread, what) in order {
            let thread = thread.index(THREADS);
            let (cursor, state) = (&cursors[thread], &mut threads[thread]);
            match state {
                None => {
                    let Some(operation) = operations.next() else { break };
                    *state = InFlight::new(&world, operation);
                    if state.is_none() {
                        perform(&mut world, operation).unwrap();
                    }
                }
                Some(_) if what == 0 => {
                    // The thread is killed.
                    *state = None;
                    cursor.retract(&world.mappings);
                }
                Some(operation) => {
                    let (mut context, _) = world.context();
                    if operation.run(&mut context, cursor) {
                        *state = None;
                    }
                }
            }
            world.check();
        }
        for (state, cursor) in threads.iter_mut().zip(&cursors) {
            let (mut context, _) = world.context();
            while let Some(operation) = state {
                if operation.run(&mut context, cursor) {
                    *state = None;
                }
            }
        }
        world.check();
        world.end(first_to_go);
    }

    #[test]
    fn the_engine_does_what_the_model_does(
        format in 0..FORMATS,
        operations in operations(40),
        first_to_go in any::<usize>(),
    ) {
        let format = formats()[format];
        let mut world = World::new(format, SPACES, 1 << 30);
        let mut model = Model::new(format);
        for operation in &operations {
            let before: Vec<_> = (0..=SPACES).map(|index| world.pages(index)).collect();
            match *operation {
                Operation::Map { from, to, control, send, window } => {
                    let found = world.map_words((from, to), control, send, window);
                    let control = ItemControl::from_raw(control);
                    let expected = model.map((from, to), control, send, window);
                    prop_assert_eq!(found, Ok(expected));
                }
                Operation::Unmap { space, flexpage, scope } => {
                    let access = perform(&mut world, operation).unwrap();
                    prop_assert_eq!(access, Some(model.unmap(space, flexpage, scope)));
                }
                Operation::Touch { space, address, access } => {
                    perform(&mut world, operation).unwrap();
                    model.touch(space, address, access);
                }
                Operation::Again { .. } => {}
                Operation::AddKernelUserMemory { space, .. } => {
                    perform(&mut world, operation).unwrap();
                    let old = &before[space];
                    for (address, new) in world.pages(space) {
                        if !old.contains_key(&address) {
                            model.add_fixed(space, address, new.leaf.memory.as_u64());
                        }
                    }
                }
            }
            world.check();
            compare(&world, &model);
            check_flushes(&mut world, &before);
        }
        world.end(first_to_go);
    }

    #[test]
    fn running_out_of_memory_leaves_everything_in_order(
        format in 0..FORMATS,
        limit in 40_000_u64..200_000,
        operations in operations(60),
        first_to_go in any::<usize>(),
    ) {
        let mut world = World::new(formats()[format], SPACES, limit);
        for operation in &operations {
            let _ = perform(&mut world, operation);
            world.check();
        }
        world.end(first_to_go);
    }
}
