//! A server and its clients in one thread of the host: for tests of servers.

use l4_abi::error::IpcError;
use l4_abi::flexpage::Flexpage;
use l4_abi::item::{Delivery, MapItem, ReceivedItem, SendItem};
use l4_abi::message_tag::MessageTag;
use l4_abi::rights::CapabilityRights;
use l4_sys::arch::{SystemCall, SystemReturn};
use l4_sys::ipc::Arrival;
use l4_sys::{Error, Utcb};

use crate::server::receive::ReceiveSlots;
use crate::{Request, Response};

/// How an item of a request arrives at the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrives {
    /// As a capability in a receive slot.
    Mapped,
    /// As the label of the server's own gate.
    Own(u64),
    /// Not at all: the client named an empty slot.
    Nothing,
}

/// Makes a kernel for [`l4_sys::arch::with_kernel`] of a server: every call goes to `handle`
/// through a gate with `label`, with all rights in `rights`.
///
/// Items of requests arrive as `arrives` says; items of answers are mapped. The server's own
/// system calls, such as freeing slots, are not its clients': they go to the kernel around this one.
///
/// # Errors
/// If no capability slots are free; start [`l4_sys::slots::SLOTS`] first.
pub fn kernel_of(
    label: u64,
    rights: CapabilityRights,
    arrives: Arrives,
    mut handle: impl FnMut(&mut Request<'_>) -> Response,
) -> Result<impl FnMut(SystemCall, Utcb) -> SystemReturn, Error> {
    let mut slots = ReceiveSlots::allocate()?;
    let label = label | u64::from(rights.bits() & CapabilityRights::INVOCATION.bits());
    Ok(move |call: SystemCall, utcb: Utcb| {
        let armed: Vec<_> = (0..4).map(|register| utcb.buffer(register)).collect();
        let tag = MessageTag::from_raw(call.tag);
        transfer(utcb, tag, arrives);
        slots.arm();
        let mut request = Request::new(Arrival { tag, label }, &mut slots);
        let response = handle(&mut request);
        slots.clear(tag.items());
        for (register, word) in armed.into_iter().enumerate() {
            utcb.set_buffer(register, word);
        }
        match response {
            Response::Answer(tag) => {
                transfer(utcb, tag, Arrives::Mapped);
                SystemReturn {
                    tag: tag.raw(),
                    label: 0,
                }
            }
            // A caller that gets no answer waits for ever; a test rather sees a cancelled call.
            Response::None if call.destination & 2 != 0 => {
                utcb.set_error(IpcError::RECEIVE_CANCELED.word());
                SystemReturn {
                    tag: tag.with_error().raw(),
                    label: 0,
                }
            }
            Response::None => SystemReturn {
                tag: call.tag,
                label: 0,
            },
        }
    })
}

/// Turns sent items into received ones, in place. Malformed ones stay as they are.
fn transfer(utcb: Utcb, tag: MessageTag, arrives: Arrives) {
    for position in 0..tag.items() {
        let register = tag.words() + 2 * position;
        if register + 1 >= l4_abi::utcb::MESSAGE_REGISTERS {
            return;
        }
        let sent = SendItem::decode(utcb.message(register), utcb.message(register + 1));
        let Ok(SendItem::Map(sent)) = sent else {
            continue;
        };
        let received = ReceivedItem::new(sent, delivery(arrives, sent));
        utcb.set_message(register, received.control_word());
        if let Some(word) = received.second_word() {
            utcb.set_message(register + 1, word);
        }
    }
}

fn delivery(arrives: Arrives, sent: MapItem) -> Delivery {
    match arrives {
        Arrives::Mapped => Delivery::Mapped,
        Arrives::Nothing => Delivery::NothingMapped,
        Arrives::Own(label) => {
            let rights = Flexpage::rights(sent.flexpage) & CapabilityRights::INVOCATION.bits();
            Delivery::LocalId(label | u64::from(rights))
        }
    }
}
