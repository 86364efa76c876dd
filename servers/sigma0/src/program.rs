//! Start and server loop.

use core::cell::UnsafeCell;
use core::panic::PanicInfo;

use l4_abi::arch::native::KipHeader;
use l4_abi::capability::slot;
use l4_abi::error::ResultCode;
use l4_abi::kip::{self, MemoryDescriptor};
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::protocol::scheduler::{CpuSet, MAX_PRIORITY};
use l4_abi::protocol::sigma0::CLIENT_SHIFT;
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::TimeoutPair;
use l4_abi::utcb::BufferDescriptor;
use l4_sys::fatal::end_system;
use l4_sys::ipc::{self, Arrival};
use l4_sys::object::{Factory, IpcGate, Log, PlatformControl, Scheduler, Thread};
use l4_sys::slots::SLOTS;
use l4_sys::{Cap, OwnedCap, Utcb};
use sigma0::requests::{Answer, Client, Resources};

const STACK_SIZE: usize = 256 * 1024;
/// Words that a request can have at most.
const REQUEST_WORDS: usize = 2;

l4_sys::root_start!(main, STACK_SIZE);

/// Too large for the stack.
struct State(UnsafeCell<Resources>);

// SAFETY: sigma0 has one thread.
unsafe impl Sync for State {}

static STATE: State = State(UnsafeCell::new(Resources::new()));

extern "C" fn main(kip: usize) -> ! {
    SLOTS.start_at(slot::FIRST_FREE as usize);
    // SAFETY: `main` runs once, and nobody else names the state.
    let resources = unsafe { &mut *STATE.0.get() };
    let descriptors = memory_descriptors(kip).iter().copied();
    if resources.take_over(kip as u64, descriptors).is_err() {
        panic!("the memory map of the kernel info page has too many parts");
    }
    let mut next_client = slot::FIRST_FREE;

    let scheduler: Cap<Scheduler> = Cap::at(slot::SCHEDULER);
    if let Err(error) = scheduler.run_thread(own_thread(), CpuSet::ALL, MAX_PRIORITY, 0) {
        panic!("cannot raise the priority: {error}");
    }
    let utcb = Utcb::current();
    utcb.set_buffer_descriptor(BufferDescriptor::DEFAULT);
    loop {
        // Nobody has anything to give.
        utcb.set_buffer(0, 0);
        if let Ok(arrival) = ipc::wait(TimeoutPair::NEVER) {
            let answered = answer(resources, &mut next_client, &arrival);
            let (tag, _new_client) = answered.unwrap_or_else(|error| {
                let tag = MessageTag::label_only(error.label());
                (tag, None)
            });
            // A caller that does not wait for it gets none.
            let _ = ipc::reply(tag);
        }
    }
}

/// Puts the answer into the message registers: its tag, and what is sent with it.
fn answer(
    resources: &mut Resources,
    next_client: &mut u64,
    arrival: &Arrival,
) -> Result<(MessageTag, Option<OwnedCap<IpcGate>>), ResultCode> {
    let utcb = Utcb::current();
    let words: [u64; REQUEST_WORDS] = core::array::from_fn(|index| utcb.message(index));
    let count = arrival.tag.words().min(REQUEST_WORDS);
    let rights = arrival.label as u8 & CapabilityRights::INVOCATION.bits();
    let client = Client {
        number: arrival.label >> CLIENT_SHIFT,
        rights: CapabilityRights::from_bits_truncate(rights),
    };
    let (item, gate) = match resources.answer(client, arrival.tag.label(), &words[..count])? {
        Answer::Done => return Ok((MessageTag::EMPTY, None)),
        Answer::Map(item) => (item, None),
        Answer::NewClient => {
            let factory: Cap<Factory> = Cap::at(slot::FACTORY);
            let gate = factory.create_gate(own_thread(), *next_client << CLIENT_SHIFT)?;
            *next_client += 1;
            (gate.pass(CapabilityRights::RWS).item(), Some(gate))
        }
    };
    utcb.set_messages(&[item.control.raw(), item.flexpage.raw()]);
    Ok((MessageTag::new(0, 0, 1, TagFlags::empty()), gate))
}

fn own_thread() -> Cap<Thread> {
    Cap::at(slot::THREAD)
}

/// The kernel's description of physical memory.
fn memory_descriptors(kip: usize) -> &'static [MemoryDescriptor] {
    // SAFETY: the kernel passes the address of the page, which it and bootstrap have filled; all
    // memory is mapped to sigma0 one to one, and nobody changes the descriptors any more.
    unsafe {
        let header = &*(kip as *const KipHeader);
        if !kip::is_compatible(header.magic, header.version) {
            panic!("the kernel info page has another version of the ABI");
        }
        let first = kip + header.memory_descriptors_offset as usize;
        core::slice::from_raw_parts(
            first as *const MemoryDescriptor,
            header.memory_descriptors_count as usize,
        )
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let log = *Cap::<Log>::at(slot::LOG);
    let platform = *Cap::<PlatformControl>::at(slot::ICU);
    end_system(log, platform, "sigma0", format_args!("{}", info.message()))
}
