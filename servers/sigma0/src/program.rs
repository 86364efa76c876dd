//! Start and server loop.

use core::cell::UnsafeCell;
use core::panic::PanicInfo;

use l4_abi::arch::native::KipHeader;
use l4_abi::capability::slot;
use l4_abi::kip::{self, MemoryDescriptor};
use l4_abi::protocol::scheduler::{CpuSet, MAX_PRIORITY};
use l4_abi::protocol::sigma0::CLIENT_SHIFT;
use l4_abi::rights::CapabilityRights;
use l4_ipc::{Outcome, Request, Response, Writer};
use l4_sys::Cap;
use l4_sys::fatal::end_system;
use l4_sys::object::{Factory, Log, PlatformControl, Scheduler, Thread};
use l4_sys::slots::SLOTS;
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
    let ended = l4_ipc::serve(|request| answer(resources, &mut next_client, request));
    panic!("the server loop ended: {ended:?}")
}

fn answer(resources: &mut Resources, next_client: &mut u64, request: &mut Request<'_>) -> Response {
    let mut words = [0; REQUEST_WORDS];
    let mut reader = request.reader();
    let count = (reader.remaining() / 8).min(REQUEST_WORDS);
    for word in &mut words[..count] {
        *word = reader.scalar().unwrap_or_default();
    }
    let client = Client {
        number: request.label() >> CLIENT_SHIFT,
        rights: request.rights(),
    };
    resources
        .answer(client, request.protocol(), &words[..count])
        .and_then(|answer| send(request, answer, next_client))
        .unwrap_or_else(Response::error)
}

fn send(request: &mut Request<'_>, answer: Answer, next_client: &mut u64) -> Outcome<Response> {
    let mut writer = Writer::new();
    match answer {
        Answer::Done => {}
        Answer::Map(item) => writer.item(item)?,
        Answer::NewClient => {
            let factory: Cap<Factory> = Cap::at(slot::FACTORY);
            let gate = factory.create_gate(own_thread(), *next_client << CLIENT_SHIFT)?;
            *next_client += 1;
            writer.item(gate.pass(CapabilityRights::RWS).item())?;
            request.release_after_answer(gate);
        }
    }
    writer.finish_answer().map(Response::Answer)
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
