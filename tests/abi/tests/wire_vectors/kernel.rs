//! Requests to kernel objects, word by word.

use l4_abi::capability::{Selector, slot};
use l4_abi::exception::FaultWord;
use l4_abi::flexpage::Flexpage;
use l4_abi::item::{ItemControl, ItemFlags, MapItem, ReceiveBuffer, SendItem};
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::operation::{Destination, Operation};
use l4_abi::protocol::*;
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_abi::timeout::{Timeout, TimeoutPair};

use crate::Request;

const PAGE: Flexpage = Flexpage::memory(0x4000, 12, MemoryRights::RWX);
const IRQ: u64 = 0xddd;
const SEMAPHORE: u64 = 0xeee;
const GATE: u64 = 0xfff;
const REGION_MAP: u64 = l4_abi::l4re::slot::REGION_MAP;

impl Request {
    /// A call with words only.
    fn call(name: &'static str, slot: u64, label: i64, words: &[u64]) -> Request {
        Request {
            name,
            destination: Destination::new(Selector::new(slot), Operation::CALL).raw(),
            timeouts: TimeoutPair::NEVER.raw(),
            tag: MessageTag::words_only(label, words.len()),
            message: words.to_vec(),
            buffers: None,
        }
    }

    fn operation(mut self, operation: Operation) -> Request {
        let selector = Destination::from_raw(self.destination).selector();
        self.destination = Destination::new(selector, operation).raw();
        self
    }

    fn on_itself(mut self) -> Request {
        let operation = Destination::from_raw(self.destination).operation();
        self.destination = Destination::new(Selector::INVALID, operation).raw();
        self
    }

    fn timeouts(mut self, timeouts: TimeoutPair) -> Request {
        self.timeouts = timeouts.raw();
        self
    }

    fn flags(mut self, flags: TagFlags) -> Request {
        let tag = self.tag;
        self.tag = MessageTag::new(tag.label(), tag.words(), tag.items(), flags);
        self
    }

    fn item(mut self, item: MapItem) -> Request {
        let tag = self.tag;
        self.tag = MessageTag::new(tag.label(), tag.words(), tag.items() + 1, tag.flags());
        self.message.extend(SendItem::Map(item).words());
        self
    }

    fn capability(self, index: u64, rights: CapabilityRights) -> Request {
        self.item(MapItem::capability(index, rights))
    }

    fn buffers(mut self, buffers: &[u64]) -> Request {
        self.buffers = Some(buffers.to_vec());
        self
    }
}

/// All of them.
pub(crate) fn requests() -> Vec<Request> {
    [
        factory(),
        interrupts(),
        scheduling(),
        task(),
        thread(),
        x86_64(),
        devices(),
        plain_ipc(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn factory() -> Vec<Request> {
    use factory::{ObjectType, VargTag, VargType};

    let varg = |kind| VargTag::word_sized(kind).raw();
    let unsigned = varg(VargType::Unsigned);
    let create = |name, words: &[u64]| {
        Request::call(name, slot::FACTORY, label::FACTORY, words)
            .buffers(&[ReceiveBuffer::slot_word(0xbbb, false)])
    };
    let area = Flexpage::memory(0xb300_0000, 13, MemoryRights::RWX).raw();
    vec![
        create(
            "Factory: Task",
            &[ObjectType::Task.word(), varg(VargType::Flexpage), area],
        ),
        create(
            "Factory: gate, thread",
            &[ObjectType::IpcGate.word(), unsigned, 0x1230],
        )
        .capability(slot::THREAD, CapabilityRights::RWS),
        create(
            "Factory: gate without",
            &[ObjectType::IpcGate.word(), unsigned, 0x1230],
        ),
        create(
            "Factory: sub-factory",
            &[ObjectType::Factory.word(), unsigned, 0x1_0000],
        ),
        create("Factory: Thread", &[ObjectType::Thread.word()]),
        create("Factory: IRQ", &[ObjectType::IrqSender.word()]),
        Request::call(
            "mem_alloc: Dataspace",
            l4_abi::l4re::slot::MEM_ALLOC,
            label::FACTORY,
            &[
                label::DATASPACE as u64,
                varg(VargType::Signed),
                0x1234,
                unsigned,
                mem_alloc::DataspaceFlags::PINNED.bits(),
                unsigned,
                12,
            ],
        )
        .buffers(&[ReceiveBuffer::slot_word(0x222, false)]),
    ]
}

fn interrupts() -> Vec<Request> {
    use icu::{Mode, Opcode};

    let icu = |name, words: &[u64]| Request::call(name, slot::ICU, label::IRQ, words);
    let irq = |name, words: &[u64]| Request::call(name, IRQ, label::IRQ, words);
    let unmask = [irq::Opcode::Unmask.word(), icu::UNMASK_ARGUMENT];
    vec![
        icu("ICU bind", &[Opcode::Bind.word(), 0x11]).capability(IRQ, CapabilityRights::RWS),
        icu("ICU unbind", &[Opcode::Unbind.word(), 0x11]).capability(IRQ, CapabilityRights::RWS),
        icu("ICU info", &[Opcode::Info.word()]),
        icu("ICU msi_info", &[Opcode::MsiInfo.word(), 0x11, 0x2222_2222]).buffers(&[0]),
        icu("ICU mask", &[Opcode::Mask.word(), 0x11]).operation(Operation::SEND),
        icu("ICU unmask", &[Opcode::Unmask.word(), 0x11]).operation(Operation::SEND),
        icu(
            "ICU set_mode",
            &[Opcode::SetMode.word(), 0x11, Mode::BOTH_EDGES.bits()],
        ),
        irq("IRQ trigger", &[])
            .operation(Operation::SEND)
            .timeouts(TimeoutPair::BOTH_ZERO),
        irq("IRQ unmask", &unmask).operation(Operation::SEND),
        irq("IRQ wait", &unmask).operation(Operation::SEND_AND_WAIT),
        irq("IRQ receive", &[irq::Opcode::Unmask.word()]),
        Request::call(
            "IRQ detach",
            IRQ,
            label::IRQ_SENDER,
            &[irq::SenderOpcode::Detach.word()],
        ),
        Request::call(
            "IRQ bind_thread",
            IRQ,
            label::KERNEL_OBJECT,
            &[irq::BindOpcode::BindThread.word(), 0x1237],
        )
        .capability(slot::THREAD, CapabilityRights::READ)
        .buffers(&[0]),
        Request::call("Semaphore up", SEMAPHORE, label::IRQ, &[])
            .operation(Operation::SEND)
            .timeouts(TimeoutPair::BOTH_ZERO),
        Request::call(
            "Semaphore down",
            SEMAPHORE,
            label::SEMAPHORE,
            &[semaphore::Opcode::Down.word()],
        ),
    ]
}

fn scheduling() -> Vec<Request> {
    use scheduler::{CpuSet, Opcode};

    let request = |name, words: &[u64]| {
        Request::call(name, slot::SCHEDULER, label::SCHEDULER, words).buffers(&[0])
    };
    let CpuSet {
        granularity_offset,
        map,
    } = CpuSet::ALL;
    vec![
        request(
            "Scheduler run_thread",
            &[
                Opcode::RunThread.word(),
                granularity_offset,
                map,
                0x12,
                0x3456,
            ],
        )
        .capability(slot::THREAD, CapabilityRights::READ),
        request("Scheduler info", &[Opcode::Info.word(), 0]),
        request("Scheduler idle_time", &[Opcode::IdleTime.word(), 0, 1]),
    ]
}

fn task() -> Vec<Request> {
    use task::{Opcode, UnmapMask};

    let request = |name, words: &[u64]| Request::call(name, slot::TASK, label::TASK, words);
    let object = Flexpage::object(IRQ, CapabilityRights::RWSD).raw();
    let irq = Selector::new(IRQ).raw();
    let semaphore = Selector::new(SEMAPHORE).raw();
    let all_spaces = UnmapMask::ALL_SPACES.raw();
    let delete = UnmapMask::DELETE_OBJECT.raw();
    vec![
        request("Task map", &[Opcode::Map.word(), 0x8000, PAGE.raw()])
            .capability(slot::TASK, CapabilityRights::RWS),
        request(
            "Task unmap",
            &[Opcode::Unmap.word(), all_spaces, PAGE.raw()],
        ),
        request("Task delete_obj", &[Opcode::Unmap.word(), delete, object]),
        request(
            "Task release_cap",
            &[Opcode::Unmap.word(), all_spaces, object],
        ),
        request("Task cap_valid", &[Opcode::CapabilityInfo.word(), irq]),
        request(
            "Task cap_equal",
            &[Opcode::CapabilityInfo.word(), irq, semaphore],
        ),
        request(
            "Task add_ku_mem",
            &[Opcode::AddKernelUserMemory.word(), PAGE.raw()],
        ),
    ]
}

fn thread() -> Vec<Request> {
    use thread::{ControlFlags, ExRegsFlags, Opcode, TrampolineOpcode, control_word};

    let request = |name, words: &[u64]| Request::call(name, slot::THREAD, label::THREAD, words);
    let flags =
        ControlFlags::SET_PAGER | ControlFlags::SET_EXCEPTION_HANDLER | ControlFlags::BIND_TASK;
    let mut control = [0; thread::CONTROL_WORDS];
    control[0] = Opcode::Control.word() | flags.bits();
    control[control_word::PAGER] = Selector::new(REGION_MAP).raw();
    control[control_word::EXCEPTION_HANDLER] = Selector::new(REGION_MAP).raw();
    control[control_word::UTCB] = l4_abi::l4re::UTCB_AREA_START;

    let trampoline =
        |opcode: TrampolineOpcode| Opcode::PageFaultTrampoline.word() | opcode.word() << 16;
    let mut setup = request(
        "Thread pf_tramp setup",
        &[trampoline(TrampolineOpcode::Setup), 0xb300_0800],
    );
    setup.destination = Destination::new(Selector::new(0x25), Operation::CALL).raw();

    let page_to_vm = MapItem {
        control: ItemControl::map(0x40_0000, ItemFlags::empty()),
        ..MapItem::memory(0x4000, 12, MemoryRights::RX)
    };
    vec![
        request("Thread control", &control).capability(slot::TASK, CapabilityRights::RWS),
        request(
            "Thread ex_regs",
            &[
                Opcode::ExRegs.word() | ExRegsFlags::CANCEL.bits(),
                0x1111,
                0x2222,
            ],
        ),
        request(
            "Thread vcpu_control(",
            &[Opcode::VcpuControl.word(), 0x5000],
        ),
        request(
            "Thread vcpu_control_ext",
            &[Opcode::VcpuControl.word() | thread::VCPU_EXTENDED, 0x5000],
        ),
        request(
            "Thread modify_senders",
            &[Opcode::ModifySenders.word(), 1, 2, 3, 4],
        ),
        request(
            "Thread register_del_irq",
            &[Opcode::RegisterDeletionIrq.word()],
        )
        .capability(IRQ, CapabilityRights::RWS),
        request("Thread switch_to", &[Opcode::SwitchTo.word()]),
        request("Thread stats_time", &[Opcode::StatsTime.word()]),
        setup,
        request(
            "Thread pf_tramp resume",
            &[trampoline(TrampolineOpcode::Resume)],
        )
        .on_itself(),
        request(
            "Thread pf_tramp reflect",
            &[trampoline(TrampolineOpcode::Reflect)],
        )
        .on_itself(),
        request("vCPU resume without", &[Opcode::VcpuResume.word()]).on_itself(),
        request(
            "vCPU resume with one map item",
            &[Opcode::VcpuResume.word()],
        )
        .on_itself()
        .item(page_to_vm),
    ]
}

fn x86_64() -> Vec<Request> {
    use thread::{OpcodeX86, SegmentBase};

    let request = |name, words: &[u64]| Request::call(name, slot::THREAD, label::THREAD, words);
    let base = |segment: SegmentBase| OpcodeX86::SetSegmentBase.word() | segment.word() << 16;
    let descriptor = 0x1111_1111_1111_1111;
    vec![
        request("x86_64: set FS base", &[base(SegmentBase::Fs), descriptor]),
        request("x86_64: set GS base", &[base(SegmentBase::Gs), descriptor]),
        request("x86_64: segment_info", &[OpcodeX86::SegmentInfo.word()]),
        request("x86_64: gdt_set", &[OpcodeX86::Gdt.word(), 1, descriptor]),
        request("x86_64: gdt offset", &[OpcodeX86::Gdt.word()]),
        Request::call(
            "x86_64: ldt_set",
            slot::TASK,
            label::TASK,
            &[task::Opcode::LdtSet.word(), 2, descriptor, 0],
        ),
    ]
}

fn devices() -> Vec<Request> {
    use debugger::ObjectOpcode;
    use platform_control::{Opcode, Shutdown};

    let log = |name, words: &[u64]| Request::call(name, slot::LOG, label::LOG, words);
    let platform =
        |name, words: &[u64]| Request::call(name, slot::ICU, label::NONE, words).buffers(&[0]);
    let debugger =
        |name, words: &[u64]| Request::call(name, slot::DEBUGGER, label::DEBUGGER, words);
    let text = |text: &[u8]| {
        let mut word = [0; 8];
        word[..text.len()].copy_from_slice(text);
        u64::from_le_bytes(word)
    };
    vec![
        log(
            "Vcon write",
            &[log::Opcode::Write.word(), 5, text(b"hello")],
        )
        .operation(Operation::SEND)
        .flags(TagFlags::SCHEDULE),
        log("Vcon read", &[log::Opcode::Read.word() | 10 << 16]),
        log("Vcon get_attr", &[log::Opcode::GetAttributes.word()]),
        log(
            "Vcon set_attr",
            &[log::Opcode::SetAttributes.word(), 1, 2, 3],
        ),
        platform("Platform system_suspend", &[Opcode::Suspend.word(), 0]),
        platform(
            "Platform system_shutdown",
            &[Opcode::Shutdown.word(), Shutdown::Reboot.word()],
        ),
        platform(
            "Platform cpu_allow_shutdown",
            &[Opcode::CpuAllowShutdown.word(), 1, 1],
        ),
        debugger(
            "Debugger set_object_name",
            &[ObjectOpcode::SetName.word(), text(b"abc")],
        )
        .capability(slot::THREAD, CapabilityRights::RWS),
        debugger("Debugger global_id", &[ObjectOpcode::GlobalId.word()])
            .capability(slot::THREAD, CapabilityRights::RWS),
        debugger(
            "Debugger add_image_info",
            &[
                ObjectOpcode::AddImageInfo.word(),
                0xa000_0000,
                text(b"l4re"),
            ],
        )
        .capability(0x117, CapabilityRights::RWS),
    ]
}

fn plain_ipc() -> Vec<Request> {
    use ipc_gate::Opcode;

    let empty =
        |name, operation| Request::call(name, slot::LOG, label::NONE, &[]).operation(operation);
    let gate = |name, words: &[u64]| Request::call(name, GATE, label::KERNEL_OBJECT, words);
    let sixteen_ms = TimeoutPair::new(Timeout::NEVER, Timeout::from_micros(16_000));
    let fault = FaultWord::new(0xa001_38b0, FaultWord::FETCH);
    vec![
        gate("Gate bind_thread", &[Opcode::BindThread.word(), 0x1230])
            .capability(slot::THREAD, CapabilityRights::READ)
            .buffers(&[0]),
        gate("Gate get_infos", &[Opcode::GetInfo.word()]).buffers(&[0]),
        gate("dec_refcnt", &[Opcode::DecreaseReferences.word(), 1]),
        Request::call(
            "Pager.page_fault",
            REGION_MAP,
            label::PAGE_FAULT,
            &[fault.raw(), region_map::NO_INSTRUCTION_POINTER],
        )
        .buffers(&[
            ReceiveBuffer::WINDOW_WORD,
            Flexpage::whole_memory().raw(),
            0,
        ]),
        empty("thread yield", Operation::RECEIVE)
            .on_itself()
            .timeouts(TimeoutPair::BOTH_ZERO),
        empty("sleep with", Operation::RECEIVE)
            .on_itself()
            .timeouts(sixteen_ms),
        empty("ipc wait", Operation::WAIT).on_itself(),
        empty("ipc reply_and_wait", Operation::REPLY_AND_WAIT)
            .on_itself()
            .timeouts(TimeoutPair::SEND_ZERO),
        empty("ipc receive", Operation::RECEIVE),
    ]
}
