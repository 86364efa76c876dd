//! Factory: creates objects, and is their memory quota.
//!
//! A request's word 0 is the type (a label); arguments follow as pairs of a [`VargTag`] and the
//! value. The kernel reads fixed positions and ignores the tags. Needs the S right.
//!
//! Source: `abi/05` (Factory), `abi/08` §5 (servers), `abi/01` (argument types).

use super::label;

/// Message word of the type.
pub const TYPE_WORD: usize = 0;
/// Message word of the first argument's value: gate label, UTCB area or quota.
pub const FIRST_ARGUMENT_WORD: usize = 2;

/// What a factory of the kernel creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i64)]
pub enum ObjectType {
    /// IPC gate: optionally bound to a thread (item) with a label (argument).
    IpcGate = label::NONE,
    /// Task: argument is the UTCB area, nil for none.
    Task = label::TASK,
    /// Thread.
    Thread = label::THREAD,
    /// Factory: argument is the quota in bytes.
    Factory = label::FACTORY,
    /// Address space of a virtual machine.
    Vm = label::VM,
    /// Address space of a device.
    DmaSpace = label::DMA_SPACE_KERNEL,
    /// Interrupt sender.
    IrqSender = label::IRQ_SENDER,
    /// Semaphore.
    Semaphore = label::SEMAPHORE,
    /// vCPU context (VMX).
    VcpuContext = label::VCPU_CONTEXT,
}

impl ObjectType {
    /// The type that word 0 of a request names.
    pub const fn from_word(word: u64) -> Option<ObjectType> {
        Some(match word as i64 {
            label::NONE | label::KERNEL_OBJECT => ObjectType::IpcGate,
            label::TASK => ObjectType::Task,
            label::THREAD => ObjectType::Thread,
            label::FACTORY => ObjectType::Factory,
            label::VM => ObjectType::Vm,
            label::DMA_SPACE_KERNEL => ObjectType::DmaSpace,
            label::IRQ_SENDER => ObjectType::IrqSender,
            label::SEMAPHORE => ObjectType::Semaphore,
            label::VCPU_CONTEXT => ObjectType::VcpuContext,
            _ => return None,
        })
    }

    /// Word 0 of a request.
    pub const fn word(self) -> u64 {
        self as i64 as u64
    }
}

/// Type of a variable argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum VargType {
    /// No argument.
    Nil = 0x00,
    /// Unsigned word.
    Unsigned = 0x01,
    /// Signed word.
    Signed = 0x81,
    /// String, with its NUL.
    String = 0x02,
    /// Flexpage.
    Flexpage = 0x03,
}

/// The word before a variable argument: type in bits 15..0, length in bytes above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct VargTag(u64);

impl VargTag {
    /// The tag of an argument of `length` bytes.
    pub const fn new(kind: VargType, length: u16) -> VargTag {
        VargTag((length as u64) << 16 | kind as u64)
    }

    /// The tag of an argument of one word.
    pub const fn word_sized(kind: VargType) -> VargTag {
        Self::new(kind, 8)
    }

    /// Takes a word as it is.
    pub const fn from_raw(raw: u64) -> VargTag {
        VargTag(raw)
    }

    /// The word as it goes into a message.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The type, or `None` for an unknown one.
    pub const fn kind(self) -> Option<VargType> {
        Some(match self.0 & 0xffff {
            0x00 => VargType::Nil,
            0x01 => VargType::Unsigned,
            0x81 => VargType::Signed,
            0x02 => VargType::String,
            0x03 => VargType::Flexpage,
            _ => return None,
        })
    }

    /// Length of the value in bytes; it takes whole words.
    pub const fn length(self) -> u64 {
        self.0 >> 16
    }

    /// Words of the value.
    pub const fn value_words(self) -> u64 {
        self.length().div_ceil(8)
    }
}
