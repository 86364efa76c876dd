//! From nothing to a running first program.

mod first_program;
mod memory_claim;
mod modules;
mod sigma0;

use l4_abi::capability::slot;
use l4_abi::kip::{MemoryDescriptor, MemoryType};
use l4_abi::protocol::scheduler::{CpuSet, MAX_PRIORITY};
use l4_abi::rights::MemoryRights;
use l4_sys::attempt::{Attempt, Reason};
use l4_sys::object::{Debugger, Factory, Irq, Scheduler, Thread};
use l4_sys::slots::SLOTS;
use l4_sys::{Cap, attempt};

use crate::bank::AccountId;
use crate::frames::PAGE_SIZE;
use crate::moe::Moe;
use crate::object::dataspace::Dataspace;
use crate::object::namespace::{Namespace, Target};
use crate::object::{Object, Payer};
use crate::service::DELETION_LABEL;

use modules::Module;

/// Objects that can exist for every so many bytes of memory, within limits.
const MEMORY_PER_OBJECT: u64 = 64 << 10;
const FEWEST_OBJECTS: u64 = 1024;
const MOST_OBJECTS: u64 = 6144;

/// What went wrong, and with what.
type Failure = attempt::Failure<l4_loader::Error>;

/// Takes over all memory, makes the first objects and starts ned.
pub fn start(moe: &mut Moe) -> Result<(), Failure> {
    SLOTS.start_at(slot::FIRST_FREE as usize);
    let thread: Cap<Thread> = Cap::at(slot::THREAD);
    let scheduler: Cap<Scheduler> = Cap::at(slot::SCHEDULER);
    scheduler
        .run_thread(thread, CpuSet::ALL, MAX_PRIORITY, 0)
        .to("raise the own priority")?;
    Debugger::KERNEL.introduce(Cap::at(slot::TASK), thread, "moe", "moe");
    watch_deletions(thread).to("watch for gates that go")?;

    let kip = sigma0::kernel_info_page().to("map the kernel info page")?;
    moe.last_address = last_user_address(kip.descriptors())?;
    memory_claim::take_over_all(&mut moe.bank);
    let objects = moe.bank.free_memory() / MEMORY_PER_OBJECT;
    let objects = objects.clamp(FEWEST_OBJECTS, MOST_OBJECTS) as usize;
    moe.objects
        .make_places(&mut moe.bank, objects)
        .to("make room for objects")?;
    moe.bank.share_places(objects);

    let modules = modules::all(kip.user_pointer());
    let rom = Object::Namespace(Namespace::new(AccountId::ROOT));
    let rom = moe
        .insert(Payer::ROOT, rom)
        .to("make the namespace of the boot modules")?;
    moe.add_reference(rom);
    for module in modules.clone() {
        add_module(moe, rom, module).to("make a boot module available")?;
    }
    let kip = Dataspace::fixed(kip.address(), PAGE_SIZE, MemoryRights::RX)
        .and_then(|kip| moe.insert(Payer::ROOT, Object::Dataspace(kip)))
        .to("make the kernel info page available")?;
    moe.add_reference(kip);
    first_program::start(moe, rom, kip, modules)
}

/// The last address that user programs can have.
fn last_user_address(descriptors: &[MemoryDescriptor]) -> Result<u64, Failure> {
    let is_user = |entry: &&MemoryDescriptor| {
        entry.is_virtual() && entry.kind() == Some(MemoryType::Conventional)
    };
    let last = descriptors.iter().filter(is_user).map(|entry| entry.last());
    last.max().ok_or(Failure {
        action: "lay out address spaces",
        reason: Reason::Text("the kernel info page does not say how large they are"),
    })
}

fn watch_deletions(thread: Cap<Thread>) -> l4_sys::Result<()> {
    let factory: Cap<Factory> = Cap::at(slot::FACTORY);
    let irq: Cap<Irq> = factory.create_irq()?.leak();
    irq.bind_thread(thread, DELETION_LABEL)?;
    thread.register_deletion_irq(irq)
}

/// Modules are read-only: every program that runs from one shares its pages.
fn add_module(
    moe: &mut Moe,
    rom: crate::object::ObjectId,
    module: Module,
) -> Result<(), l4_abi::error::ResultCode> {
    use l4_abi::protocol::namespace::Flags;
    if module.size == 0 || module.name.is_empty() {
        return Ok(());
    }
    sigma0::map_ram(module.address, module.size)?;
    let dataspace = Dataspace::fixed(module.address, module.size, MemoryRights::RX)?;
    let id = moe.insert(Payer::ROOT, Object::Dataspace(dataspace))?;
    moe.add_reference(id);
    let (names, bank) = moe.find::<Namespace>(rom)?;
    names.register_static(bank, module.name, Target::Object(id), Flags::RO)
}
