//! The slots of two tasks against a table of them: map, grant, unmap, delete
//! (abi/03 §4.5 to §5).

use std::collections::BTreeSet;

use l4_abi::flexpage::Flexpage;
use l4_abi::item::{ItemControl, ItemFlags};
use l4_abi::protocol::{label, task::UnmapMask};
use l4_abi::rights::CapabilityRights;
use proptest::prelude::*;

use crate::object::Ref;
use crate::object::semaphore::Semaphore;
use crate::object::thread::Thread;
use crate::testing::{TestTask, World, run};

const TASKS: usize = 2;
const OBJECTS: usize = 3;
/// Slots of each task that the test uses, and the first of them.
const SLOTS: usize = 8;
const FIRST: u64 = 0x200;

const WRITE: u8 = CapabilityRights::WRITE.bits();
const SPECIAL: u8 = CapabilityRights::SPECIAL.bits();
const READ: u8 = CapabilityRights::READ.bits();
const DELETE: u8 = CapabilityRights::DELETE.bits();
const COUNTED: u8 = CapabilityRights::COUNTED.bits();

/// A slot: the object and the rights.
type Held = Option<(usize, u8)>;

#[derive(Clone, Debug)]
enum Step {
    Map {
        from: (usize, usize),
        to: (usize, usize),
        order: u32,
        rights: u8,
        attributes: u8,
        grant: bool,
    },
    Unmap {
        from: (usize, usize),
        order: u32,
        rights: u8,
        mask: UnmapMask,
    },
}

#[derive(Clone, Debug, Default)]
struct Model {
    slots: [[Held; SLOTS]; TASKS],
    doomed: BTreeSet<usize>,
}

impl Model {
    fn counted(&self, object: usize) -> usize {
        let held = self.slots.iter().flatten().flatten();
        held.filter(|(other, rights)| *other == object && rights & COUNTED != 0)
            .count()
    }

    fn remove(&mut self, (task, slot): (usize, usize)) {
        if let Some((object, rights)) = self.slots[task][slot].take()
            && rights & COUNTED != 0
            && self.counted(object) == 0
        {
            self.doomed.insert(object);
        }
    }

    fn clear(&mut self, object: usize) {
        for slot in self.slots.iter_mut().flatten() {
            if slot.is_some_and(|(other, _)| other == object) {
                *slot = None;
            }
        }
    }

    /// Empties a slot, and destroys the object if that is what D is for.
    fn delete_or_remove(&mut self, place: (usize, usize), deletes: bool) {
        match self.slots[place.0][place.1] {
            Some((object, rights)) if deletes && rights & DELETE != 0 => {
                self.clear(object);
                self.doomed.insert(object);
            }
            _ => self.remove(place),
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Map {
                from,
                to,
                order,
                rights,
                attributes,
                grant,
            } => {
                for offset in 0..1 << order {
                    let from = (from.0, (from.1 & !((1 << order) - 1)) + offset);
                    let to = (to.0, (to.1 & !((1 << order) - 1)) + offset);
                    self.map(from, to, rights, attributes, grant);
                }
            }
            Step::Unmap {
                from,
                order,
                rights,
                mask,
            } if mask.includes_own() => {
                let start = from.1 & !((1 << order) - 1);
                for slot in start..start + (1 << order) {
                    let held = &mut self.slots[from.0][slot];
                    if rights & READ != 0 {
                        self.delete_or_remove((from.0, slot), mask.deletes());
                    } else if let Some((_, held)) = held {
                        *held &= !(rights & (WRITE | SPECIAL));
                    }
                }
            }
            Step::Unmap { .. } => {}
        }
        for object in self.doomed.clone() {
            self.clear(object);
        }
    }

    fn map(
        &mut self,
        from: (usize, usize),
        to: (usize, usize),
        rights: u8,
        attributes: u8,
        grant: bool,
    ) {
        let Some((object, held)) = self.slots[from.0][from.1] else {
            return;
        };
        if rights & READ == 0 {
            return;
        }
        let weak = attributes & 1 != 0;
        let counted = if weak { 0 } else { COUNTED };
        let passed = held & (rights & 0xf | (attributes & 0xe) << 4 | counted);
        self.delete_or_remove(to, true);
        if from != to && !self.doomed.contains(&object) {
            self.slots[to.0][to.1] = Some((object, passed));
        }
        if grant {
            self.remove(from);
        }
    }
}

/// Two tasks, the first of which has the objects and a thread that acts.
struct Real {
    tasks: [TestTask; TASKS],
    objects: Vec<Ref<Semaphore>>,
    thread: Ref<Thread>,
    /// The tasks' slots in the first one.
    task_slots: [u64; TASKS],
}

impl Real {
    fn new(world: &mut World) -> (Self, Model) {
        let tasks = [world.task(), world.task()];
        let thread = world.thread(&tasks[0], 10);
        let mut model = Model::default();
        let mut objects = Vec::new();
        for object in 0..OBJECTS {
            let semaphore = world.semaphore();
            let slot = tasks[0].task.make_slot(world.cpu, FIRST + object as u64);
            let slot = slot.expect("memory");
            slot.fill(semaphore.header(), CapabilityRights::FULL);
            model.slots[0][object] = Some((object, 0xff));
            // The tasks' capabilities are the only ones.
            world.forget(semaphore.header());
            objects.push(semaphore);
        }
        let task_slots = [0, 1].map(|task: usize| world.give_full(&tasks[0], tasks[task].header()));
        let real = Self {
            tasks,
            objects,
            thread,
            task_slots,
        };
        (real, model)
    }

    fn step(&self, world: &mut World, step: &Step) {
        let slot = |slot: usize| FIRST + slot as u64;
        let (task, words, argument) = match *step {
            Step::Map {
                from,
                to,
                order,
                rights,
                attributes,
                grant,
            } => {
                let flags = u64::from(attributes) << 4 | u64::from(grant) << 1;
                let flags = ItemFlags::from_bits_retain(flags);
                let control = ItemControl::map(slot(to.1) << 12, flags).raw();
                let rights = CapabilityRights::from_bits_retain(rights);
                let flexpage = Flexpage::objects(slot(from.1), order, rights).raw();
                (to.0, [0, control, flexpage], Some(self.task_slots[from.0]))
            }
            Step::Unmap {
                from,
                order,
                rights,
                mask,
            } => {
                let rights = CapabilityRights::from_bits_retain(rights);
                let flexpage = Flexpage::objects(slot(from.1), order, rights).raw();
                (from.0, [1, mask.raw(), flexpage], None)
            }
        };
        let task = self.task_slots[task];
        let result = world.invoke(&self.thread, task, label::TASK, &words, argument);
        assert_eq!(result, 0);
    }

    fn slots(&self, world: &World) -> [[Held; SLOTS]; TASKS] {
        let held = |task: &TestTask, slot: usize| {
            let index = FIRST + slot as u64;
            let entry = task.task.capabilities.lookup(world.cpu, index)?;
            let is = |object: &Ref<Semaphore>| object.header().is(entry.object);
            let object = self.objects.iter().position(is);
            Some((object.expect("one of them"), entry.rights.bits()))
        };
        [0, 1].map(|task: usize| core::array::from_fn(|slot| held(&self.tasks[task], slot)))
    }
}

fn step() -> impl Strategy<Value = Step> {
    let place = || (0..TASKS, 0..SLOTS);
    let rights = || prop_oneof![2 => Just(0xf_u8), 1 => 0..16_u8];
    let mask = prop_oneof![
        Just(UnmapMask::ALL_SPACES),
        Just(UnmapMask::DELETE_OBJECT),
        Just(UnmapMask::OTHER_SPACES),
    ];
    let attributes = prop_oneof![2 => Just(0xe_u8), 1 => 0..16_u8];
    let map = (
        place(),
        place(),
        0..3_u32,
        rights(),
        attributes,
        any::<bool>(),
    );
    prop_oneof![
        4 => map.prop_map(|(from, to, order, rights, attributes, grant)| Step::Map {
            from, to, order, rights, attributes, grant,
        }),
        1 => (place(), 0..3_u32, rights(), mask).prop_map(|(from, order, rights, mask)| {
            Step::Unmap { from, order, rights, mask }
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn slots_hold_what_the_table_says(steps in prop::collection::vec(step(), 1..25)) {
        run(|world| {
            let (real, mut model) = Real::new(world);
            for step in &steps {
                real.step(world, step);
                model.step(step);
                assert_eq!(real.slots(world), model.slots, "after {step:?}");
                for object in 0..OBJECTS {
                    let is_doomed = real.objects[object].header().common().is_doomed();
                    assert_eq!(is_doomed, model.doomed.contains(&object));
                }
            }
        });
    }
}

#[test]
fn the_last_slot_can_be_used_and_none_behind_it() {
    run(|world| {
        let (real, _) = Real::new(world);
        for (index, fits) in [(0xffff, true), (0x1_0000, false), (0xf_ffff, false)] {
            let control = ItemControl::map(index << 12, ItemFlags::empty()).raw();
            let flexpage = Flexpage::objects(FIRST, 0, CapabilityRights::RWSD).raw();
            let words = [0, control, flexpage];
            let (task, source) = (real.task_slots[1], Some(real.task_slots[0]));
            let result = world.invoke(&real.thread, task, label::TASK, &words, source);
            assert_eq!(result, 0);
            let object = real.objects[0].header();
            let rights = world.rights(&real.tasks[1], index, object);
            assert_eq!(rights.is_some(), fits, "{index:#x}");
        }
    });
}

#[test]
fn an_unmap_of_all_spaces_takes_the_rights_that_it_names() {
    run(|world| {
        let (real, _) = Real::new(world);
        let (task, object) = (&real.tasks[1], real.objects[0].header());
        let slot = world.give_full(task, object);
        let full = CapabilityRights::FULL;
        let no_write = full.difference(CapabilityRights::WRITE);
        let no_invocation = full.difference(CapabilityRights::INVOCATION);
        for (rights, left) in [
            (0, Some(full)),
            (WRITE, Some(no_write)),
            (WRITE | SPECIAL, Some(no_invocation)),
            (READ, None),
        ] {
            let all = Flexpage::ALL_SPACES.with_rights(rights).raw();
            let words = [1, UnmapMask::ALL_SPACES.raw(), all];
            let result = world.invoke(&real.thread, real.task_slots[1], label::TASK, &words, None);
            assert_eq!((result, world.rights(task, slot, object)), (0, left));
        }
    });
}
