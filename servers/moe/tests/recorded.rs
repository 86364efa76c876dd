//! Clients that are compiled from the reference system's sources: what they were recorded to ask
//! reaches moe's objects, and the answers are those that they were recorded to get.

mod host;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use abi_vectors::session::{Answer, DATASPACES, Exchange, Item, exchanges};
use abi_vectors::wire::{Pattern, vector};
use l4_abi::capability::Selector;
use l4_abi::error::ResultCode;
use l4_abi::flexpage::Flexpage;
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::protocol::region_map::{DetachFlags, Flags};
use l4_abi::protocol::{dataspace, label, namespace};
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_abi::timeout::TimeoutPair;
use l4_ipc::Response;
use l4_ipc::loopback::{Arrives, kernel_of};
use l4_sys::arch::{SystemCall, SystemReturn, with_kernel};
use l4_sys::slots::SLOTS;
use l4_sys::{Utcb, ipc};
use moe::bank::AccountId;
use moe::frames::PAGE_SIZE;
use moe::moe::Moe;
use moe::object::dataspace::Dataspace;
use moe::object::namespace::{Namespace, Target};
use moe::object::region_map::RegionMap;
use moe::object::{Object, ObjectId, Payer};
use moe::service;

use host::{COMPONENT_MEMORY, kernel, moe_with_component, pages};

/// Any slot of a client's.
const SLOT: u64 = 0x111;

/// An answer as moe composed it.
#[derive(Debug, PartialEq, Eq)]
struct Answered {
    tag: MessageTag,
    message: Vec<u64>,
}

/// moe, and the names of its objects.
struct Root {
    moe: Rc<RefCell<Moe>>,
    objects: BTreeMap<&'static str, ObjectId>,
    /// Where in memory the dataspaces are that were there from the beginning.
    places: BTreeMap<&'static str, u64>,
}

impl Root {
    /// With the objects that were there when the session began.
    fn new() -> Self {
        SLOTS.start_at(0x1000);
        let (mut moe, allocator) = moe_with_component();
        let mut objects = BTreeMap::from([("allocator", allocator)]);
        let mut places = BTreeMap::new();
        let mut names = Namespace::new(AccountId::ROOT);
        for (name, size) in DATASPACES {
            let address = pages(size.div_ceil(PAGE_SIZE) as usize);
            let dataspace = Dataspace::fixed(address, size, MemoryRights::RX).unwrap();
            let id = insert(&mut moe, Object::Dataspace(dataspace));
            let (target, flags) = (Target::Object(id), namespace::Flags::RO);
            names
                .register_static(&mut moe.bank, name.as_bytes(), target, flags)
                .unwrap();
            moe.add_reference(id);
            objects.insert(name, id);
            places.insert(name, address);
        }
        let last_address = moe.last_address;
        let map = RegionMap::new(&mut moe.bank, AccountId::ROOT, last_address).unwrap();
        objects.insert("rom", insert(&mut moe, Object::Namespace(names)));
        objects.insert("ned-map", insert(&mut moe, Object::RegionMap(map)));
        Self {
            moe: Rc::new(RefCell::new(moe)),
            objects,
            places,
        }
    }

    /// Sends a request as a client with these rights to `object` does.
    fn ask(
        &self,
        (object, rights): (&str, u8),
        tag: u64,
        message: &[u64],
        arrives: Arrives,
    ) -> Option<Answered> {
        let utcb = Utcb::current();
        utcb.set_messages(message);
        let answer = Rc::new(RefCell::new(None));
        let (moe, kept) = (self.moe.clone(), answer.clone());
        let handle = move |request: &mut l4_ipc::Request<'_>| {
            let response = service::answer(&mut moe.borrow_mut(), request);
            if let Response::Answer(tag) = response {
                let message = (0..tag.words() + 2 * tag.items()).map(|index| utcb.message(index));
                *kept.borrow_mut() = Some(Answered {
                    tag,
                    message: message.collect(),
                });
            }
            response
        };
        let (label, rights) = (
            self.label(object),
            CapabilityRights::from_bits_retain(rights),
        );
        let through = kernel_of(label, rights, arrives, handle).unwrap();
        with_kernel(through, || {
            let (to, tag) = (Selector::new(SLOT), MessageTag::from_raw(tag));
            let _ = ipc::call(to, tag, TimeoutPair::NEVER);
        });
        answer.take()
    }

    /// Sends the request of an exchange.
    fn repeat(&self, exchange: &Exchange) -> Option<Answered> {
        let mut message = exchange.words.clone();
        let mut arrives = Arrives::Nothing;
        if let Some((name, rights)) = exchange.passed {
            let rights = CapabilityRights::READ | CapabilityRights::from_bits_retain(rights);
            message.extend([8, Flexpage::object(SLOT, rights).raw()]);
            arrives = Arrives::Own(self.label(name));
        }
        let to = (exchange.object, exchange.rights);
        self.ask(to, exchange.tag, &message, arrives)
    }

    /// Sends the request of the wire vector that begins with `row`; label and message of the answer.
    fn send(&self, row: &str, to: (&str, u8), arrives: Arrives) -> (i64, Vec<u64>) {
        let vector = vector(row);
        // What clients do not write is whatever it was.
        let message: Vec<_> = (vector.message.iter())
            .map(|word| word.value | !word.mask)
            .collect();
        let answered = self.ask(to, vector.tag, &message, arrives).unwrap();
        (answered.tag.label(), answered.message)
    }

    fn label(&self, object: &str) -> u64 {
        self.objects[object].label()
    }

    /// The object that was made last gets a name.
    fn name_newest(&mut self, name: &'static str) {
        let moe = self.moe.borrow();
        let ids = core::iter::successors(moe.objects.next(0), |(place, _)| {
            moe.objects.next(place + 1)
        });
        let known: Vec<_> = self.objects.values().copied().collect();
        let is_new = |id: &ObjectId| {
            let has_gate = moe
                .objects
                .get(*id)
                .is_some_and(|entry| entry.gate.is_some());
            has_gate && !known.contains(id)
        };
        let new: Vec<_> = ids.map(|(_, id)| id).filter(is_new).collect();
        let [new] = new[..] else {
            panic!("{name} is one of {new:?}")
        };
        self.objects.insert(name, new);
    }

    /// Compares an answer with the recorded one.
    fn check(&self, line: &str, answered: &Answered, recorded: &Answer) {
        let Answered { tag, message } = answered;
        assert_eq!(*tag, MessageTag::from_raw(recorded.tag), "{line}");
        for (index, (word, recorded)) in message.iter().zip(&recorded.words).enumerate() {
            assert!(recorded.matches(*word), "word {index} is {word:#x}: {line}");
        }
        let Some(item) = recorded.item else {
            return;
        };
        let flexpage = Flexpage::from_raw(*message.last().unwrap());
        match item {
            Item::Capability(_, bits) => assert_eq!(flexpage.raw() & 0xff, bits, "{line}"),
            Item::Page(place, rights) => {
                let (address, size) = (flexpage.raw() & !(PAGE_SIZE - 1), 1 << flexpage.order());
                assert_eq!(flexpage.raw() & 0x3f, 0x10 | rights, "{line}");
                if let Some((name, offset)) = place {
                    let page = self.places[name] + offset;
                    assert!((address..address + size).contains(&page), "{line}");
                }
            }
        }
    }
}

fn insert(moe: &mut Moe, object: Object) -> ObjectId {
    moe.insert(Payer::ROOT, object).unwrap()
}

/// The answer that moe is to give: the recorded one, but for what it does otherwise on purpose.
fn expected(exchange: &Exchange) -> Option<Answer> {
    let mut answer = exchange.answer.clone()?;
    let opcode = exchange.words[0] as u32;
    match MessageTag::from_raw(exchange.tag).label() {
        // Names of interfaces are not those of C++ types.
        label::META => {
            let name = [10, u64::from_le_bytes(*b"Dataspac"), u64::from(b'e')];
            answer.words.splice(1.., name.map(Pattern::exact));
            answer.tag = MessageTag::words_only(0, answer.words.len()).raw();
        }
        // The flags are those that a client can ask for; the reference keeps others among them.
        label::DATASPACE if opcode == 2 => answer.words[1].value &= dataspace::Flags::RIGHTS.bits(),
        // What no task can have is no area.
        label::REGION_MAP if opcode == 6 && answer.words.len() > 3 => {
            answer.words.truncate(answer.words.len() - 3);
            answer.tag = MessageTag::words_only(3, answer.words.len()).raw();
        }
        _ => {}
    }
    Some(answer)
}

/// The words of requests.
type Heard = Rc<RefCell<Vec<Vec<u64>>>>;

/// The kernel, which keeps what moe asks of it under a label: the words.
fn listening_kernel(wanted: i64) -> (Heard, impl FnMut(SystemCall, Utcb) -> SystemReturn) {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let asked = heard.clone();
    let kernel = move |call: SystemCall, utcb: Utcb| {
        let tag = MessageTag::from_raw(call.tag);
        if tag.label() == wanted {
            let words = (0..tag.words()).map(|index| utcb.message(index));
            asked.borrow_mut().push(words.collect());
        }
        kernel(call, utcb)
    };
    (heard, kernel)
}

#[test]
fn a_recorded_session_gets_the_recorded_answers() {
    let mut root = Root::new();
    let (written, kernel) = listening_kernel(label::LOG);
    with_kernel(kernel, || {
        for exchange in exchanges() {
            let (answered, expected) = (root.repeat(&exchange), expected(&exchange));
            let (Some(answered), Some(expected)) = (&answered, &expected) else {
                assert!(
                    answered.is_none() && expected.is_none(),
                    "{}",
                    exchange.line
                );
                continue;
            };
            root.check(exchange.line, answered, expected);
            if let Some(Item::Capability(Some(made), _)) = expected.item {
                root.name_newest(made);
            }
        }
    });
    let written = written.borrow();
    let bytes: Vec<_> = written
        .iter()
        .flat_map(|words| words[2..].iter().flat_map(|word| word.to_le_bytes()))
        .collect();
    let text = String::from_utf8_lossy(&bytes);
    assert!(
        text.contains("hello") && text.contains("Hello World!"),
        "{text}"
    );
}

#[test]
fn names_are_registered_found_and_removed() {
    let mut root = Root::new();
    with_kernel(kernel, || {
        let tag = MessageTag::words_only(label::FACTORY, 1).raw();
        let kind = [label::NAMESPACE as u64];
        root.ask(("allocator", 3), tag, &kind, Arrives::Nothing);
        root.name_newest("names");
        let hello = Arrives::Own(root.label("hello"));
        let send = |row, rights| root.send(row, ("names", rights), hello);
        let code = |code: ResultCode| (code.label(), vec![]);
        assert_eq!(send("Namespace.query", 0), code(ResultCode::ENOENT));
        assert_eq!(send("Namespace.register_obj", 2), code(ResultCode::EPERM));
        assert_eq!(send("Namespace.register_obj", 1), (0, vec![]));
        assert_eq!(send("Namespace.register_obj", 1), code(ResultCode::EEXIST));
        let (label, found) = send("Namespace.query", 0);
        // Nothing is left of the name. Of the flags R and W are the entry's.
        assert_eq!((label, found.len(), &found[1..3]), (0, 4, &[0, 8][..]));
        assert_eq!((found[0] as u32, found[3] & 0xfff), (0, 0x35));
        assert_eq!(send("Namespace.unlink", 1), (0, vec![]));
        assert_eq!(send("Namespace.unlink", 1), code(ResultCode::ENOENT));
    });
}

#[test]
fn a_name_whose_object_is_gone_is_dropped_and_can_be_given_again() {
    let mut root = Root::new();
    with_kernel(kernel, || {
        let tag = MessageTag::words_only(label::FACTORY, 1).raw();
        for name in ["names", "one", "two"] {
            let kind = [label::NAMESPACE as u64];
            root.ask(("allocator", 3), tag, &kind, Arrives::Nothing);
            root.name_newest(name);
        }
        let send = |row, object| root.send(row, ("names", 1), Arrives::Own(root.label(object)));
        let end = |object| root.moe.borrow_mut().destroy(root.objects[object]);
        let none = (ResultCode::ENOENT.label(), vec![]);
        assert_eq!(send("Namespace.register_obj", "one"), (0, vec![]));
        end("one");
        assert_eq!(send("Namespace.query", "one"), none);
        assert_eq!(send("Namespace.unlink", "one"), none);
        assert_eq!(send("Namespace.register_obj", "two"), (0, vec![]));
        end("two");
        assert_eq!(send("Namespace.register_obj", "hello"), (0, vec![]));
        assert_eq!(send("Namespace.query", "hello").0, 0);
    });
}

#[test]
fn memory_is_made_counted_and_described() {
    let mut root = Root::new();
    with_kernel(kernel, || {
        let usage = root.send("Mem_alloc.info", ("allocator", 3), Arrives::Nothing);
        let [quota, used] = [usage.1[0], usage.1[1]];
        assert_eq!(usage, (0, vec![quota, used, quota, used, quota - used]));
        assert_eq!(quota, COMPONENT_MEMORY);
        let made = root.send("mem_alloc: Dataspace", ("allocator", 3), Arrives::Nothing);
        assert_eq!((made.0, made.1.len(), made.1[1] & 0xfff), (0, 2, 0x3f));
        root.name_newest("memory");
        let usage = root.send("Mem_alloc.info", ("allocator", 3), Arrives::Nothing);
        assert!(usage.1[1] >= used + 0x2000, "it is pinned");
        let send = |row, rights| root.send(row, ("memory", rights), Arrives::Nothing);
        assert_eq!(send("Dataspace.info", 1), (0, vec![0x2000, 7]));
        assert_eq!(send("Dataspace.info", 0), (0, vec![0x2000, 5]));
        assert_eq!(send("Dataspace.map_info", 0).0, 0);
        // Large offsets are read as such.
        for row in ["Dataspace.map(", "Dataspace.allocate", "Dataspace.clear"] {
            assert_eq!(send(row, 1), (ResultCode::ERANGE.label(), vec![]), "{row}");
        }
        assert_eq!(send("Meta.num_interfaces", 0), (1, vec![]));
        assert_eq!(send("Meta.supports(0x4005)", 0), (0, vec![]));
    });
}

#[test]
fn a_region_is_attached_found_and_detached() {
    let root = Root::new();
    with_kernel(kernel, || {
        let to = ("ned-map", 3);
        let ask = |words: &[u64]| {
            let tag = MessageTag::words_only(label::REGION_MAP, words.len()).raw();
            let answered = root.ask(to, tag, words, Arrives::Nothing).unwrap();
            (answered.tag.label(), answered.message)
        };
        let invalid = Selector::INVALID.raw();
        let attach = [0, 0xb300_0000, 0x2000, 0x106, 0, 0, invalid, 0, 0];
        assert_eq!(ask(&attach), (0, vec![0xb300_0000]));
        // The flags have 32 bits.
        let found = ask(&[2, 0xb300_1234, 1]);
        let region = vec![0xb300_0000, 0x2000, 0x106, 0, invalid];
        assert_eq!(found, (0, region));
        let none = (ResultCode::ENOENT.label(), vec![]);
        for row in ["Rm.find", "Rm.detach", "Rm.free_area", "Rm.get_info"] {
            assert_eq!(root.send(row, to, Arrives::Nothing), none, "{row}");
        }
        let regions = root.send("Rm.get_regions", to, Arrives::Nothing);
        assert_eq!(regions, (0, vec![]));
    });
}

#[test]
fn a_private_copy_of_what_others_have_is_refused() {
    let root = Root::new();
    with_kernel(kernel, || {
        let attach = |flags: Flags| {
            let (flags, invalid) = (u64::from(flags.bits()), Selector::INVALID.raw());
            let mut words = vec![0, 0x10_0000, PAGE_SIZE, flags, 0, 0, invalid, 0, 0];
            let tag = MessageTag::new(label::REGION_MAP, words.len(), 1, TagFlags::empty());
            words.extend([8, Flexpage::object(SLOT, CapabilityRights::RW).raw()]);
            let hello = Arrives::Own(root.label("hello") | 1);
            let answered = root.ask(("ned-map", 3), tag.raw(), &words, hello);
            answered.unwrap().tag.label()
        };
        let writable = Flags::PRIVATE | Flags::RW;
        assert_eq!(attach(writable), ResultCode::ENOSYS.label());
        assert_eq!(attach(Flags::PRIVATE | Flags::READ), 0);
    });
}

#[test]
fn memory_that_only_a_region_has_goes_with_each_part_of_it() {
    const ANONYMOUS: u64 = Flags::ANONYMOUS.bits() as u64;
    const EXACT: u64 = DetachFlags::EXACT.bits() as u64;
    const START: u64 = 0x10_0000;
    let root = Root::new();
    with_kernel(kernel, || {
        let ask = |protocol, words: &[u64]| {
            let tag = MessageTag::words_only(protocol, words.len()).raw();
            let answered = root.ask(("ned-map", 3), tag, words, Arrives::Nothing);
            assert_eq!(answered.unwrap().tag.label() as i32 & !7, 0, "{words:x?}");
        };
        let used = || {
            let bank = &root.moe.borrow().bank;
            bank.statement(AccountId::ROOT).used / PAGE_SIZE
        };
        let flags = ANONYMOUS | u64::from(MemoryRights::RW.bits());
        let invalid = Selector::INVALID.raw();
        let size = 4 * PAGE_SIZE;
        ask(
            label::REGION_MAP,
            &[0, START, size, flags, 0, 0, invalid, 0, 0],
        );
        let touch = |page| ask(label::PAGE_FAULT, &[(START + page * PAGE_SIZE) | 2, 0]);
        (0..4).for_each(touch);
        let all = used();
        for (page, left) in [(1, all - 1), (0, all - 2), (3, all - 3)] {
            let start = START + page * PAGE_SIZE;
            ask(label::REGION_MAP, &[1, start, PAGE_SIZE, EXACT]);
            assert_eq!(used(), left);
        }
    });
}

#[test]
fn threads_run_as_a_scheduler_proxy_allows() {
    let mut root = Root::new();
    let (asked, kernel) = listening_kernel(label::SCHEDULER);
    with_kernel(kernel, || {
        // A scheduler: highest priority, base, CPUs.
        let (signed, kind) = (0x8_0081, label::SCHEDULER as u64);
        let create = [kind, signed, 9, signed, 2, signed, !0];
        let tag = MessageTag::words_only(label::FACTORY, create.len()).raw();
        root.ask(("allocator", 3), tag, &create, Arrives::Nothing);
        root.name_newest("scheduler");
        let send = |row| root.send(row, ("scheduler", 3), Arrives::Mapped);
        assert_eq!(send("Scheduler run_thread"), (0, vec![]));
        assert_eq!(send("Scheduler info").1.len(), 3);
        assert_eq!(send("Scheduler idle_time").1.len(), 1);
    });
    let run_thread = vec![1, 0xff00_0000, 1, 9, 0x3456];
    assert_eq!(*asked.borrow(), [run_thread, vec![0, 0], vec![2, 0, 1]]);
}
