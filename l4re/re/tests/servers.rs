//! The interfaces with a server behind them, and requests that are wrong.

use std::cell::RefCell;
use std::rc::Rc;

use l4_abi::message_tag::MessageTag;
use l4_abi::protocol::log::{InputFlags, LocalFlags, OutputFlags};
use l4_abi::protocol::namespace::PARTLY_RESOLVED;
use l4_abi::timeout::TimeoutPair;
use l4_ipc::factory::{Arguments, Created, FactoryServer, Varg};
use l4_ipc::loopback::{Arrives, kernel_of};
use l4_ipc::{
    Bytes, CapabilityRights, Error, Label, Outcome, Received, Request, Response, ResultCode,
    dispatch,
};
use l4_sys::arch::{SystemCall, SystemReturn, with_kernel};
use l4_sys::object::Log;
use l4_sys::slots::SLOTS;
use l4_sys::{AnyObject, Cap, Object, OwnedCap, Passed, Utcb, ipc};
use l4re::log::{LogInterface, LogServer, ReadStatus};
use l4re::mem_alloc::{DataspaceFlags, MemAllocServer, Usage};
use l4re::namespace::NamespaceServer;
use l4re::region_map::{RegionEntry, RegionList};
use l4re::{MemAlloc, Meta, Namespace, ServerFactory};

const ALL: CapabilityRights = CapabilityRights::RWS;

/// Runs `client` against the server `handle`.
fn with_server<R>(
    rights: CapabilityRights,
    handle: impl FnMut(&mut Request<'_>) -> Response + 'static,
    client: impl FnOnce() -> R,
) -> R {
    SLOTS.start_at(0x1000);
    // The outer kernel answers the server's own calls.
    with_kernel(
        |_: SystemCall, _: Utcb| SystemReturn { tag: 0, label: 0 },
        || {
            with_kernel(
                kernel_of(0x40, rights, Arrives::Mapped, handle).unwrap(),
                client,
            )
        },
    )
}

fn cap<T: Object>() -> Cap<T> {
    Cap::at(0x100)
}

fn failed<T>(code: ResultCode) -> Result<T, Error> {
    Err(Error::Result(code))
}

/// Sends a message made by hand; the label of the answer.
fn raw(protocol: i64, message: &[u64]) -> i64 {
    Utcb::current().set_messages(message);
    let tag = MessageTag::words_only(protocol, message.len());
    ipc::call(cap::<AnyObject>().selector(), tag, TimeoutPair::NEVER)
        .unwrap()
        .label()
}

#[derive(Clone, Default)]
struct Terminal {
    written: Rc<RefCell<Vec<u8>>>,
}

impl LogServer for Terminal {
    fn write(&mut self, _: &mut Request<'_>, text: &[u8]) {
        self.written.borrow_mut().extend(text);
    }

    fn read(&mut self, _: &mut Request<'_>, buffer: &mut [u8]) -> Outcome<ReadStatus> {
        let input = b"input";
        let count = buffer.len().min(input.len());
        buffer[..count].copy_from_slice(&input[..count]);
        Ok(ReadStatus {
            count,
            exhausted: count == input.len(),
        })
    }
}

#[test]
fn text_reaches_a_log_in_pieces_that_fit() {
    let terminal = Terminal::default();
    let mut server = terminal.clone();
    let text: Vec<u8> = (0..2000).map(|index| index as u8).collect();
    with_server(
        ALL,
        move |request| LogInterface::dispatch(&mut server, request),
        || {
            cap::<Log>().write(&text).unwrap();
            cap::<Log>().write(b"").unwrap();
        },
    );
    assert_eq!(*terminal.written.borrow(), text);
}

#[test]
fn input_comes_from_a_log_as_far_as_asked_for() {
    let mut server = Terminal::default();
    with_server(
        ALL,
        move |request| LogInterface::dispatch(&mut server, request),
        || {
            let mut buffer = [0; 3];
            let status = cap::<Log>().read(&mut buffer).unwrap();
            assert_eq!(
                (status.count, status.exhausted, &buffer),
                (3, false, b"inp")
            );
            let mut buffer = [0; 1000];
            let status = cap::<Log>().read(&mut buffer).unwrap();
            assert_eq!((status.count, status.exhausted), (5, true));
            let flags = (InputFlags::ICRNL, OutputFlags::ONLCR, LocalFlags::empty());
            assert_eq!(
                cap::<Log>().set_attributes(flags.0, flags.1, flags.2),
                Ok(())
            );
        },
    );
}

#[test]
fn reading_from_a_log_needs_the_right_to() {
    let mut server = Terminal::default();
    with_server(
        CapabilityRights::READ,
        move |request| LogInterface::dispatch(&mut server, request),
        || {
            assert_eq!(cap::<Log>().read(&mut [0; 3]), failed(ResultCode::EPERM));
            assert_eq!(raw(-13, &[4]), ResultCode::ENOSYS.label());
            assert_eq!(raw(-13, &[]), ResultCode::EMSGTOOSHORT.label());
            assert_eq!(raw(-13, &[2, 1]), ResultCode::EMSGTOOSHORT.label());
        },
    );
}

#[test]
fn a_write_that_claims_more_than_it_brings_is_dropped() {
    let terminal = Terminal::default();
    let mut server = terminal.clone();
    with_server(
        ALL,
        move |request| LogInterface::dispatch(&mut server, request),
        || {
            for length in [9, 489, 1 << 40, u64::MAX] {
                Utcb::current().set_messages(&[0, length, 0x4141_4141_4141_4141]);
                let tag = MessageTag::words_only(-13, 3);
                ipc::send(cap::<Log>().selector(), tag, TimeoutPair::NEVER).unwrap();
            }
        },
    );
    assert!(terminal.written.borrow().is_empty());
}

/// What [`MemAlloc::create_dataspace`] and friends asked for.
#[derive(Clone, Default)]
struct Allocator(Rc<RefCell<Vec<String>>>);

impl FactoryServer for Allocator {
    fn create(
        &mut self,
        _: &mut Request<'_>,
        kind: i64,
        arguments: &mut Arguments,
    ) -> Outcome<Created> {
        let mut asked = format!("{kind:#x}");
        while let Some(argument) = arguments.argument()? {
            asked += &match argument {
                Varg::Text(text) => format!(" {:?}", String::from_utf8_lossy(text)),
                other => format!(" {other:?}"),
            };
        }
        self.0.borrow_mut().push(asked);
        if kind == 0x4007 {
            Err(ResultCode::ENODEV)
        } else {
            Ok(cap::<AnyObject>().pass(ALL))
        }
    }
}

impl MemAllocServer for Allocator {
    fn info(&mut self, _: &mut Request<'_>) -> Outcome<Usage> {
        Ok(Usage {
            quota: 1,
            quota_used: 2,
            memory_limit: 3,
            memory_used: 4,
            memory_free: 5,
        })
    }
}

fn with_allocator<R>(rights: CapabilityRights, client: impl FnOnce() -> R) -> (Vec<String>, R) {
    let allocator = Allocator::default();
    let mut server = allocator.clone();
    let handle =
        move |request: &mut Request<'_>| dispatch!(&mut server, request; MemAlloc, ServerFactory);
    let result = with_server(rights, handle, client);
    let asked = allocator.0.borrow().clone();
    (asked, result)
}

#[test]
fn arguments_of_a_create_request_arrive() {
    let (asked, ()) = with_allocator(ALL, || {
        let allocator = cap::<MemAlloc>();
        allocator
            .create_dataspace(4096, DataspaceFlags::PINNED, 12)
            .unwrap()
            .leak();
        allocator
            .create_log("client", "blue", false)
            .unwrap()
            .leak();
        allocator.create_scheduler(20, 10, 3).unwrap().leak();
        assert_eq!(allocator.info().unwrap().memory_free, 5);
        let unknown = allocator
            .factory()
            .create::<AnyObject>(0x4007, &[Varg::Nil, Varg::Flexpage(7)]);
        assert_eq!(unknown.map(|_| ()), failed(ResultCode::ENODEV));
        let huge = allocator.create_dataspace(u64::MAX, DataspaceFlags::empty(), 0);
        assert_eq!(huge.map(|_| ()), failed(ResultCode::ENOMEM));
    });
    assert_eq!(
        asked,
        [
            "0x4000 Signed(4096) Unsigned(2) Unsigned(12)",
            r#"0xfffffffffffffff3 "client" "blue" Unsigned(0)"#,
            "0xfffffffffffffff2 Signed(20) Signed(10) Unsigned(3)",
            "0x4007 Nil Flexpage(7)",
        ]
    );
}

#[test]
fn creating_needs_the_special_right() {
    let (asked, ()) = with_allocator(CapabilityRights::RW, || {
        let result = cap::<MemAlloc>().create_namespace().map(|_| ());
        assert_eq!(result, failed(ResultCode::EPERM));
    });
    assert!(asked.is_empty());
}

#[test]
fn arguments_that_lie_are_refused() {
    let (asked, ()) = with_allocator(ALL, || {
        let refused =
            |message: &[u64], code: ResultCode| assert_eq!(raw(-15, message), code.label());
        refused(&[], ResultCode::EMSGTOOSHORT);
        // A tag without its value, a length beyond the message, an unknown type, half a word.
        refused(&[0x4000, 0x80081], ResultCode::EMSGTOOSHORT);
        refused(&[0x4000, u64::MAX, 1], ResultCode::EMSGTOOSHORT);
        refused(&[0x4000, 0x90002, 1], ResultCode::EMSGTOOSHORT);
        refused(&[0x4000, 0x80004, 1], ResultCode::EINVAL);
        refused(&[0x4000, 0x40001, 1], ResultCode::EINVAL);
    });
    assert!(asked.is_empty());
}

#[test]
fn an_object_of_several_interfaces_names_them_all() {
    let (_, ()) = with_allocator(ALL, || {
        let meta = cap::<Meta>();
        assert_eq!(meta.num_interfaces(), Ok(Label(2)));
        assert_eq!(meta.supports(0x400b), Ok(Label(1)));
        assert_eq!(meta.supports(-15), Ok(Label(1)));
        assert_eq!(meta.supports(-13), Ok(Label(0)));
        assert_eq!(raw(0x4000, &[0]), ResultCode::EBADPROTO.label());
    });
}

/// Resolves one part of a path; the answer is again a namespace while there are more.
struct Directory;

impl NamespaceServer for Directory {
    fn query(
        &mut self,
        _: &mut Request<'_>,
        path: &[u8],
    ) -> Outcome<(Label, i32, Bytes, Passed<AnyObject>)> {
        let object = Cap::<AnyObject>::at(0x66).pass(ALL);
        let rest = match path.iter().position(|byte| *byte == b'/') {
            Some(end) => &path[end + 1..],
            None if path == b"missing" => return Err(ResultCode::ENOENT),
            None => return Ok((Label(4), 0, Bytes::new(b"")?, object)),
        };
        // This one never ends.
        let rest = if rest == b"loop" { path } else { rest };
        Ok((
            Label(4 | PARTLY_RESOLVED as u32),
            0,
            Bytes::new(rest)?,
            object,
        ))
    }

    fn register(
        &mut self,
        _: &mut Request<'_>,
        _: u32,
        _: &[u8],
        object: Option<Received<AnyObject>>,
    ) -> Outcome<()> {
        object.map_or(Err(ResultCode::EAGAIN), |_| Ok(()))
    }

    fn unlink(&mut self, _: &mut Request<'_>, _: &[u8]) -> Outcome<()> {
        Err(ResultCode::EACCESS)
    }
}

#[test]
fn a_path_is_followed_through_namespaces() {
    with_server(
        ALL,
        |request| Namespace::dispatch(&mut Directory, request),
        || {
            let directory = cap::<Namespace>();
            let found = |path| {
                directory
                    .lookup::<AnyObject>(path)
                    .map(OwnedCap::leak)
                    .map(|_| ())
            };
            assert_eq!(found("one"), Ok(()));
            assert_eq!(found("one/two/three"), Ok(()));
            assert_eq!(found("one/missing"), failed(ResultCode::ENOENT));
            assert_eq!(found("one/loop"), failed(ResultCode::ENAMETOOLONG));
            let object = cap::<AnyObject>().pass(ALL);
            assert_eq!(directory.register(0, b"x", Some(object)), Ok(()));
            assert_eq!(
                directory.register(0, b"x", None),
                failed(ResultCode::EAGAIN)
            );
            assert_eq!(directory.unlink(b"x"), failed(ResultCode::EACCESS));
        },
    );
}

#[test]
fn a_list_of_regions_holds_what_fits_into_a_message() {
    let mut list = RegionList::default();
    let entry = |index: u64| RegionEntry {
        start: index << 12,
        last: (index << 12) + 0xfff,
        flags: index as u16,
        reserved: [0; 3],
    };
    let pushed = (0..100)
        .take_while(|index| list.push(entry(*index)))
        .count();
    assert_eq!(pushed, 21);
    assert_eq!(list.entries()[20], entry(20));
}
