//! moe on the host: a kernel that its own calls reach, and memory to hand out.

use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::protocol::label;
use l4_sys::Utcb;
use l4_sys::arch::{SystemCall, SystemReturn};
use moe::bank::AccountId;
use moe::frames::{Frames, PAGE_SIZE};
use moe::moe::Moe;
use moe::object::factory::{Factory, Limits};
use moe::object::log::Tag;
use moe::object::{Object, ObjectId, Payer};

const MEMORY_FRAMES: usize = 2048;
pub(crate) const COMPONENT_MEMORY: u64 = 256 * PAGE_SIZE;

/// The kernel as moe's own calls see it: everything succeeds.
pub(crate) fn kernel(call: SystemCall, utcb: Utcb) -> SystemReturn {
    let tag = MessageTag::from_raw(call.tag);
    let answer = match tag.label() {
        label::FACTORY => MessageTag::new(0, 0, 1, TagFlags::empty()),
        // References to a gate: clients still have it.
        label::KERNEL_OBJECT => {
            utcb.set_message(0, 1);
            MessageTag::words_only(0, 1)
        }
        _ => MessageTag::words_only(0, tag.words()),
    };
    SystemReturn {
        tag: answer.raw(),
        label: 0,
    }
}

/// Some real memory, for good: the address of its first page.
pub(crate) fn pages(count: usize) -> u64 {
    #[repr(align(4096))]
    #[derive(Clone)]
    struct Page(#[allow(dead_code)] [u8; PAGE_SIZE as usize]);

    let pages = Vec::leak(vec![Page([0; PAGE_SIZE as usize]); count]);
    pages.as_ptr() as u64
}

/// moe with some real memory, and a component's factory.
pub(crate) fn moe_with_component() -> (Moe, ObjectId) {
    let first = pages(MEMORY_FRAMES);
    let end = first + MEMORY_FRAMES as u64 * PAGE_SIZE;
    let words = Frames::bookkeeping_frames(first, end) * PAGE_SIZE / 8;
    let mut moe = Moe::new();
    moe.last_address = 0x7fff_ffff_ffff;
    moe.bank
        .fund(first, first, end, Vec::leak(vec![0; words as usize]));
    moe.objects.make_places(&mut moe.bank, 1024).unwrap();
    let account = moe.bank.open(AccountId::ROOT, COMPONENT_MEMORY).unwrap();
    let component = Factory {
        payer: Payer {
            account,
            ..Payer::ROOT
        },
        owns_kernel_factory: false,
        limits: Limits {
            tag: Some(Tag::new(b"client")),
            priority: 10,
            cpus: u64::MAX,
        },
    };
    let component = moe.insert(Payer::ROOT, Object::Factory(component)).unwrap();
    moe.add_reference(component);
    (moe, component)
}
