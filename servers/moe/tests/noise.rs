//! Clients that send noise: moe answers everything, and everything comes back in the end.

mod host;

use std::cell::RefCell;
use std::rc::Rc;

use l4_abi::capability::Selector;
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::protocol::{factory, label};
use l4_abi::timeout::TimeoutPair;
use l4_abi::utcb::MESSAGE_REGISTERS;
use l4_ipc::CapabilityRights;
use l4_ipc::loopback::{Arrives, kernel_of};
use l4_sys::arch::with_kernel;
use l4_sys::slots::SLOTS;
use l4_sys::{Utcb, ipc};
use moe::bank::AccountId;
use moe::frames::PAGE_SIZE;
use moe::moe::Moe;
use moe::object::ObjectId;
use moe::service;

use host::{COMPONENT_MEMORY, kernel, moe_with_component};

const MESSAGES: u32 = 20_000;
const PROTOCOLS: [i64; 12] = [
    label::DATASPACE,
    label::REGION_MAP,
    label::NAMESPACE,
    label::FACTORY,
    label::MEM_ALLOC,
    label::SCHEDULER,
    label::LOG,
    label::IRQ,
    label::PAGE_FAULT,
    label::EXCEPTION,
    label::REMOTE_ACCESS,
    label::META,
];
const KINDS: [i64; 6] = [
    label::DATASPACE,
    label::REGION_MAP,
    label::NAMESPACE,
    label::FACTORY,
    label::LOG,
    label::SCHEDULER,
];

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        self.0 ^ self.0 >> 33
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// Small, at a border, an address, or anything.
    fn interesting(&mut self) -> u64 {
        let number = self.next();
        match number % 8 {
            0 | 1 => number >> 60,
            2 => u64::MAX - (number >> 60),
            3 => 1 << (number >> 58),
            4 => (number >> 48) & !0xfff,
            5 => 0x1000 << (number >> 62),
            6 => 0,
            _ => number,
        }
    }
}

fn objects(moe: &Moe) -> Vec<ObjectId> {
    let mut from = 0;
    core::iter::from_fn(|| {
        let (place, id) = moe.objects.next(from)?;
        from = place + 1;
        Some(id)
    })
    .collect()
}

fn send_noise(random: &mut Random, moe: &Rc<RefCell<Moe>>) {
    let known = objects(&moe.borrow());
    let target = known[random.below(known.len())];
    let arrives = match random.below(4) {
        0 => Arrives::Mapped,
        1 => Arrives::Nothing,
        _ => Arrives::Own(known[random.below(known.len())].label()),
    };
    let rights = CapabilityRights::from_bits_retain(random.below(4) as u8);
    let utcb = Utcb::current();
    for register in 0..MESSAGE_REGISTERS {
        utcb.set_message(register, random.interesting());
    }
    let protocol = PROTOCOLS[random.below(PROTOCOLS.len())];
    let words = if protocol == label::FACTORY {
        utcb.set_message(factory::TYPE_WORD, KINDS[random.below(KINDS.len())] as u64);
        for argument in 0..3 {
            utcb.set_message(1 + 2 * argument, 8 << 16 | [1, 0x81][random.below(2)]);
        }
        3 + 2 * random.below(4)
    } else {
        utcb.set_message(0, random.next() % 12);
        random.below(14)
    };
    let items = random.below(3);
    for item in 0..items {
        utcb.set_message(words + 2 * item, 8);
        utcb.set_message(words + 2 * item + 1, 0x37 | random.next() << 12);
    }
    let server = moe.clone();
    let handle =
        move |request: &mut l4_ipc::Request<'_>| service::answer(&mut server.borrow_mut(), request);
    let through = kernel_of(target.label(), rights, arrives, handle).unwrap();
    let tag = MessageTag::new(protocol, words, items, TagFlags::empty());
    with_kernel(through, || {
        let _ = ipc::call(Selector::new(0x100), tag, TimeoutPair::NEVER);
    });
}

#[test]
fn whatever_clients_send_their_factory_gives_everything_back() {
    SLOTS.start_at(0x1000);
    for seed in 1..5 {
        let (moe, component) = moe_with_component();
        let before = moe.bank.statement(AccountId::ROOT);
        let moe = Rc::new(RefCell::new(moe));
        let mut random = Random(seed);
        with_kernel(kernel, || {
            let mut most = 0;
            for _ in 0..MESSAGES {
                send_noise(&mut random, &moe);
                most = most.max(objects(&moe.borrow()).len());
            }
            assert!(most > 20, "the noise made only {most} objects");
            let mut moe = moe.borrow_mut();
            moe.destroy(component);
            assert_eq!(objects(&moe), [], "objects are left");
            let after = moe.bank.statement(AccountId::ROOT);
            assert_eq!(after.limit, before.limit);
            // The limit of its account, and the factory's own place in the table.
            let returned = before.used - after.used;
            assert!((COMPONENT_MEMORY..COMPONENT_MEMORY + PAGE_SIZE).contains(&returned));
        });
    }
}
