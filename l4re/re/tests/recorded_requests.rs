//! Servers understand every request of the stock clients that was recorded, and answer where these
//! clients look for it.

use std::cell::RefCell;
use std::rc::Rc;

use abi_vectors::wire::vector;
use l4_abi::item::{ItemControl, ItemFlags, MapItem};
use l4_abi::message_tag::MessageTag;
use l4_abi::protocol::log::{InputFlags, LocalFlags, OutputFlags};
use l4_abi::rights::MemoryRights;
use l4_abi::timeout::TimeoutPair;
use l4_ipc::factory::{Arguments, Created, FactoryServer, Varg};
use l4_ipc::loopback::{Arrives, kernel_of};
use l4_ipc::{Bytes, CapabilityRights, Label, Outcome, Received, Request, Response, dispatch};
use l4_sys::arch::{SystemCall, SystemReturn, with_kernel};
use l4_sys::object::{Irq, Thread};
use l4_sys::slots::SLOTS;
use l4_sys::{AnyObject, Cap, Object, Passed, Selector, Utcb, ipc};
use l4re::dataspace::{DataspaceServer, Info, MapInfo};
use l4re::icu::{IcuInterface, IcuServer};
use l4re::log::{LogInterface, LogServer, ReadStatus};
use l4re::mem_alloc::{MemAllocServer, Usage};
use l4re::namespace::NamespaceServer;
use l4re::pager::{Pager, PagerServer};
use l4re::parent::ParentServer;
use l4re::region_map::{Detached, Region, RegionEntry, RegionList, RegionMapServer};
use l4re::remote_access::RemoteAccessServer;
use l4re::scheduler::{SchedulerInterface, SchedulerServer};
use l4re::{Dataspace, MemAlloc, Namespace, Parent, RegionMap, RemoteAccess, ServerFactory};

/// The label of the server's own object that clients pass, without rights.
const OWN: u64 = 0x770;

/// A server of everything, which notes what it is asked for.
struct Recorder(Rc<RefCell<String>>);

/// Notes a request: its name, then its arguments, hexadecimal.
macro_rules! note {
    ($server:ident, $name:literal $(, $argument:expr)*) => {{
        let arguments: &[String] = &[$(format!(" {:x?}", $argument)),*];
        *$server.0.borrow_mut() = String::from($name) + &arguments.concat();
    }};
}

/// What a capability arrived as.
fn passed<T: Object>(object: Received<T>) -> String {
    match object {
        Received::Own(label) => format!("own {label:x}"),
        _ => String::from("a capability"),
    }
}

fn page() -> MapItem {
    let rights = MemoryRights::RX;
    MapItem {
        control: ItemControl::map(0x2000, ItemFlags::empty()),
        ..MapItem::memory(0x9000, 12, rights)
    }
}

fn object() -> Passed<AnyObject> {
    Cap::<AnyObject>::at(0x99).pass(CapabilityRights::RW)
}

impl DataspaceServer for Recorder {
    fn map(
        &mut self,
        _: &mut Request<'_>,
        offset: u64,
        spot: u64,
        flags: u64,
        (): (),
    ) -> Outcome<MapItem> {
        note!(self, "map", offset, spot, flags);
        Ok(page())
    }

    fn clear(&mut self, _: &mut Request<'_>, offset: u64, size: u64) -> Outcome<()> {
        note!(self, "clear", offset, size);
        Ok(())
    }

    fn info(&mut self, _: &mut Request<'_>) -> Outcome<Info> {
        note!(self, "info");
        Ok(Info { size: 1, flags: 2 })
    }

    fn copy_in(
        &mut self,
        _: &mut Request<'_>,
        offset: u64,
        source_offset: u64,
        size: u64,
        source: Received<Dataspace>,
    ) -> Outcome<()> {
        let source = passed(source);
        note!(self, "copy_in", offset, source_offset, size, source);
        Ok(())
    }

    fn allocate(&mut self, _: &mut Request<'_>, offset: u64, size: u64) -> Outcome<()> {
        note!(self, "allocate", offset, size);
        Ok(())
    }

    fn map_info(&mut self, _: &mut Request<'_>) -> Outcome<MapInfo> {
        note!(self, "map_info");
        Ok(MapInfo { start: 1, last: 2 })
    }
}

impl RegionMapServer for Recorder {
    fn attach(
        &mut self,
        _: &mut Request<'_>,
        start: u64,
        size: u64,
        flags: u32,
        offset: u64,
        align: u8,
        client: u64,
        name: &[u8],
        backing: u64,
        dataspace: Option<Received<Dataspace>>,
    ) -> Outcome<u64> {
        let (name, dataspace) = (String::from_utf8_lossy(name), dataspace.map(passed));
        note!(
            self, "attach", start, size, flags, offset, align, client, name, backing, dataspace
        );
        Ok(1)
    }

    fn detach(
        &mut self,
        _: &mut Request<'_>,
        start: u64,
        size: u64,
        flags: u32,
    ) -> Outcome<(Label, Detached)> {
        note!(self, "detach", start, size, flags);
        let (start, size, client) = (1, 2, 3);
        let detached = Detached {
            start,
            size,
            client,
        };
        Ok((Label(8), detached))
    }

    fn find(&mut self, _: &mut Request<'_>, address: u64, size: u64) -> Outcome<Region> {
        note!(self, "find", address, size);
        Ok(Region {
            start: 1,
            size: 2,
            flags: 3,
            offset: 4,
            client: 5,
        })
    }

    fn reserve_area(
        &mut self,
        _: &mut Request<'_>,
        start: u64,
        size: u64,
        flags: u32,
        align: u8,
    ) -> Outcome<u64> {
        note!(self, "reserve_area", start, size, flags, align);
        Ok(1)
    }

    fn free_area(&mut self, _: &mut Request<'_>, address: u64) -> Outcome<()> {
        note!(self, "free_area", address);
        Ok(())
    }

    fn get_regions(&mut self, _: &mut Request<'_>, start: u64) -> Outcome<RegionList> {
        note!(self, "get_regions", start);
        let mut list = RegionList::default();
        let (start, last, flags) = (1, 2, 3);
        list.push(RegionEntry {
            start,
            last,
            flags,
            ..Default::default()
        });
        Ok(list)
    }

    fn get_areas(&mut self, _: &mut Request<'_>, _: u64) -> Outcome<RegionList> {
        Ok(RegionList::default())
    }

    fn get_info(&mut self, _: &mut Request<'_>, address: u64) -> Outcome<(Bytes, u64)> {
        note!(self, "get_info", address);
        Ok((Bytes::text(b"abc")?, 7))
    }

    fn add_rescue_jump(&mut self, _: &mut Request<'_>, a: u64, b: u64, c: u64) -> Outcome<()> {
        note!(self, "add_rescue_jump", a, b, c);
        Ok(())
    }

    fn remove_rescue_jump(&mut self, _: &mut Request<'_>, _: u64) -> Outcome<()> {
        Ok(())
    }

    fn page_in(
        &mut self,
        _: &mut Request<'_>,
        min: u64,
        max: u64,
        rights: u16,
        (): (),
    ) -> Outcome<(u64, MapItem)> {
        note!(self, "page_in", min, max, rights);
        Ok((0, page()))
    }
}

impl PagerServer for Recorder {
    fn page_fault(
        &mut self,
        _: &mut Request<'_>,
        fault: u64,
        instruction_pointer: u64,
        (): (),
    ) -> Outcome<MapItem> {
        note!(self, "page_fault", fault, instruction_pointer);
        Ok(page())
    }
}

impl ParentServer for Recorder {
    fn signal(&mut self, _: &mut Request<'_>, signal: u64, value: u64) -> Outcome<()> {
        note!(self, "signal", signal, value);
        Ok(())
    }
}

impl MemAllocServer for Recorder {
    fn info(&mut self, _: &mut Request<'_>) -> Outcome<Usage> {
        note!(self, "usage");
        Ok(Usage {
            quota: 1,
            quota_used: 2,
            memory_limit: 3,
            memory_used: 4,
            memory_free: 5,
        })
    }
}

impl FactoryServer for Recorder {
    fn create(
        &mut self,
        _: &mut Request<'_>,
        kind: i64,
        arguments: &mut Arguments,
    ) -> Outcome<Created> {
        let mut all = vec![];
        while let Some(argument) = arguments.argument()? {
            all.push(match argument {
                Varg::Signed(number) => number as u64,
                Varg::Unsigned(number) | Varg::Flexpage(number) => number,
                Varg::Nil | Varg::Text(_) => u64::MAX,
            });
        }
        note!(self, "create", kind, all);
        Ok(object())
    }
}

impl NamespaceServer for Recorder {
    fn query(
        &mut self,
        _: &mut Request<'_>,
        path: &[u8],
    ) -> Outcome<(Label, i32, Bytes, Passed<AnyObject>)> {
        note!(self, "query", String::from_utf8_lossy(path));
        Ok((Label(0x20), 0, Bytes::new(b"rest")?, object()))
    }

    fn register(
        &mut self,
        _: &mut Request<'_>,
        flags: u32,
        name: &[u8],
        object: Option<Received<AnyObject>>,
    ) -> Outcome<()> {
        let (name, object) = (String::from_utf8_lossy(name), object.map(passed));
        note!(self, "register", flags, name, object);
        Ok(())
    }

    fn unlink(&mut self, _: &mut Request<'_>, name: &[u8]) -> Outcome<()> {
        note!(self, "unlink", String::from_utf8_lossy(name));
        Ok(())
    }
}

impl LogServer for Recorder {
    fn write(&mut self, _: &mut Request<'_>, text: &[u8]) {
        note!(self, "write", String::from_utf8_lossy(text));
    }

    fn read(&mut self, _: &mut Request<'_>, buffer: &mut [u8]) -> Outcome<ReadStatus> {
        note!(self, "read", buffer.len());
        buffer[..3].copy_from_slice(b"abc");
        let (count, exhausted) = (3, true);
        Ok(ReadStatus { count, exhausted })
    }
}

impl SchedulerServer for Recorder {
    fn info(&mut self, _: &mut Request<'_>, granularity_offset: u64) -> Outcome<(u64, u64, u64)> {
        note!(self, "cpus", granularity_offset);
        Ok((1, 2, 3))
    }

    fn run_thread(
        &mut self,
        _: &mut Request<'_>,
        granularity_offset: u64,
        map: u64,
        priority: i64,
        quantum: u64,
        thread: Received<Thread>,
    ) -> Outcome<()> {
        let (cpus, thread) = ((granularity_offset, map), passed(thread));
        note!(self, "run_thread", cpus, priority, quantum, thread);
        Ok(())
    }

    fn idle_time(&mut self, _: &mut Request<'_>, offset: u64, map: u64) -> Outcome<u64> {
        note!(self, "idle_time", offset, map);
        Ok(1)
    }
}

impl RemoteAccessServer for Recorder {
    fn read_memory(&mut self, _: &mut Request<'_>, address: u64, width: u8) -> Outcome<u64> {
        note!(self, "read_memory", address, width);
        Ok(1)
    }
}

impl IcuServer for Recorder {
    fn bind(&mut self, _: &mut Request<'_>, pin: u64, irq: Received<Irq>) -> Outcome<()> {
        note!(self, "bind", pin, passed(irq));
        Ok(())
    }

    fn unbind(&mut self, _: &mut Request<'_>, pin: u64, irq: Received<Irq>) -> Outcome<()> {
        note!(self, "unbind", pin, passed(irq));
        Ok(())
    }

    fn info(&mut self, _: &mut Request<'_>) -> Outcome<(u64, u64, u64)> {
        note!(self, "pins");
        Ok((1, 2, 3))
    }

    fn msi_info(&mut self, _: &mut Request<'_>, pin: u64, source: u64) -> Outcome<(u64, u32)> {
        note!(self, "msi_info", pin, source);
        Ok((1, 2))
    }

    fn unmask(&mut self, _: &mut Request<'_>, pin: u64) -> Outcome<()> {
        note!(self, "unmask", pin);
        Ok(())
    }

    fn mask(&mut self, _: &mut Request<'_>, pin: u64) -> Outcome<()> {
        note!(self, "mask", pin);
        Ok(())
    }

    fn set_mode(&mut self, _: &mut Request<'_>, pin: u64, mode: u64) -> Outcome<()> {
        note!(self, "set_mode", pin, mode);
        Ok(())
    }
}

/// Sends a recorded request; what the server noted, and label and message of its answer.
fn exchange(row: &str) -> (String, Option<(i64, Vec<u64>)>) {
    SLOTS.start_at(0x1000);
    let recorded = vector(row);
    let asked = Rc::new(RefCell::new(String::new()));
    let answer = Rc::new(RefCell::new(None));
    let (mut server, kept) = (Recorder(asked.clone()), answer.clone());
    let utcb = Utcb::current();
    let handle = move |request: &mut Request<'_>| {
        let response = dispatch!(
            &mut server, request;
            Dataspace, RegionMap, Pager, Parent, MemAlloc, ServerFactory, Namespace, LogInterface,
            SchedulerInterface, RemoteAccess, IcuInterface
        );
        if let Response::Answer(tag) = response {
            let message = (0..tag.words() + 2 * tag.items()).map(|index| utcb.message(index));
            *kept.borrow_mut() = Some((tag.label(), message.collect()));
        }
        response
    };
    let nothing = |_: SystemCall, _: Utcb| SystemReturn { tag: 0, label: 0 };
    with_kernel(nothing, || {
        let rights = CapabilityRights::RWS;
        let through = kernel_of(0x40, rights, Arrives::Own(OWN), handle).unwrap();
        with_kernel(through, || {
            // What clients do not write is whatever it was.
            for (index, word) in recorded.message.iter().enumerate() {
                utcb.set_message(index, word.value | !word.mask);
            }
            let (to, tag) = (Selector::new(0x111), MessageTag::from_raw(recorded.tag));
            let _ = ipc::call(to, tag, TimeoutPair::NEVER);
        });
    });
    (asked.take(), answer.take())
}

/// The request of a row, as the server understands it, and the message of its answer.
#[track_caller]
fn means(row: &str, request: &str, answer: &[u64]) {
    let (asked, answered) = exchange(row);
    assert_eq!(asked, request, "{row}");
    let (label, message) = answered.unwrap_or_else(|| panic!("{row}: no answer"));
    assert_eq!(message, answer, "{row}");
    let own_label = match row {
        "Rm.detach" => 8,
        "Rm.get_regions" => 1,
        "Namespace.query" => 0x20,
        _ => 0,
    };
    assert_eq!(label, own_label, "{row}");
}

/// `1111111111111111`, as the vectors have it for arguments, and so on.
fn ones() -> (String, String, String) {
    ("1".repeat(16), "2".repeat(16), "3".repeat(16))
}

#[test]
fn dataspaces() {
    let (one, two, three) = ones();
    let item = [0x2008, 0x9315];
    means("Dataspace.map(", &format!("map {one} {two} 3"), &item);
    let in_task = "Dataspace.map as issued by the in-task region code";
    means(in_task, "map 110b0 0 4", &item);
    means("Dataspace.clear", &format!("clear {one} {two}"), &[]);
    means("Dataspace.info", "info", &[1, 2]);
    let copy = format!("copy_in {one} {two} {three} \"own 770\"");
    means("Dataspace.copy_in", &copy, &[]);
    means("Dataspace.allocate", &format!("allocate {one} {two}"), &[]);
    means("Dataspace.map_info", "map_info", &[1, 2]);
}

#[test]
fn region_maps() {
    let (one, two, _) = ones();
    let (four, six, seven) = ("4".repeat(16), "6".repeat(16), "7".repeat(16));
    let attach = format!("attach {one} {two} 33333333 {four} 55");
    let whole = format!("{attach} {six} \"abc\\0\" {seven} Some(\"own 771\")");
    means("Rm.attach(", &whole, &[1]);
    let bare = format!("{attach} fffffffffffff800 \"\" 0 None");
    means("Rm.attach without ds", &bare, &[1]);
    means(
        "Rm.detach",
        &format!("detach {one} {two} 33333333"),
        &[1, 2, 3],
    );
    means("Rm.find", &format!("find {one} {two}"), &[1, 2, 3, 4, 5]);
    let reserve = format!("reserve_area {one} {two} 33333333 44");
    means("Rm.reserve_area", &reserve, &[1]);
    means("Rm.free_area", &format!("free_area {one}"), &[]);
    means("Rm.get_regions", &format!("get_regions {one}"), &[1, 2, 3]);
    let name = [4, u64::from(u32::from_le_bytes(*b"abc\0")), 7];
    means("Rm.get_info", &format!("get_info {one}"), &name);
    let jump = "add_rescue_jump a000410a a0004116 a0004116";
    means("Rm.add_rescue_jump", jump, &[]);
    let page_in = format!("page_in {one} {two} 3333");
    means("Rm.page_in", &page_in, &[0, 0x2008, 0x9315]);
    let fault = "page_fault a00138b4 fffffffffffffffd";
    means("Pager.page_fault", fault, &[0x2008, 0x9315]);
}

#[test]
fn factories_and_namespaces() {
    let made = [8, 0x9_9035];
    means("Mem_alloc.info", "usage", &[1, 2, 3, 4, 5]);
    let dataspace = "create 4000 [1234, 2, c]";
    means("mem_alloc: Dataspace", dataspace, &made);
    let rest = u64::from(u32::from_le_bytes(*b"rest"));
    means(
        "Namespace.query",
        "query \"abc\"",
        &[0, 4, rest, 8, 0x9_9035],
    );
    let register = "register 11111111 \"abc\" Some(\"own 773\")";
    means("Namespace.register_obj", register, &[]);
    means("Namespace.unlink", "unlink \"abc\"", &[]);
}

#[test]
fn stand_ins_for_kernel_objects() {
    let run_thread = "run_thread (ff000000, 1) 12 3456 \"own 770\"";
    means("Scheduler run_thread", run_thread, &[]);
    means("Scheduler info", "cpus 0", &[1, 2, 3]);
    means("Scheduler idle_time", "idle_time 0 1", &[1]);
    means("ICU bind", "bind 11 \"own 773\"", &[]);
    means("ICU unbind", "unbind 11 \"own 773\"", &[]);
    means("ICU info", "pins", &[1, 2, 3]);
    means("ICU msi_info", "msi_info 11 22222222", &[1, 2]);
    means("ICU set_mode", "set_mode 11 9", &[]);
    // The count, and that there is no more; then the text.
    let text = u64::from(u32::from_le_bytes(*b"abc\0"));
    means("Vcon read", "read a", &[0x8000_0003, text]);
    let flags = (InputFlags::ICRNL, OutputFlags::ONLCR, LocalFlags::ECHO);
    let attributes = [0, flags.0.bits(), flags.1.bits(), flags.2.bits()];
    means("Vcon get_attr", "", &attributes.map(u64::from));
    means("Vcon set_attr", "", &[]);
    for (row, request) in [
        ("Vcon write", "write \"hello\""),
        ("ICU mask", "mask 11"),
        ("ICU unmask", "unmask 11"),
    ] {
        assert_eq!(exchange(row), (String::from(request), None), "{row}");
    }
}

#[test]
fn those_who_started_or_watch_a_program() {
    let (one, two, _) = ones();
    means("Parent.signal", &format!("signal {one} {two}"), &[]);
    let read = format!("read_memory {one} 8");
    means("Remote_access.read_mem", &read, &[1]);
}

#[test]
fn an_object_says_what_it_speaks() {
    let (_, count) = exchange("Meta.num_interfaces");
    assert_eq!(count, Some((11, vec![])));
    let (_, supports) = exchange("Meta.supports");
    assert_eq!(supports, Some((1, vec![])));
}
