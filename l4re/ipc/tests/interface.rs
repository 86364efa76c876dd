//! Client and server of one declaration, talking through the loopback; and messages that no
//! client of ours would send.

use std::cell::RefCell;
use std::rc::Rc;

use l4_abi::error::IpcError;
use l4_abi::message_tag::MessageTag;
use l4_abi::timeout::TimeoutPair;
use l4_ipc::loopback::{Arrives, kernel_of};
use l4_ipc::meta::Meta;
use l4_ipc::{
    Bytes, CapabilityRights, Error, Label, NoAnswer, Outcome, Received, Request, Response,
    ResultCode,
};
use l4_sys::arch::{SystemCall, SystemReturn, with_kernel};
use l4_sys::slots::SLOTS;
use l4_sys::{AnyObject, Cap, Object, OwnedCap, Passed, Utcb, ipc};

l4_ipc::record! {
    /// A structure with padding inside and at its end.
    struct Mixed {
        small: u8,
        large: u64,
        last: u32,
    }
}

l4_ipc::interface! {
    /// One method for each way that arguments and results travel.
    interface Everything, served by EverythingServer {
        protocol: 0x7001,
        opcode: i32,

        fn add(one: u32, other: u64, negative: i16, flag: bool) -> u64 = 0;
        fn text(text: str, bytes: [u8]) -> (Bytes, u8) = 1;
        fn mix(value: Mixed, after: u8) -> Mixed = 2;
        fn give(object: Cap<AnyObject>) -> Label = 3;
        fn maybe(object: Option<Cap<AnyObject>>) -> bool = 4;
        fn take() -> (u64, OwnedCap<AnyObject>) = 5;
        fn change() = 6, needs WRITE;
        fn tell(value: u64) -> NoAnswer = 7;
        fn fail(code: u32) = 8;
        fn fill(count: u32) -> Bytes = 9;
    }
}

/// What the server saw, for the tests to look at.
#[derive(Default)]
struct Seen {
    received: Vec<Received<AnyObject>>,
    kept: Vec<OwnedCap<AnyObject>>,
    told: Vec<u64>,
    changed: u32,
}

#[derive(Clone, Default)]
struct Server(Rc<RefCell<Seen>>);

impl EverythingServer for Server {
    fn add(
        &mut self,
        _: &mut Request<'_>,
        one: u32,
        other: u64,
        negative: i16,
        flag: bool,
    ) -> Outcome<u64> {
        let sum = u64::from(one) + other;
        Ok(if flag {
            sum.wrapping_add_signed(negative.into())
        } else {
            sum
        })
    }

    fn text(&mut self, _: &mut Request<'_>, text: &str, bytes: &[u8]) -> Outcome<(Bytes, u8)> {
        Ok((
            Bytes::new(&[text.as_bytes(), bytes].concat())?,
            text.len() as u8,
        ))
    }

    fn mix(&mut self, _: &mut Request<'_>, value: Mixed, after: u8) -> Outcome<Mixed> {
        Ok(Mixed {
            small: after,
            ..value
        })
    }

    fn give(&mut self, request: &mut Request<'_>, object: Received<AnyObject>) -> Outcome<Label> {
        let kept = request.keep(object);
        let mut seen = self.0.borrow_mut();
        seen.received.push(object);
        let label = Label(u32::from(kept.is_ok()));
        seen.kept.extend(kept);
        Ok(label)
    }

    fn maybe(&mut self, _: &mut Request<'_>, object: Option<Received<AnyObject>>) -> Outcome<bool> {
        Ok(object.is_some())
    }

    fn take(&mut self, _: &mut Request<'_>) -> Outcome<(u64, Passed<AnyObject>)> {
        Ok((7, cap(0x55).pass(CapabilityRights::RW)))
    }

    fn change(&mut self, _: &mut Request<'_>) -> Outcome<()> {
        self.0.borrow_mut().changed += 1;
        Ok(())
    }

    fn tell(&mut self, _: &mut Request<'_>, value: u64) -> Outcome<()> {
        self.0.borrow_mut().told.push(value);
        Ok(())
    }

    fn fill(&mut self, _: &mut Request<'_>, count: u32) -> Outcome<Bytes> {
        Bytes::new(&vec![b'x'; count as usize])
    }

    fn fail(&mut self, _: &mut Request<'_>, code: u32) -> Outcome<()> {
        Err(ResultCode::new(code))
    }
}

/// Runs `client` against a fresh server.
fn with_server<R>(
    rights: CapabilityRights,
    arrives: Arrives,
    client: impl FnOnce(&Server) -> R,
) -> R {
    SLOTS.start_at(0x1000);
    let done = |_: SystemCall, _: Utcb| SystemReturn { tag: 0, label: 0 };
    // The outer kernel answers the server's own calls.
    with_kernel(done, || {
        let server = Server::default();
        let mut object = server.clone();
        let kernel = kernel_of(0x40, rights, arrives, move |request| {
            assert_eq!(request.label(), 0x40);
            Everything::dispatch(&mut object, request)
        });
        with_kernel(kernel.unwrap(), || client(&server))
    })
}

fn everything() -> Cap<Everything> {
    Cap::at(0x100)
}

fn cap(index: u64) -> Cap<AnyObject> {
    Cap::at(index)
}

const ALL: CapabilityRights = CapabilityRights::RWS;

#[test]
fn values_of_all_sizes_arrive() {
    with_server(ALL, Arrives::Mapped, |_| {
        let object = everything();
        assert_eq!(object.add(1, 1 << 40, -2, true), Ok((1 << 40) - 1));
        assert_eq!(object.add(u32::MAX, 0, -2, false), Ok(u32::MAX.into()));
        let mixed = Mixed {
            small: 1,
            large: u64::MAX,
            last: 3,
        };
        assert_eq!(object.mix(mixed, 9), Ok(Mixed { small: 9, ..mixed }));
    });
}

#[test]
fn text_and_bytes_arrive() {
    with_server(ALL, Arrives::Mapped, |_| {
        let (joined, length) = everything().text("größe", b"\0\xff").unwrap();
        assert_eq!(&*joined, b"gr\xc3\xb6\xc3\x9fe\0\xff");
        assert_eq!(length, 7);
        let (joined, _) = everything().text("", b"").unwrap();
        assert_eq!(&*joined, b"");
    });
}

#[test]
fn too_much_text_is_an_error_before_anything_is_sent() {
    with_server(ALL, Arrives::Mapped, |_| {
        let long = "x".repeat(600);
        let error = everything().text(&long, b"").err();
        assert_eq!(error, Some(Error::Result(ResultCode::EMSGTOOLONG)));
    });
}

#[test]
fn an_answer_that_does_not_fit_is_an_error_at_the_client() {
    with_server(ALL, Arrives::Mapped, |_| {
        // 63 words, of which one is the length.
        assert_eq!(everything().fill(496).unwrap().len(), 496);
        for count in [497, 504, 505, 100_000] {
            let error = everything().fill(count).err();
            assert_eq!(
                error,
                Some(Error::Result(ResultCode::EMSGTOOLONG)),
                "{count} bytes"
            );
        }
    });
}

#[test]
fn a_capability_arrives_and_can_be_kept() {
    with_server(ALL, Arrives::Mapped, |server| {
        let passed = cap(0x200).pass(ALL);
        assert_eq!(everything().give(passed), Ok(Label(1)));
        assert_eq!(everything().give(passed), Ok(Label(1)));
        let seen = server.0.borrow();
        let slots: Vec<_> = seen
            .kept
            .iter()
            .map(|kept| kept.selector().index())
            .collect();
        assert_eq!(slots.len(), 2);
        assert_ne!(
            slots[0], slots[1],
            "the receive slot was replaced by another"
        );
    });
}

#[test]
fn an_own_gate_arrives_as_its_label() {
    with_server(ALL, Arrives::Own(0x1230), |server| {
        let passed = cap(0x200).pass(CapabilityRights::RW);
        assert_eq!(everything().give(passed), Ok(Label(0)));
        assert_eq!(server.0.borrow().received, [Received::Own(0x1231)]);
    });
}

#[test]
fn an_empty_slot_is_a_missing_argument() {
    with_server(ALL, Arrives::Nothing, |_| {
        let passed = cap(0x200).pass(ALL);
        let missing = Err(Error::Result(ResultCode::EMSGMISSARG));
        assert_eq!(everything().give(passed), missing);
        assert_eq!(everything().maybe(Some(passed)), Ok(false));
        assert_eq!(everything().maybe(None), Ok(false));
    });
}

#[test]
fn a_capability_comes_back() {
    with_server(ALL, Arrives::Mapped, |_| {
        let (value, object) = everything().take().unwrap();
        assert_eq!(value, 7);
        assert!(object.selector().index() >= 0x1000);
        object.leak();
    });
}

#[test]
fn rights_are_demanded() {
    with_server(CapabilityRights::SPECIAL, Arrives::Mapped, |server| {
        assert_eq!(everything().change(), Err(Error::Result(ResultCode::EPERM)));
        assert_eq!(server.0.borrow().changed, 0);
    });
    with_server(CapabilityRights::WRITE, Arrives::Mapped, |server| {
        assert_eq!(everything().change(), Ok(()));
        assert_eq!(server.0.borrow().changed, 1);
    });
}

#[test]
fn a_send_only_request_is_never_answered() {
    with_server(ALL, Arrives::Mapped, |server| {
        assert_eq!(everything().tell(5), Ok(()));
        assert_eq!(server.0.borrow().told, [5]);
        // Too short, and called: still nobody answers.
        assert_eq!(raw(0x7001, &[7], 1), Err(IpcError::RECEIVE_CANCELED));
        assert_eq!(server.0.borrow().told, [5]);
    });
}

#[test]
fn errors_reach_the_client_and_noreply_does_not() {
    with_server(ALL, Arrives::Mapped, |_| {
        assert_eq!(everything().fail(2), Err(Error::Result(ResultCode::ENOENT)));
        assert_eq!(
            everything().fail(12345),
            Err(Error::Result(ResultCode::new(12345)))
        );
        let none = Err(Error::Ipc(IpcError::RECEIVE_CANCELED));
        assert_eq!(everything().fail(ResultCode::ENOREPLY.code()), none);
    });
}

#[test]
fn the_meta_protocol_is_answered() {
    with_server(ALL, Arrives::Mapped, |_| {
        let meta = everything().cast::<Meta>();
        assert_eq!(meta.num_interfaces(), Ok(Label(1)));
        assert_eq!(meta.supports(0x7001), Ok(Label(1)));
        assert_eq!(meta.supports(0x7002), Ok(Label(0)));
        let (protocol, name) = meta.interface(0).unwrap();
        assert_eq!((protocol, &*name), (0x7001, b"Everything\0".as_slice()));
        for index in [1, u64::MAX] {
            assert_eq!(
                meta.interface(index).err(),
                Some(Error::Result(ResultCode::ERANGE))
            );
        }
    });
}

/// Sends a message made by hand; the label of the answer.
fn raw(protocol: i64, message: &[u64], words: usize) -> Result<i64, IpcError> {
    raw_items(protocol, message, words, 0)
}

fn raw_items(protocol: i64, message: &[u64], words: usize, items: usize) -> Result<i64, IpcError> {
    Utcb::current().set_messages(message);
    let tag = MessageTag::new(
        protocol,
        words,
        items,
        l4_abi::message_tag::TagFlags::empty(),
    );
    ipc::call(everything().selector(), tag, TimeoutPair::NEVER).map(MessageTag::label)
}

#[test]
fn malformed_requests_get_the_error_that_comes_first() {
    with_server(CapabilityRights::READ, Arrives::Mapped, |_| {
        let result =
            |protocol, message: &[u64], words| raw(protocol, message, words).map(|label| -label);
        let code = |code: ResultCode| Ok(i64::from(code.code()));
        // Protocol, before anything else.
        assert_eq!(result(0x7002, &[], 0), code(ResultCode::EBADPROTO));
        assert_eq!(result(0, &[0], 1), code(ResultCode::EBADPROTO));
        // Opcode present, then known.
        assert_eq!(result(0x7001, &[], 0), code(ResultCode::EMSGTOOSHORT));
        assert_eq!(result(0x7001, &[10], 1), code(ResultCode::ENOSYS));
        assert_eq!(result(0x7001, &[0xffff_ffff], 1), code(ResultCode::ENOSYS));
        // Rights, before the data.
        assert_eq!(result(0x7001, &[6], 1), code(ResultCode::EPERM));
        // Data, before the items.
        assert_eq!(result(0x7001, &[0], 1), code(ResultCode::EMSGTOOSHORT));
        assert_eq!(result(0x7001, &[0, 0], 2), code(ResultCode::EMSGTOOSHORT));
        assert_eq!(result(0x7001, &[3], 1), code(ResultCode::EMSGMISSARG));
    });
}

#[test]
fn lengths_that_lie_are_refused() {
    with_server(ALL, Arrives::Mapped, |_| {
        for length in [0, 17, 1000, u64::MAX, 1 << 63, u64::MAX - 7] {
            let label = raw(0x7001, &[1, length, 0x4141_4141, 0], 4).unwrap();
            assert!(label < 0, "text of length {length}");
        }
        // No NUL; not UTF-8.
        assert_eq!(
            raw(0x7001, &[1, 2, 0x4141], 3),
            Ok(ResultCode::EINVAL.label())
        );
        assert_eq!(
            raw(0x7001, &[1, 2, 0x00ff, 0], 4),
            Ok(ResultCode::EINVAL.label())
        );
    });
}

#[test]
fn items_that_are_no_capabilities_are_refused() {
    with_server(ALL, Arrives::Mapped, |_| {
        // A memory item, a void one, one beyond the message registers.
        let memory = raw_items(0x7001, &[3, 8, 0x7310], 1, 1);
        assert_eq!(memory, Ok(ResultCode::EINVAL.label()));
        let void = raw_items(0x7001, &[3, 0, 0], 1, 1);
        assert_eq!(void, Ok(ResultCode::EMSGMISSARG.label()));
        let mut full = [0; 63];
        full[0] = 3;
        let beyond = raw_items(0x7001, &full, 62, 63);
        assert_eq!(beyond, Ok(ResultCode::EMSGMISSARG.label()));
    });
}

proptest::proptest! {
    #[test]
    fn no_message_brings_a_server_down(
        protocol in proptest::prop_oneof![proptest::strategy::Just(0x7001), proptest::strategy::Just(-21), -32768_i64..32768],
        opcode in 0_u64..12,
        message in proptest::collection::vec(proptest::prelude::any::<u64>(), 62),
        words in 0_usize..64,
        items in 0_usize..64,
    ) {
        with_server(ALL, Arrives::Mapped, |_| {
            let mut all = vec![opcode];
            all.extend(message);
            let _ = raw_items(protocol, &all, words, items);
        });
    }
}

/// `Response` says by itself what it is for.
#[test]
fn responses_of_errors() {
    let tag = MessageTag::label_only(-22);
    assert_eq!(Response::error(ResultCode::EINVAL), Response::Answer(tag));
    assert_eq!(Response::error(ResultCode::ENOREPLY), Response::None);
    assert_eq!(Response::error(ResultCode::EDROPREPLY), Response::None);
}
