//! Loading and starting ned, with everything that it needs to make a system.

use l4_abi::capability::{Selector, slot};
use l4_abi::error::ResultCode;
use l4_abi::l4re as program;
use l4_abi::protocol::region_map::Flags;
use l4_abi::protocol::scheduler::CpuSet;
use l4_abi::protocol::thread::ExRegsFlags;
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_loader::Elf;
use l4_loader::placement::{Placement, Source};
use l4_loader::start_block::StartBlock;
use l4_sys::attempt::{Attempt, Reason};
use l4_sys::object::{Control, Debugger, Factory as KernelFactory, Scheduler, Task, Thread};
use l4_sys::{AnyObject, Cap, Object as _};

use super::modules::Module;
use super::{Failure, sigma0};
use crate::bank::AccountId;
use crate::frames::PAGE_SIZE;
use crate::memory;
use crate::moe::Moe;
use crate::object::dataspace::Dataspace;
use crate::object::factory::{Factory, Limits};
use crate::object::log::{Log, Tag};
use crate::object::region_map::{Name, Place, Region, RegionMap};
use crate::object::{Object, ObjectId, Payer};

const NAME: &str = "ned";
/// Below moe and sigma0, above all components.
const PRIORITY: u8 = 250;
const TAG_COLOUR: u8 = 90;

/// Named capabilities, in the slots from [`program::slot::FIRST_NAMED`] on.
const NAMES: [&str; 4] = ["rom", "vlog", "icu", "sigma0"];

/// The task while it is put together.
struct Program<'a> {
    moe: &'a mut Moe,
    map: ObjectId,
    task: Cap<Task>,
}

/// Starts the boot module `ned`, behind whose name there may be a `+` and what it was built with.
pub(super) fn start(
    moe: &mut Moe,
    rom: ObjectId,
    kip: ObjectId,
    mut modules: impl Iterator<Item = Module>,
) -> Result<(), Failure> {
    const LOAD: &str = "load ned";
    let refused = |reason| Failure {
        action: LOAD,
        reason,
    };
    let is_ned =
        |module: &Module| module.name.split(|byte| *byte == b'+').next() == Some(NAME.as_bytes());
    let module = modules.find(is_ned);
    let module = module.ok_or(refused(Reason::Text(
        "there is no boot module of that name",
    )))?;
    let file = memory::constant(module.address, module.size);
    let elf = Elf::parse(file).map_err(|error| refused(Reason::Program(error)))?;
    if elf.is_position_independent() {
        return Err(refused(Reason::Text("it is position independent")));
    }
    let placements = elf
        .placements()
        .map_err(|error| refused(Reason::Program(error)))?;

    let kernel: Cap<KernelFactory> = Cap::at(slot::FACTORY);
    let task = kernel
        .create_task(program::UTCB_AREA)
        .to("make ned's task")?
        .leak();
    let thread = kernel.create_thread().to("make ned's thread")?.leak();
    let file_name = core::str::from_utf8(module.name).unwrap_or(NAME);
    Debugger::KERNEL.introduce(task, thread, NAME, file_name);
    let last_address = moe.last_address;
    let map = RegionMap::new(&mut moe.bank, AccountId::ROOT, last_address)
        .and_then(|map| moe.insert(Payer::ROOT, Object::RegionMap(map)))
        .to("make ned's region map")?;
    moe.add_reference(map);
    moe.first_map = Some(map);
    let mut program = Program { moe, map, task };

    for placement in placements {
        program.place(&placement, module, file).to(LOAD)?;
    }
    let page = (program::KIP_ADDRESS, PAGE_SIZE);
    let attached = program.attach(page, Flags::RX, Some((kip, 0)), "[kip]");
    attached.to(LOAD)?;
    let utcbs = (program::UTCB_AREA_START, 1 << program::UTCB_AREA_ORDER);
    let attached = program.attach(utcbs, Flags::RW | Flags::KERNEL, None, "[utcb]");
    attached.to(LOAD)?;
    let start = StartBlock {
        arguments: &[file_name],
        names: &NAMES,
        kip: program::KIP_ADDRESS,
        program_headers: None,
        entry: elf.entry(),
    };
    let stack_pointer = program.stack(&start).to("make ned's stack")?;
    program
        .give_capabilities(rom, kip, thread)
        .to("give ned its capabilities")?;
    run(task, thread, elf.entry(), stack_pointer).to("start ned")
}

fn run(task: Cap<Task>, thread: Cap<Thread>, entry: u64, stack_pointer: u64) -> l4_sys::Result<()> {
    let pager = Selector::new(program::slot::REGION_MAP);
    thread.control(Control {
        pager: Some(pager),
        exception_handler: Some(pager),
        bind: Some((task, program::UTCB_AREA_START as usize)),
        alien: None,
    })?;
    let scheduler: Cap<Scheduler> = Cap::at(slot::SCHEDULER);
    scheduler.run_thread(thread, CpuSet::ALL, PRIORITY, 0)?;
    thread.ex_regs(Some(entry), Some(stack_pointer), ExRegsFlags::empty())?;
    Ok(())
}

impl Program<'_> {
    fn attach(
        &mut self,
        (start, size): (u64, u64),
        flags: Flags,
        memory: Option<(ObjectId, u64)>,
        name: &str,
    ) -> Result<(), ResultCode> {
        let (map, bank) = self.moe.find::<RegionMap>(self.map)?;
        let region = Region {
            first: 0,
            last: 0,
            flags,
            memory: memory.map(|(id, _)| id),
            owns_memory: false,
            offset: memory.map_or(0, |(_, offset)| offset),
            client_capability: Selector::INVALID.raw(),
            backing_offset: 0,
            name: Name::new(name.as_bytes()),
        };
        let place = Place {
            start,
            size,
            flags: Flags::empty(),
            alignment: 0,
        };
        map.attach(bank, place, region)?;
        if let Some((id, _)) = memory {
            self.moe.add_reference(id);
        }
        Ok(())
    }

    fn add_dataspace(&mut self, dataspace: Dataspace) -> Result<ObjectId, ResultCode> {
        self.moe.insert(Payer::ROOT, Object::Dataspace(dataspace))
    }

    fn place(
        &mut self,
        placement: &Placement,
        module: Module,
        file: &[u8],
    ) -> Result<(), ResultCode> {
        let size = placement.pages.end - placement.pages.start;
        let flags = Flags::from_bits_truncate(placement.access.bits().into());
        let memory = match &placement.source {
            Source::File { offset } => {
                let module = Dataspace::fixed(module.address, module.size, MemoryRights::RX)?;
                (self.add_dataspace(module)?, *offset)
            }
            Source::Copy {
                target,
                file: range,
            } => {
                let mut copy = Dataspace::on_demand(AccountId::ROOT, size)?;
                let data = &file[range.start as usize..range.end as usize];
                copy.write(&mut self.moe.bank, *target, data)?;
                (self.add_dataspace(copy)?, 0)
            }
        };
        self.attach((placement.pages.start, size), flags, Some(memory), NAME)
    }

    /// Makes the stack, with the start block on it; the first stack pointer.
    fn stack(&mut self, block: &StartBlock<'_>) -> Result<u64, ResultCode> {
        let (start, size) = (program::STACK_START, program::STACK_SIZE);
        let mut stack = Dataspace::on_demand(AccountId::ROOT, size)?;
        let mut page = [0; PAGE_SIZE as usize];
        let stack_pointer = block
            .write(&mut page, start + size)
            .or(Err(ResultCode::ENOMEM))?;
        stack.write(&mut self.moe.bank, size - PAGE_SIZE, &page)?;
        let stack = self.add_dataspace(stack)?;
        self.attach((start, size), Flags::RW, Some((stack, 0)), "[stack]")?;
        Ok(stack_pointer)
    }

    fn give_capabilities(
        &mut self,
        rom: ObjectId,
        kip: ObjectId,
        thread: Cap<Thread>,
    ) -> l4_sys::Result<()> {
        let factory = Factory {
            payer: Payer::ROOT,
            owns_kernel_factory: false,
            limits: Limits::NONE,
        };
        let tag = Tag::new(NAME.as_bytes());
        let log = Log::new(&mut self.moe.bank, AccountId::ROOT, tag, TAG_COLOUR, false)?;
        let named = program::slot::FIRST_NAMED;
        self.give(Cap::<AnyObject>::new(self.task.selector()), slot::TASK)?;
        self.give(thread.cast(), slot::THREAD)?;
        for (own, index) in [
            (slot::FACTORY, slot::FACTORY),
            (slot::SCHEDULER, slot::SCHEDULER),
            (slot::LOG, named + 1),
            (slot::ICU, named + 2),
            // Empty in kernels without a debugger.
            (slot::DEBUGGER, slot::DEBUGGER),
        ] {
            self.give(Cap::at(own), index)?;
        }
        self.give(sigma0::new_client()?.leak(), named + 3)?;
        let map = self.map;
        self.give_object(map, program::slot::REGION_MAP)?;
        self.give_object(rom, named)?;
        self.give_object(kip, program::slot::KIP)?;
        for (object, index) in [
            (Object::Log(log), slot::LOG),
            (Object::Factory(factory), program::slot::MEM_ALLOC),
            (Object::Parent, program::slot::PARENT),
        ] {
            let id = self.moe.insert(Payer::ROOT, object)?;
            self.moe.add_reference(id);
            self.give_object(id, index)?;
        }
        Ok(())
    }

    fn give_object(&mut self, id: ObjectId, index: u64) -> l4_sys::Result<()> {
        let gate = self.moe.gate(id)?;
        self.give(gate.cast(), index)
    }

    fn give(&self, capability: Cap<AnyObject>, index: u64) -> l4_sys::Result<()> {
        self.task
            .map_capability(capability, index, CapabilityRights::RWS)
    }
}
