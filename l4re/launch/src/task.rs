//! The task of a new program: its stack, its capabilities, its first thread.

use alloc::vec::Vec;

use l4_abi::capability::{Selector, slot};
use l4_abi::l4re as program;
use l4_abi::rights::CapabilityRights;
use l4_loader::start_block::StartBlock;
use l4_memory::Shared;
use l4_sys::attempt::Reason;
use l4_sys::object::Control;
use l4_sys::{AnyObject, Cap};
use l4re::mem_alloc::DataspaceFlags;
use l4re::region_map::Flags;
use l4re::{MemAlloc, PAGE_SIZE};

use crate::image::Image;
use crate::layout::{Layout, SMALLEST_STACK};
use crate::{Attempt, LaunchError, Launcher, Named, Parts, Program};

/// Largest start block: arguments, names and the environment.
const START_BLOCK_SIZE: u64 = 4 * PAGE_SIZE;
const _: () = assert!(START_BLOCK_SIZE <= SMALLEST_STACK);

/// Completes the task and starts its first thread.
pub(crate) fn start(
    launcher: Launcher,
    program: Program<'_>,
    image: &Image,
    parts: &Parts,
    named: &[Named<'_>],
) -> Result<(), LaunchError> {
    let stack_pointer = make_stack(launcher, program, image, parts, named)?;
    make_fixed_regions(launcher, parts, &image.layout).to("lay out its memory")?;
    give_capabilities(launcher, parts, named).to("give it its capabilities")?;
    run(launcher, program, parts, image, stack_pointer).to("start its thread")
}

fn run(
    launcher: Launcher,
    program: Program<'_>,
    parts: &Parts,
    image: &Image,
    stack_pointer: u64,
) -> l4_sys::Result<()> {
    let pager = Selector::new(program::slot::REGION_MAP);
    parts.thread.control(Control {
        pager: Some(pager),
        exception_handler: Some(pager),
        bind: Some((parts.task, program::UTCB_AREA_START as usize)),
        alien: None,
    })?;
    launcher
        .scheduler
        .run_thread(parts.thread, program.cpus, program.priority, 0)?;
    parts.thread.ex_regs(
        Some(image.entry),
        Some(stack_pointer),
        image.layout.start_flags,
    )?;
    Ok(())
}

/// Makes the stack, with the start block at its end; the first stack pointer.
fn make_stack(
    launcher: Launcher,
    program: Program<'_>,
    image: &Image,
    parts: &Parts,
    named: &[Named<'_>],
) -> Result<u64, LaunchError> {
    const MAKE: &str = "make its stack";
    let top = image.layout.stack_end();
    let names: Vec<&str> = named.iter().map(|one| one.name).collect();
    let block = StartBlock {
        arguments: program.arguments,
        names: &names,
        kip: image.layout.kip,
        program_headers: image.program_headers,
        entry: image.entry,
    };
    let mut bytes = alloc::vec![0; START_BLOCK_SIZE as usize];
    let stack_pointer = block.write(&mut bytes, top).map_err(|_| LaunchError {
        action: MAKE,
        reason: Reason::Text("its arguments are too long; give it fewer"),
    })?;
    let used = (top - stack_pointer).next_multiple_of(PAGE_SIZE);
    let block = &bytes[(START_BLOCK_SIZE - used) as usize..];
    attach_stack(launcher, parts, &image.layout, block).to(MAKE)?;
    Ok(stack_pointer)
}

/// Attaches the stack, whose last bytes are `block`, and keeps the page below it free.
fn attach_stack(
    launcher: Launcher,
    parts: &Parts,
    layout: &Layout,
    block: &[u8],
) -> l4_sys::Result<()> {
    let (start, size) = (layout.stack_start, layout.stack_size);
    let used = block.len() as u64;
    let new =
        |memory: Cap<MemAlloc>, size| memory.create_dataspace(size, DataspaceFlags::empty(), 0);
    let stack = new(parts.memory, size)?;
    let bridge = new(launcher.memory, used)?;
    Shared::writable(bridge.as_cap())?.write(0, block);
    stack.copy_in(size - used, 0, used, bridge.as_cap().into())?;
    parts.map.reserve_area(start - PAGE_SIZE, PAGE_SIZE, 0, 0)?;
    let stack = stack.pass(CapabilityRights::RW);
    parts.map.attach_at(start, stack, 0, size, Flags::RW)?;
    Ok(())
}

/// The kernel info page, the addresses of the UTCBs, and what the program wants to stay free.
fn make_fixed_regions(launcher: Launcher, parts: &Parts, layout: &Layout) -> l4_sys::Result<()> {
    for &(start, size) in &layout.reserved {
        parts.map.reserve_area(start, size, 0, 0)?;
    }
    let (map, kip) = (parts.map, launcher.kip.into());
    map.attach_at(layout.kip, kip, 0, PAGE_SIZE, Flags::RX)?;
    let (start, size) = (program::UTCB_AREA_START, 1 << program::UTCB_AREA_ORDER);
    let (flags, none) = ((Flags::RW | Flags::KERNEL).bits(), Selector::INVALID.raw());
    map.attach(start, size, flags, 0, 0, none, b"[utcb]\0", 0, None)?;
    Ok(())
}

/// Exactly these, and nothing that reaches further.
fn give_capabilities(launcher: Launcher, parts: &Parts, named: &[Named<'_>]) -> l4_sys::Result<()> {
    let give = |capability: Cap<AnyObject>, index, rights| {
        parts.task.map_capability(capability, index, rights)
    };
    let (all, read) = (CapabilityRights::RWS, CapabilityRights::READ);
    let scheduler = parts.scheduler.cast();
    give(parts.task.cast(), slot::TASK, all)?;
    give(parts.factory.cast(), slot::FACTORY, all)?;
    give(parts.thread.cast(), slot::THREAD, all)?;
    give(scheduler, slot::SCHEDULER, CapabilityRights::RW)?;
    give(parts.parent.cast(), program::slot::PARENT, read)?;
    give(parts.log.cast(), slot::LOG, read)?;
    give(parts.map.cast(), program::slot::REGION_MAP, all)?;
    give(parts.memory.cast(), program::slot::MEM_ALLOC, all)?;
    give(launcher.kip.cast(), program::slot::KIP, read)?;
    for (index, one) in (program::slot::FIRST_NAMED..).zip(named) {
        give(one.capability, index, one.rights)?;
    }
    Ok(())
}
