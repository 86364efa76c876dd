//! One operation on a kernel object: who asks, with which rights, and the
//! words of the request.

use l4_abi::error::{IpcError, ResultCode};
use l4_abi::flexpage::{Flexpage, Space};
use l4_abi::item::ItemFlags;
use l4_abi::message_tag::MessageTag;
use l4_abi::operation::Operation;
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::TimeoutPair;
use l4_abi::utcb::MESSAGE_REGISTERS;
use machine::utcb::Utcb;

use super::task::Task;
use super::thread::Thread;
use super::{Fail, Header, ensure};
use crate::capability::Entry;
use crate::cpu::Cpu;

/// A request to a kernel object.
pub struct Invocation<'cpu> {
    /// Where it is performed.
    pub cpu: &'cpu Cpu,
    /// Who asks.
    pub caller: &'cpu Thread,
    /// The caller's task.
    pub task: &'cpu Task,
    /// The caller's message registers.
    pub utcb: &'cpu Utcb,
    /// The object; none if it is the caller itself.
    pub object: Option<&'cpu Header>,
    /// The rights on it, as far as an invocation sees them: W and S.
    pub rights: CapabilityRights,
    /// The request's tag.
    pub tag: MessageTag,
    /// The phases that the caller asked for.
    pub operation: Operation,
    /// How long the caller wants to wait.
    pub timeouts: TimeoutPair,
}

impl<'cpu> Invocation<'cpu> {
    /// The object, for operations that refer to it later.
    pub fn header(&self) -> Result<&'cpu Header, Fail> {
        self.object.ok_or(IpcError::NOT_EXISTENT.into())
    }

    /// Message word `index` of the request.
    pub fn word(&self, index: usize) -> u64 {
        if index < MESSAGE_REGISTERS {
            self.utcb.word(index)
        } else {
            0
        }
    }

    /// Writes message word `index` of the reply, if the caller receives one.
    pub fn reply(&self, index: usize, value: u64) {
        if self.operation.contains(Operation::RECEIVE) && index < MESSAGE_REGISTERS {
            self.utcb.set_word(index, value);
        }
    }

    /// The first check of most objects: -EBADPROTO.
    pub fn require_label(&self, label: i64) -> Result<(), Fail> {
        ensure(self.tag.label() == label, ResultCode::EBADPROTO)
    }

    /// -EPERM unless the capability has `rights`.
    pub fn require_rights(&self, rights: CapabilityRights) -> Result<(), Fail> {
        ensure(self.rights.contains(rights), ResultCode::EPERM)
    }

    /// `otherwise` unless the request has at least `words` words.
    pub fn require_words(&self, words: usize, otherwise: ResultCode) -> Result<(), Fail> {
        ensure(self.tag.words() >= words, otherwise)
    }

    /// The capability that the item at message word `at` names: looked up in
    /// the caller's task, nothing is mapped (abi/05).
    #[inline(always)]
    pub fn capability_at(&self, at: usize) -> Result<Entry<'cpu>, Fail> {
        let is_there = self.tag.items() > 0 && at + 1 < MESSAGE_REGISTERS;
        ensure(is_there, ResultCode::EINVAL)?;
        let (control, flexpage) = (self.word(at), self.flexpage(at + 1));
        ensure(control != 0, ResultCode::EINVAL)?;
        let is_map = control & ItemFlags::MAP.bits() != 0;
        let is_object = flexpage.space() == Some(Space::Object);
        ensure(is_map && is_object, IpcError::SEND_OVERFLOW)?;
        self.task
            .capabilities
            .lookup(self.cpu, flexpage.index())
            .ok_or(ResultCode::EINVAL.into())
    }

    /// The object of kind `T` that the item behind the message words names.
    pub fn argument<T: 'static>(&self) -> Result<(&'cpu T, Entry<'cpu>), Fail> {
        self.argument_at(self.tag.words())
    }

    /// The object of kind `T` that the item at message word `at` names.
    #[inline(always)]
    pub fn argument_at<T: 'static>(&self, at: usize) -> Result<(&'cpu T, Entry<'cpu>), Fail> {
        let entry = self.capability_at(at)?;
        let object = entry.object.downcast().ok_or(ResultCode::EINVAL)?;
        Ok((object, entry))
    }

    /// The flexpage in message word `index`.
    pub fn flexpage(&self, index: usize) -> Flexpage {
        Flexpage::from_raw(self.word(index))
    }
}
