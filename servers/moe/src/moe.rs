//! The state of moe, and the life of its objects.
//!
//! An object lives as long as a client has a capability to its gate, or another object of moe's
//! needs it; and never longer than the factory that made it. moe's own capability to a gate does
//! not count: when the last client's is gone the kernel destroys the gate and triggers an interrupt,
//! upon which [`Moe::sweep`] looks which objects have lost theirs.

use l4_abi::capability::{Selector, slot};
use l4_abi::error::ResultCode;
use l4_abi::flexpage::Flexpage;
use l4_abi::protocol::task::UnmapMask;
use l4_abi::rights::MemoryRights;
use l4_sys::object::{Factory as KernelFactory, IpcGate, Log as KernelLog, Task};
use l4_sys::{AnyObject, Cap, Object as _, OwnedCap};

use crate::bank::Bank;
use crate::object::factory::Factory;
use crate::object::namespace::Target;
use crate::object::{Entry, Kind, Object, ObjectId, Objects, Payer};

/// Everything that moe knows.
#[derive(Debug)]
pub struct Moe {
    /// Memory, and who pays for it.
    pub bank: Bank,
    /// The objects.
    pub objects: Objects,
    /// Last address that a task can use.
    pub last_address: u64,
    /// The region map of the first program, without which nothing goes on.
    pub first_map: Option<ObjectId>,
}

impl Moe {
    /// moe without memory and objects.
    pub const fn new() -> Self {
        Self {
            bank: Bank::new(),
            objects: Objects::new(),
            last_address: 0,
            first_map: None,
        }
    }

    /// The object of this name and kind, and the memory to change it with. Error: ENOENT.
    pub fn find<K: Kind>(&mut self, id: ObjectId) -> Result<(&mut K, &mut Bank), ResultCode> {
        let entry = self.objects.get_mut(id);
        let content = entry.and_then(|entry| K::of(&mut entry.object));
        Ok((content.ok_or(ResultCode::ENOENT)?, &mut self.bank))
    }

    /// Adds an object that nobody knows yet. It needs a reference or a gate to be found again.
    pub fn insert(&mut self, payer: Payer, object: Object) -> Result<ObjectId, ResultCode> {
        self.objects
            .insert(&mut self.bank, payer, object)
            .map_err(|(error, object)| {
                self.destroy_content(object);
                error
            })
    }

    /// Adds an object for a client; the gate to give to it.
    pub fn insert_for_client(
        &mut self,
        payer: Payer,
        object: Object,
    ) -> Result<Cap<IpcGate>, ResultCode> {
        let id = self.insert(payer, object)?;
        self.gate(id).inspect_err(|_| self.destroy(id))
    }

    /// The gate of an object, which is made if it has none. Whoever pays for the object pays for
    /// that too, whoever asks.
    pub fn gate(&mut self, id: ObjectId) -> Result<Cap<IpcGate>, ResultCode> {
        let entry = self.objects.get_mut(id).ok_or(ResultCode::ENOENT)?;
        if let Some(gate) = entry.gate.map(Cap::<IpcGate>::new) {
            if gate.decrease_references(0).is_ok() {
                return Ok(gate);
            }
            // The last client's capability is gone, and the interrupt that tells of it still to come.
            drop_capability(gate.selector());
            entry.gate = None;
        }
        let payer: Cap<KernelFactory> = Cap::new(entry.payer.kernel_factory);
        let gate = payer.create_gate(Cap::at(slot::THREAD), id.label())?;
        gate.decrease_references(1)?;
        entry.gate = Some(gate.selector());
        Ok(gate.leak())
    }

    /// Notes that one more of moe's objects needs this one.
    pub fn add_reference(&mut self, id: ObjectId) {
        if let Some(entry) = self.objects.get_mut(id) {
            entry.references += 1;
        }
    }

    /// Notes that one less does. That may end the object.
    pub fn remove_reference(&mut self, id: ObjectId) {
        self.drop_reference(id);
        self.destroy_unneeded();
    }

    fn drop_reference(&mut self, id: ObjectId) {
        // The object may be gone already, with its factory.
        if let Some(entry) = self.objects.get_mut(id) {
            entry.references -= 1;
            if entry.is_unneeded() {
                self.objects.note_unneeded(id);
            }
        }
    }

    /// Ends what nobody needs since something else ended. One after the other: clients decide how
    /// long a chain of namespaces in namespaces is, and moe's stack is short.
    fn destroy_unneeded(&mut self) {
        while let Some(id) = self.objects.take_unneeded() {
            if self.objects.get(id).is_some_and(Entry::is_unneeded) {
                self.destroy_one(id);
            }
        }
    }

    /// Ends the objects that nobody has a capability to any more.
    pub fn sweep(&mut self) {
        let mut from = 0;
        while let Some((place, id)) = self.objects.next(from) {
            from = place + 1;
            let Some(entry) = self.objects.get_mut(id) else {
                continue;
            };
            let Some(gate) = entry.gate else { continue };
            let holders = Cap::<IpcGate>::new(gate).decrease_references(0);
            if matches!(holders, Ok(count) if count > 0) {
                continue;
            }
            if entry.references == 0 {
                self.destroy(id);
            } else if holders.is_err() {
                entry.gate = None;
                drop_capability(gate);
            }
        }
    }

    /// Ends an object, whoever still has a capability to it.
    pub fn destroy(&mut self, id: ObjectId) {
        self.destroy_one(id);
        self.destroy_unneeded();
    }

    /// Ends an object, and only notes what it alone has needed.
    fn destroy_one(&mut self, id: ObjectId) {
        if let Some(entry) = self.objects.remove(&mut self.bank, id) {
            self.destroy_entry(entry);
        }
    }

    fn destroy_entry(&mut self, entry: Entry) {
        if let Some(gate) = entry.gate {
            OwnedCap::<IpcGate>::from_selector(gate).delete();
        }
        self.destroy_content(entry.object);
    }

    fn destroy_content(&mut self, object: Object) {
        match object {
            Object::Dataspace(mut dataspace) => dataspace.destroy(&mut self.bank, &mut revoke),
            Object::RegionMap(mut map) => {
                for region in map.regions_from(0) {
                    if let Some(memory) = region.memory {
                        self.drop_reference(memory);
                    }
                }
                if let Some(watcher) = map.watcher() {
                    drop_capability(watcher);
                }
                map.destroy(&mut self.bank);
            }
            Object::Namespace(mut namespace) => {
                for target in namespace.targets() {
                    if let Target::Capability(_) = target {
                        namespace.refund_capability(&mut self.bank);
                    }
                    self.drop_target(target);
                }
                namespace.destroy(&mut self.bank);
            }
            Object::Factory(factory) => self.destroy_factory(factory),
            Object::Log(mut log) => log.destroy(&mut self.bank, &mut print),
            Object::Scheduler(_) | Object::Parent => {}
        }
    }

    /// Ends all objects of a factory. Factories among them end likewise; the number of accounts
    /// bounds how deep that goes.
    fn destroy_factory(&mut self, factory: Factory) {
        let mut from = 0;
        while let Some((place, id)) = self.objects.next(from) {
            from = place + 1;
            if self
                .objects
                .get(id)
                .is_some_and(|entry| entry.payer.account == factory.payer.account)
            {
                self.destroy_one(id);
            }
        }
        self.bank.close(factory.payer.account);
        if factory.owns_kernel_factory {
            drop_capability(factory.payer.kernel_factory);
        }
    }

    /// Lets go of what a name stood for.
    pub fn release_target(&mut self, target: Target) {
        self.drop_target(target);
        self.destroy_unneeded();
    }

    fn drop_target(&mut self, target: Target) {
        match target {
            Target::Object(id) => self.drop_reference(id),
            Target::Capability(selector) => drop_capability(selector),
            Target::Announced => {}
        }
    }
}

/// Takes memory away from all clients that have it mapped.
pub fn revoke(address: u64, order: u32) {
    let flexpage = Flexpage::memory(address, order, MemoryRights::RWX);
    let revoked = Task::SELF.unmap(flexpage, UnmapMask::OTHER_SPACES);
    debug_assert!(revoked.is_ok());
}

/// Prints a line on the kernel's console.
pub fn print(line: &[u8]) {
    let _ = Cap::<KernelLog>::at(slot::LOG).write(line);
}

/// Empties a slot and gives it back.
fn drop_capability(selector: Selector) {
    drop(OwnedCap::<AnyObject>::from_selector(selector));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::AccountId;
    use crate::bank::tests::bank;
    use crate::object::namespace::Namespace;
    use l4_abi::message_tag::MessageTag;
    use l4_abi::protocol::ipc_gate::Opcode;
    use l4_abi::protocol::namespace::Flags;
    use l4_sys::Utcb;
    use l4_sys::arch::{SystemCall, SystemReturn, with_kernel};
    use l4_sys::slots::SLOTS;
    use std::boxed::Box;
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    /// As little as moe has itself.
    const STACK_SIZE: usize = 512 << 10;
    const COUNT: usize = 4000;

    /// Names one object in a namespace.
    fn name(moe: &mut Moe, namespace: ObjectId, object: ObjectId) {
        let (names, bank) = moe.find::<Namespace>(namespace).unwrap();
        let target = Target::Object(object);
        names.register(bank, b"next", target, Flags::RO).unwrap();
        moe.add_reference(object);
    }

    fn in_small_stack(test: impl FnOnce(&mut Moe) + Send + 'static) {
        let run = || {
            let mut moe = Box::new(Moe::new());
            moe.bank = bank(2 * COUNT);
            moe.objects.make_places(&mut moe.bank, COUNT).unwrap();
            test(&mut moe);
        };
        let thread = std::thread::Builder::new().stack_size(STACK_SIZE);
        thread.spawn(run).unwrap().join().unwrap();
    }

    fn insert(moe: &mut Moe) -> ObjectId {
        let namespace = Namespace::new(AccountId::ROOT);
        moe.insert(Payer::ROOT, Object::Namespace(namespace))
            .unwrap()
    }

    #[test]
    fn a_long_chain_of_namespaces_goes_without_a_deep_stack() {
        in_small_stack(|moe| {
            let used = moe.bank.statement(AccountId::ROOT).used;
            let first = insert(moe);
            let mut last = first;
            for _ in 1..COUNT {
                let next = insert(moe);
                name(moe, last, next);
                last = next;
            }
            moe.destroy(first);
            assert_eq!(moe.objects.next(0), None);
            assert_eq!(moe.bank.statement(AccountId::ROOT).used, used);
        });
    }

    #[test]
    fn what_is_still_needed_stays() {
        in_small_stack(|moe| {
            let (one, two, shared) = (insert(moe), insert(moe), insert(moe));
            name(moe, one, shared);
            name(moe, two, shared);
            name(moe, shared, two);
            moe.destroy(one);
            assert!(moe.objects.get(shared).is_some() && moe.objects.get(two).is_some());
            // A circle, broken from outside.
            moe.destroy(two);
            assert_eq!(moe.objects.next(0), None);
        });
    }

    #[test]
    fn the_payer_of_an_object_pays_for_its_gate_each_time() {
        const FACTORY: Selector = Selector::new(0x777);
        SLOTS.start_at(0x1000);
        let asked = Rc::new(RefCell::new(Vec::new()));
        let seen = asked.clone();
        let gone = Rc::new(Cell::new(false));
        let is_gone = gone.clone();
        let kernel = move |call: SystemCall, utcb: Utcb| {
            seen.borrow_mut().push(call.destination >> 12);
            let asks = utcb.message(0) == Opcode::DecreaseReferences.word();
            let fails = asks && utcb.message(1) == 0 && is_gone.take();
            let label = if fails { ResultCode::ENOENT.label() } else { 0 };
            SystemReturn {
                tag: MessageTag::label_only(label).raw(),
                label: 0,
            }
        };
        let mut moe = Box::new(Moe::new());
        moe.bank = bank(64);
        moe.objects.make_places(&mut moe.bank, 4).unwrap();
        let payer = Payer {
            kernel_factory: FACTORY,
            ..Payer::ROOT
        };
        let id = moe.insert(payer, Object::Parent).unwrap();
        with_kernel(kernel, || {
            moe.gate(id).unwrap();
            assert_eq!(asked.borrow()[0], FACTORY.index());
            asked.borrow_mut().clear();
            let gate = moe.gate(id).unwrap();
            assert_eq!(
                *asked.borrow(),
                [gate.selector().index()],
                "one serves everybody"
            );
            // Nobody has it any more, which moe has not been told yet.
            asked.borrow_mut().clear();
            gone.set(true);
            moe.gate(id).unwrap();
            assert!(asked.borrow().contains(&FACTORY.index()));
        });
    }
}
