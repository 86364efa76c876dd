//! Every request of this crate and of l4-sys, compared with what the stock client library sends.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use abi_vectors::wire::{Vector, vector};
use l4_abi::flexpage::Flexpage;
use l4_abi::item::{ItemControl, ItemFlags};
use l4_abi::operation::Destination;
use l4_abi::protocol::icu::Mode;
use l4_abi::protocol::log::{InputFlags, LocalFlags, OutputFlags};
use l4_abi::protocol::platform_control::Shutdown;
use l4_abi::protocol::scheduler::CpuSet;
use l4_abi::protocol::task::UnmapMask;
use l4_abi::protocol::thread::{ExRegsFlags, SenderRule};
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_abi::timeout::{Timeout, TimeoutPair};
use l4_abi::utcb::BufferDescriptor;
use l4_ipc::Window;
use l4_sys::arch::{SystemCall, SystemReturn, with_kernel};
use l4_sys::object::{
    Control, Debugger, Factory, Icu, IpcGate, Irq, Log, PlatformControl, Scheduler, Semaphore,
    Task, Thread,
};
use l4_sys::slots::SLOTS;
use l4_sys::{Cap, Object, Utcb, ipc};
use l4re::mem_alloc::DataspaceFlags;
use l4re::{Dataspace, MemAlloc, Meta, Namespace, Parent, RegionMap, RemoteAccess};

const ONES: u64 = 0x1111_1111_1111_1111;
const TWOS: u64 = 0x2222_2222_2222_2222;
const THREES: u64 = 0x3333_3333_3333_3333;
const FOURS: u64 = 0x4444_4444_4444_4444;

/// What no client writes.
const UNTOUCHED: u64 = 0xdead_dead_dead_dead;

/// A system call with the registers of its UTCB at that moment.
#[derive(Clone)]
struct Sent {
    call: SystemCall,
    message: Vec<u64>,
    buffers: Vec<u64>,
    descriptor: u64,
}

/// The first system call that `client` makes; all are answered with an empty message.
fn first_call<R>(client: impl FnOnce() -> R) -> Sent {
    let sent: Rc<RefCell<Option<Sent>>> = Rc::default();
    let utcb = Utcb::current();
    for index in 0..63 {
        utcb.set_message(index, UNTOUCHED);
    }
    for index in 0..58 {
        utcb.set_buffer(index, UNTOUCHED);
    }
    utcb.set_buffer_descriptor(BufferDescriptor::from_raw(UNTOUCHED));
    let record = sent.clone();
    with_kernel(
        move |call, utcb| {
            record.borrow_mut().get_or_insert_with(|| Sent {
                call,
                message: (0..63).map(|index| utcb.message(index)).collect(),
                buffers: (0..58).map(|index| utcb.buffer(index)).collect(),
                descriptor: utcb.buffer_descriptor().raw(),
            });
            SystemReturn { tag: 0, label: 0 }
        },
        client,
    );
    let sent = sent.borrow_mut().take();
    sent.expect("no system call")
}

/// Compares the first system call of `client` with a row of the table.
#[track_caller]
fn same<R>(row: &str, client: impl FnOnce() -> R) {
    same_but_slot(row, None, client);
}

/// As [`same`]; the row's receive slot is `recorded`, ours whatever was free.
#[track_caller]
fn same_but_slot<R>(row: &str, recorded: Option<u64>, client: impl FnOnce() -> R) {
    let Vector {
        name,
        selector,
        operation,
        timeouts,
        message,
        buffers,
        ..
    } = &vector(row);
    let sent = first_call(client);
    let destination = Destination::from_raw(sent.call.destination);
    assert_eq!(destination.selector().raw(), *selector, "{name}: selector");
    assert_eq!(
        destination.operation().bits(),
        *operation,
        "{name}: operation"
    );
    assert_eq!(sent.call.timeouts, u64::from(*timeouts), "{name}: timeouts");
    vector(row).assert_request(sent.call.tag, &sent.message[..message.len()]);
    match buffers {
        Some(words) => {
            assert_eq!(sent.descriptor, 0, "{name}: buffer descriptor");
            for (index, word) in words.iter().enumerate() {
                let mask = match recorded {
                    Some(slot) if word >> 12 == slot => 0xfff,
                    _ => !0,
                };
                assert_eq!(
                    sent.buffers[index] & mask,
                    word & mask,
                    "{name}: buffer {index}"
                );
            }
        }
        // The stock stub leaves what an earlier call armed; none of ours leaves anything armed.
        None => assert!(
            [0, UNTOUCHED].contains(&sent.buffers[0]),
            "{name}: buffer is armed"
        ),
    }
}

fn cap<T: Object>(index: u64) -> Cap<T> {
    SLOTS.start_at(0x1000);
    Cap::at(index)
}

fn page(address: u64) -> Flexpage {
    Flexpage::memory(address, 12, MemoryRights::RWX)
}

#[test]
fn dataspace() {
    let dataspace = cap::<Dataspace>(0x111);
    let source = cap::<Dataspace>(0x222).into();
    let window = Window::new(Flexpage::memory(0x7000, 12, MemoryRights::empty()));
    same("Dataspace.map(offset", || {
        dataspace.map(ONES, TWOS, 3, window)
    });
    same("Dataspace.clear", || dataspace.clear(ONES, TWOS));
    same("Dataspace.info", || dataspace.info());
    same("Dataspace.copy_in", || {
        dataspace.copy_in(ONES, TWOS, THREES, source)
    });
    same("Dataspace.allocate", || dataspace.allocate(ONES, TWOS));
    same("Dataspace.map_info", || dataspace.map_info());
}

#[test]
fn region_map() {
    let region_map = cap::<RegionMap>(0x10);
    let dataspace = cap::<Dataspace>(0x222).pass(CapabilityRights::RW);
    let window = Window::new(Flexpage::memory(0x7000, 12, MemoryRights::empty()));
    let (flags, client, backing) = (0x3333_3333, 0x6666_6666_6666_6666, 0x7777_7777_7777_7777);
    same("Rm.attach(start", || {
        region_map.attach(
            ONES,
            TWOS,
            flags,
            FOURS,
            0x55,
            client,
            b"abc\0",
            backing,
            Some(dataspace),
        )
    });
    let invalid = 0xffff_ffff_ffff_f800;
    same("Rm.attach without ds", || {
        region_map.attach(ONES, TWOS, flags, FOURS, 0x55, invalid, b"", 0, None)
    });
    same("Rm.detach", || region_map.detach(ONES, TWOS, flags));
    same("Rm.find", || region_map.find(ONES, TWOS));
    same("Rm.reserve_area", || {
        region_map.reserve_area(ONES, TWOS, flags, 0x44)
    });
    same("Rm.free_area", || region_map.free_area(ONES));
    same("Rm.get_info", || region_map.get_info(ONES));
    same("Rm.get_regions", || region_map.get_regions(ONES));
    same("Rm.add_rescue_jump", || {
        region_map.add_rescue_jump(0xa000_410a, 0xa000_4116, 0xa000_4116)
    });
    same("Rm.page_in", || {
        region_map.page_in(ONES, TWOS, 0x3333, window)
    });
}

#[test]
fn other_servers() {
    same("Parent.signal", || cap::<Parent>(0x13).signal(ONES, TWOS));
    same("Mem_alloc.info", || cap::<MemAlloc>(0x11).info());
    let meta = cap::<Meta>(0xccc);
    same("Meta.num_interfaces", || meta.num_interfaces());
    same("Meta.supports", || meta.supports(0x4005));
    let namespace = cap::<Namespace>(0x12);
    let object = cap::<l4_sys::AnyObject>(0x222).pass(CapabilityRights::RWS);
    same("Namespace.register_obj", || {
        namespace.register(0x1111_1111, b"abc", Some(object))
    });
    same("Namespace.unlink", || namespace.unlink(b"abc"));
    let remote = cap::<RemoteAccess>(0x444);
    same("Remote_access.read_mem", || remote.read_memory(ONES, 8));
    let allocator = cap::<MemAlloc>(0x11);
    same_but_slot("mem_alloc: Dataspace", Some(0x222), || {
        allocator.create_dataspace(0x1234, DataspaceFlags::PINNED, 12)
    });
    let pager = cap::<l4re::pager::Pager>(0x10);
    same("Pager.page_fault", || {
        pager.page_fault(
            0xa001_38b4,
            -3_i64 as u64,
            Window::new(Flexpage::whole_memory()),
        )
    });
}

/// The stock client asks for a label if the object is its own; ours wants a capability.
#[test]
fn namespace_query_differs_only_in_the_kind_of_buffer() {
    let sent = first_call(|| cap::<Namespace>(0x12).query(b"abc"));
    let recorded = vector("Namespace.query");
    recorded.assert_request(sent.call.tag, &sent.message[..3]);
    assert_eq!(sent.buffers[0] & 0xfff, 0xa);
    assert_eq!(sent.buffers[1], 0);
}

#[test]
fn factory() {
    let factory = cap::<Factory>(2);
    let create = |row: &str, client: &dyn Fn()| same_but_slot(row, Some(0xbbb), client);
    create("Factory: Task", &|| {
        let area = Flexpage::memory(0xb300_0000, 13, MemoryRights::RWX);
        factory.create_task(area).unwrap();
    });
    create("Factory: gate, thread", &|| {
        factory.create_gate(cap(3), 0x1230).unwrap();
    });
    create("Factory: sub-factory", &|| {
        factory.create_factory(0x10000).unwrap();
    });
    create("Factory: Thread", &|| {
        factory.create_thread().unwrap();
    });
    create("Factory: IRQ sender", &|| {
        factory.create_irq().unwrap();
    });
}

#[test]
fn task() {
    let task = cap::<Task>(1);
    let control = ItemControl::from_raw(0x8000);
    same("Task map", || task.map(cap(1), control, page(0x4000)));
    same("Task unmap", || {
        task.unmap(page(0x4000), UnmapMask::ALL_SPACES)
    });
    same("Task delete_obj", || {
        task.delete_object(cap::<Irq>(0xddd).selector())
    });
    same("Task release_cap", || {
        task.release(cap::<Irq>(0xddd).selector())
    });
    same("Task cap_valid", || task.is_valid(cap::<Irq>(0xddd)));
    same("Task cap_equal", || {
        task.is_equal(cap::<Irq>(0xddd), cap::<Irq>(0xeee))
    });
    same("Task add_ku_mem", || {
        task.add_kernel_user_memory(page(0x4000))
    });
}

#[test]
fn thread() {
    let thread = cap::<Thread>(3);
    let slot = cap::<RegionMap>(0x10).selector();
    let control = Control {
        pager: Some(slot),
        exception_handler: Some(slot),
        bind: Some((cap(1), 0xb300_0000)),
        alien: None,
    };
    same("Thread control", || thread.control(control));
    same("Thread ex_regs", || {
        thread.ex_regs(Some(0x1111), Some(0x2222), ExRegsFlags::CANCEL)
    });
    same("Thread vcpu_control(", || thread.vcpu_control(0x5000));
    same("Thread vcpu_control_ext(", || {
        thread.vcpu_control_extended(0x5000)
    });
    let rule = SenderRule {
        match_mask: 1,
        match_value: 2,
        clear: 3,
        add: 4,
    };
    same("Thread modify_senders", || thread.modify_senders(rule));
    same("Thread register_del_irq", || {
        thread.register_deletion_irq(cap(0xddd))
    });
    same("Thread switch_to", || thread.switch_to());
    same("Thread stats_time", || thread.time());
}

#[test]
fn gate_irq_and_semaphore() {
    let (gate, irq, semaphore) = (
        cap::<IpcGate>(0xfff),
        cap::<Irq>(0xddd),
        cap::<Semaphore>(0xeee),
    );
    same("Gate bind_thread", || {
        gate.bind_thread(cap(3), 0x1230).unwrap()
    });
    same("Gate get_infos", || gate.label());
    same("dec_refcnt", || gate.decrease_references(1));
    same("IRQ bind_thread", || {
        irq.bind_thread(cap(3), 0x1237).unwrap()
    });
    same("IRQ trigger", || irq.trigger());
    same("IRQ unmask", || irq.unmask());
    same("IRQ detach", || irq.detach());
    same("IRQ receive", || irq.receive(Timeout::NEVER));
    same("Semaphore up", || semaphore.up());
    same("Semaphore down", || semaphore.down(Timeout::NEVER));
}

#[test]
fn icu() {
    let icu = cap::<Icu>(6);
    same("ICU bind", || icu.bind(0x11, cap(0xddd)));
    same("ICU unbind", || icu.unbind(0x11, cap(0xddd)));
    same("ICU info", || icu.info());
    same("ICU msi_info", || icu.msi_info(0x11, 0x2222_2222));
    same("ICU mask", || icu.mask(0x11));
    same("ICU unmask", || icu.unmask(0x11));
    same("ICU set_mode", || icu.set_mode(0x11, Mode::BOTH_EDGES));
}

/// The requests that servers stand in for are the same through the declared interfaces.
#[test]
fn interfaces_of_kernel_objects_send_what_the_kernel_stubs_send() {
    fn recorded<R>(row: &str, client: impl FnOnce() -> R) {
        let sent = first_call(client);
        let recorded = vector(row);
        recorded.assert_request(sent.call.tag, &sent.message[..recorded.message.len()]);
    }
    let icu = cap::<l4re::icu::IcuInterface>(6);
    let irq = || cap::<Irq>(0xddd).pass(CapabilityRights::RWS);
    recorded("ICU bind", || icu.bind(0x11, irq()).unwrap());
    recorded("ICU unbind", || icu.unbind(0x11, irq()).unwrap());
    recorded("ICU info", || icu.info());
    recorded("ICU msi_info", || icu.msi_info(0x11, 0x2222_2222));
    recorded("ICU mask", || icu.mask(0x11).unwrap());
    recorded("ICU unmask", || icu.unmask(0x11).unwrap());
    recorded("ICU set_mode", || icu.set_mode(0x11, 9).unwrap());
    let scheduler = cap::<l4re::scheduler::SchedulerInterface>(7);
    recorded("Scheduler info", || scheduler.info(0));
    recorded("Scheduler idle_time", || scheduler.idle_time(0, 1));
    recorded("Scheduler run_thread", || {
        scheduler
            .run_thread(0xff00_0000, 1, 0x12, 0x3456, cap::<Thread>(3).into())
            .unwrap();
    });
}

#[test]
fn scheduler() {
    let scheduler = cap::<Scheduler>(7);
    let thread = cap(3);
    same("Scheduler run_thread", || {
        scheduler.run_thread(thread, CpuSet::ALL, 0x12, 0x3456)
    });
    same("Scheduler info", || scheduler.info());
    let cpus = CpuSet {
        granularity_offset: 0,
        map: 1,
    };
    same("Scheduler idle_time", || scheduler.idle_time(cpus));
}

#[test]
fn log_platform_and_debugger() {
    let log = cap::<Log>(5);
    same("Vcon write", || log.write(b"hello"));
    same("Vcon read", || log.read(&mut [0; 10]));
    let (input, output) = (
        InputFlags::from_bits_retain(1),
        OutputFlags::from_bits_retain(2),
    );
    let local = LocalFlags::from_bits_retain(3);
    same("Vcon set_attr", || log.set_attributes(input, output, local));
    let platform = cap::<PlatformControl>(6);
    same("Platform system_shutdown", || {
        platform.shutdown(Shutdown::Reboot)
    });
    same("Platform system_suspend", || platform.suspend());
    let debugger = cap::<Debugger>(10);
    same("Debugger set_object_name", || {
        debugger.set_name(cap::<Thread>(3), "abc")
    });
    same("Debugger global_id", || {
        debugger.global_id(cap::<Thread>(3))
    });
}

#[test]
fn plain_operations() {
    same("thread yield", ipc::yield_now);
    same("sleep with receive timeout", || {
        ipc::sleep(Duration::from_micros(1000 << 4))
    });
    same("ipc wait", || ipc::wait(TimeoutPair::NEVER));
    same("ipc reply_and_wait", || {
        ipc::reply_and_wait(
            l4_abi::message_tag::MessageTag::EMPTY,
            TimeoutPair::SEND_ZERO,
        )
    });
    same("ipc receive from slot 5", || {
        ipc::receive(cap::<Thread>(5).selector(), TimeoutPair::NEVER)
    });
}

/// An item's grant flag and object rights, which no recorded request has.
#[test]
fn object_rights_travel_in_the_control_word() {
    let item = cap::<IpcGate>(0x222).pass(CapabilityRights::FULL).item();
    assert_eq!(
        item.control.raw() & 0xff,
        (ItemFlags::MAP | ItemFlags::OBJECT_1).bits() | 0xc0
    );
    assert_eq!(item.flexpage.raw(), 0x22203f);
}
