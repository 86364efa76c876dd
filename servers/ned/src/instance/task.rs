//! The task of a new component: its stack, its capabilities, its first thread.

use alloc::vec::Vec;

use l4_abi::capability::{Selector, slot};
use l4_abi::flexpage::Flexpage;
use l4_abi::l4re::{self as program, Environment};
use l4_abi::protocol::scheduler::CpuSet;
use l4_abi::protocol::thread::ExRegsFlags;
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_loader::start_block::StartBlock;
use l4_memory::Shared;
use l4_sys::object::Control;
use l4_sys::{AnyObject, Cap, Result as CallResult};
use l4re::PAGE_SIZE;
use l4re::mem_alloc::DataspaceFlags;
use l4re::region_map::Flags;
use system_description::Component;

use super::image::Image;
use super::{Attempt, Instance, Named, Reason, StartError, Supplies};

/// Where the UTCBs of a component's threads are.
pub(super) const UTCB_AREA: Flexpage = Flexpage::memory(
    program::UTCB_AREA_START,
    program::UTCB_AREA_ORDER,
    MemoryRights::empty(),
);
/// Where stock programs have it too.
const KIP_ADDRESS: u64 = 0x6fff_f000;
/// Largest start block: arguments, names and the environment.
const START_BLOCK_SIZE: u64 = 4 * PAGE_SIZE;

/// Completes the task of `instance` and starts its first thread.
pub(super) fn start(
    supplies: &Supplies,
    component: &Component<'_>,
    instance: &Instance,
    image: &Image,
    named: &[Named<'_>],
) -> Result<(), StartError> {
    let stack_pointer = make_stack(supplies, component, instance, image, named)?;
    make_fixed_regions(supplies, instance).to("lay out its memory")?;
    give_capabilities(supplies, instance, named)?;
    let task = instance.task()?;
    let pager = Selector::new(program::slot::REGION_MAP);
    let control = Control {
        pager: Some(pager),
        exception_handler: Some(pager),
        bind: Some((task, program::UTCB_AREA_START as usize)),
        alien: None,
    };
    let run = || -> CallResult<()> {
        instance.thread.control(control)?;
        let cpus = cpu_set(component.cpus);
        supplies
            .scheduler
            .run_thread(instance.thread.as_cap(), cpus, component.priority, 0)?;
        let (entry, stack) = (Some(image.entry), Some(stack_pointer));
        instance
            .thread
            .ex_regs(entry, stack, ExRegsFlags::empty())?;
        Ok(())
    };
    run().to("start its thread")
}

fn cpu_set(cpus: u64) -> CpuSet {
    if cpus == u64::MAX {
        CpuSet::ALL
    } else {
        CpuSet {
            granularity_offset: 0,
            map: cpus,
        }
    }
}

/// Makes the stack, with the start block at its end; the first stack pointer.
fn make_stack(
    supplies: &Supplies,
    component: &Component<'_>,
    instance: &Instance,
    image: &Image,
    named: &[Named<'_>],
) -> Result<u64, StartError> {
    const MAKE: &str = "make its stack";
    let (size, top) = (
        program::STACK_SIZE,
        program::STACK_START + program::STACK_SIZE,
    );
    let mut arguments = alloc::vec![component.name];
    arguments.extend(component.args);
    let capabilities: Vec<(&str, u64)> = named
        .iter()
        .enumerate()
        .map(|(index, one)| (one.name, program::slot::FIRST_NAMED + index as u64))
        .collect();
    let block = StartBlock {
        arguments: &arguments,
        environment: environment(named.len() as u64),
        capabilities: &capabilities,
        kip: KIP_ADDRESS,
        program_headers: image.program_headers,
        entry: image.entry,
    };
    let mut bytes = alloc::vec![0; START_BLOCK_SIZE as usize];
    let stack_pointer = block.write(&mut bytes, top).map_err(|_| StartError {
        action: MAKE,
        reason: Reason::Text("its arguments are too long; give it fewer"),
    })?;
    let used = (top - stack_pointer).next_multiple_of(PAGE_SIZE);
    let make = || -> CallResult<()> {
        let memory = instance
            .memory
            .as_ref()
            .ok_or(l4_abi::error::ResultCode::ENOENT)?;
        let stack = memory.create_dataspace(size, DataspaceFlags::empty(), 0)?;
        // ned never maps the component's memory: the bytes go through a page of its own.
        let bridge = supplies
            .memory
            .create_dataspace(used, DataspaceFlags::empty(), 0)?;
        let view = Shared::writable(bridge.as_cap())?;
        view.write(0, &bytes[(START_BLOCK_SIZE - used) as usize..]);
        stack.copy_in(size - used, 0, used, bridge.as_cap().into())?;
        let map = &instance.map;
        map.reserve_area(program::STACK_START - PAGE_SIZE, PAGE_SIZE, 0, 0)?;
        let passed = stack.pass(CapabilityRights::RW);
        map.attach_at(program::STACK_START, passed, 0, size, Flags::RW)?;
        Ok(())
    };
    make().to(MAKE)?;
    Ok(stack_pointer)
}

fn environment(named: u64) -> Environment {
    let selector = |index| Selector::new(index).raw();
    Environment {
        parent: selector(program::slot::PARENT),
        region_map: selector(program::slot::REGION_MAP),
        mem_alloc: selector(program::slot::MEM_ALLOC),
        log: selector(slot::LOG),
        main_thread: selector(slot::THREAD),
        factory: selector(slot::FACTORY),
        scheduler: selector(slot::SCHEDULER),
        itas: Selector::INVALID.raw(),
        dbg_events: Selector::INVALID.raw(),
        first_free_capability: program::slot::FIRST_NAMED + named,
        first_free_reply_capability: 0,
        utcb_area: UTCB_AREA.raw(),
        first_free_utcb: program::UTCB_AREA_START + l4_abi::utcb::SIZE as u64,
        capabilities: 0,
    }
}

/// The kernel info page, and the addresses of the UTCBs.
fn make_fixed_regions(supplies: &Supplies, instance: &Instance) -> CallResult<()> {
    let map = &instance.map;
    map.attach_at(KIP_ADDRESS, supplies.kip.into(), 0, PAGE_SIZE, Flags::RX)?;
    let none = Selector::INVALID.raw();
    let flags = (Flags::RW | Flags::KERNEL).bits();
    let size = 1 << program::UTCB_AREA_ORDER;
    map.attach(
        program::UTCB_AREA_START,
        size,
        flags,
        0,
        0,
        none,
        b"[utcb]\0",
        0,
        None,
    )?;
    Ok(())
}

/// Exactly these, and nothing that reaches further.
fn give_capabilities(
    supplies: &Supplies,
    instance: &Instance,
    named: &[Named<'_>],
) -> Result<(), StartError> {
    let task = instance.task()?;
    let missing = || StartError {
        action: "start it",
        reason: Reason::Text("it has ended"),
    };
    let memory = instance.memory.as_ref().ok_or_else(missing)?;
    let parent = instance.parent.as_ref().ok_or_else(missing)?;
    let give = |capability: Cap<AnyObject>, index, rights| {
        task.map_capability(capability, index, rights)
            .to("give it its capabilities")
    };
    let (all, read) = (CapabilityRights::RWS, CapabilityRights::READ);
    give(task.cast(), slot::TASK, all)?;
    give(instance.factory.as_cap().cast(), slot::FACTORY, all)?;
    give(instance.thread.as_cap().cast(), slot::THREAD, all)?;
    give(
        instance.scheduler.as_cap().cast(),
        slot::SCHEDULER,
        CapabilityRights::RW,
    )?;
    give(parent.as_cap().cast(), program::slot::PARENT, read)?;
    give(instance.log.as_cap().cast(), slot::LOG, read)?;
    give(instance.map.as_cap().cast(), program::slot::REGION_MAP, all)?;
    give(memory.as_cap().cast(), program::slot::MEM_ALLOC, all)?;
    give(supplies.kip.cast(), program::slot::KIP, read)?;
    for (index, one) in named.iter().enumerate() {
        give(
            one.capability,
            program::slot::FIRST_NAMED + index as u64,
            one.rights,
        )?;
    }
    Ok(())
}
