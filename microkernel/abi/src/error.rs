//! The two error spaces: results in a reply's label, and failures of the IPC itself.
//!
//! Source: `abi/01` (error spaces).

use core::fmt;

/// A result code: the negated label of a successful IPC whose request failed.
///
/// Codes carry their errno names; a server may answer others.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct ResultCode(u32);

macro_rules! result_codes {
    ($($(#[doc = $text:literal])+ $name:ident = $value:literal;)+) => {
        impl ResultCode {
            $($(#[doc = $text])+ pub const $name: ResultCode = ResultCode($value);)+

            /// The errno name, if the code has one.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($name)),)+
                    _ => None,
                }
            }
        }
    };
}

result_codes! {
    /// A right is missing.
    EPERM = 1;
    /// No such object, entry or region.
    ENOENT = 2;
    /// Input or output failed.
    EIO = 5;
    /// No such device or address.
    ENXIO = 6;
    /// An argument list is too long.
    E2BIG = 7;
    /// Not yet, try again.
    EAGAIN = 11;
    /// Out of memory or quota.
    ENOMEM = 12;
    /// Access denied.
    EACCESS = 13;
    /// An invalid address.
    EFAULT = 14;
    /// In use.
    EBUSY = 16;
    /// Exists already.
    EEXIST = 17;
    /// No such device or object type.
    ENODEV = 19;
    /// Not a directory.
    ENOTDIR = 20;
    /// An invalid argument.
    EINVAL = 22;
    /// No space left.
    ENOSPC = 28;
    /// A value is out of range.
    ERANGE = 34;
    /// A name is too long.
    ENAMETOOLONG = 36;
    /// The operation does not exist.
    ENOSYS = 38;
    /// The object does not speak this protocol.
    EBADPROTO = 39;
    /// No free address.
    EADDRNOTAVAIL = 99;
    /// First number that is not a plain errno.
    ERRNOMAX = 100;
    /// Inside a server: do not reply now.
    ENOREPLY = 1000;
    /// The message is too short.
    EMSGTOOSHORT = 1001;
    /// The message is too long.
    EMSGTOOLONG = 1002;
    /// A capability argument is missing.
    EMSGMISSARG = 1003;
    /// A message error is out of range.
    EMSGERRRANGE = 1004;
    /// Inside a server: drop the reply.
    EDROPREPLY = 1005;
}

impl ResultCode {
    /// First code that stands for an IPC error.
    pub const IPC_LOW: u32 = 2000;
    /// Last code that stands for an IPC error.
    pub const IPC_HIGH: u32 = 2031;

    /// The code of this number.
    pub const fn new(code: u32) -> ResultCode {
        ResultCode(code)
    }

    /// The positive number.
    pub const fn code(self) -> u32 {
        self.0
    }

    /// The label of a reply with this result: the negated number.
    pub const fn label(self) -> i64 {
        -(self.0 as i64)
    }

    /// The code in a reply's label; `None` if the label is a success.
    pub const fn from_label(label: i64) -> Option<ResultCode> {
        if label >= 0 {
            return None;
        }
        let code = label.unsigned_abs();
        Some(ResultCode(if code > u32::MAX as u64 {
            u32::MAX
        } else {
            code as u32
        }))
    }

    /// The IPC error that the code stands for.
    pub const fn ipc_error(self) -> Option<IpcError> {
        if self.0 >= Self::IPC_LOW && self.0 <= Self::IPC_HIGH {
            Some(IpcError((self.0 - Self::IPC_LOW) as u8))
        } else {
            None
        }
    }
}

impl fmt::Debug for ResultCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for ResultCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self.ipc_error()) {
            (Some(name), _) => formatter.write_str(name),
            (None, Some(error)) => error.fmt(formatter),
            (None, None) => write!(formatter, "error {}", self.0),
        }
    }
}

impl core::error::Error for ResultCode {}

/// An IPC error: the UTCB's error word when the tag has the error flag.
///
/// Bit 0 tells the phase: clear for send, set for receive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct IpcError(u8);

impl IpcError {
    /// The receiver was not ready in time.
    pub const SEND_TIMEOUT: IpcError = IpcError(0x02);
    /// No sender came in time.
    pub const RECEIVE_TIMEOUT: IpcError = IpcError(0x03);
    /// The capability is empty, or what it named is gone.
    pub const NOT_EXISTENT: IpcError = IpcError(0x04);
    /// The send was cancelled.
    pub const SEND_CANCELED: IpcError = IpcError(0x06);
    /// The receive was cancelled.
    pub const RECEIVE_CANCELED: IpcError = IpcError(0x07);
    /// A typed item is malformed or does not fit the receive buffers.
    pub const SEND_OVERFLOW: IpcError = IpcError(0x08);
    /// As [`SEND_OVERFLOW`](Self::SEND_OVERFLOW), seen by the receiver.
    pub const RECEIVE_OVERFLOW: IpcError = IpcError(0x09);
    /// The transfer was aborted.
    pub const SEND_ABORTED: IpcError = IpcError(0x0e);
    /// As [`SEND_ABORTED`](Self::SEND_ABORTED), seen by the receiver.
    pub const RECEIVE_ABORTED: IpcError = IpcError(0x0f);
    /// Out of kernel memory while mapping.
    pub const SEND_MAP_FAILED: IpcError = IpcError(0x10);
    /// As [`SEND_MAP_FAILED`](Self::SEND_MAP_FAILED), seen by the receiver.
    pub const RECEIVE_MAP_FAILED: IpcError = IpcError(0x11);
    /// The explicit reply slot cannot be used.
    pub const NO_REPLY_CAPABILITY: IpcError = IpcError(0x13);

    const MASK: u64 = 0x1f;

    /// The error in a UTCB's error word.
    pub const fn from_word(word: u64) -> IpcError {
        IpcError((word & Self::MASK) as u8)
    }

    /// The word as the kernel stores it.
    pub const fn word(self) -> u64 {
        self.0 as u64
    }

    /// Whether the receive phase failed.
    pub const fn is_receive(self) -> bool {
        self.0 & 1 != 0
    }

    /// The same error as the receiver of the transfer sees it.
    pub const fn for_receiver(self) -> IpcError {
        IpcError(self.0 | 1)
    }

    /// The result code that libraries make of it: 2000 and up.
    pub const fn result_code(self) -> ResultCode {
        ResultCode(ResultCode::IPC_LOW + self.0 as u32)
    }
}

impl fmt::Debug for IpcError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for IpcError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match *self {
            Self::SEND_TIMEOUT => "send timeout",
            Self::RECEIVE_TIMEOUT => "receive timeout",
            Self::NOT_EXISTENT => "partner does not exist",
            Self::SEND_CANCELED => "send cancelled",
            Self::RECEIVE_CANCELED => "receive cancelled",
            Self::SEND_OVERFLOW => "sent items do not fit",
            Self::RECEIVE_OVERFLOW => "received items do not fit",
            Self::SEND_ABORTED => "send aborted",
            Self::RECEIVE_ABORTED => "receive aborted",
            Self::SEND_MAP_FAILED | Self::RECEIVE_MAP_FAILED => "out of kernel memory in mapping",
            Self::NO_REPLY_CAPABILITY => "no reply slot",
            Self(code) => return write!(formatter, "IPC error {code:#x}"),
        })
    }
}

impl core::error::Error for IpcError {}
