//! What an invocation can fail with.

use core::fmt;

use l4_abi::error::{IpcError, ResultCode};

/// Result of an invocation.
pub type Result<T> = core::result::Result<T, Error>;

/// Why an invocation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The partner, or this program before it sent anything, said no.
    Result(ResultCode),
    /// The message did not get through.
    Ipc(IpcError),
}

impl Error {
    /// The error as a server hands it on: an IPC error becomes `-(2000 + error)` (`abi/01`).
    pub fn result_code(self) -> ResultCode {
        match self {
            Self::Result(code) => code,
            Self::Ipc(error) => error.result_code(),
        }
    }
}

impl From<ResultCode> for Error {
    fn from(code: ResultCode) -> Self {
        Self::Result(code)
    }
}

impl From<IpcError> for Error {
    fn from(error: IpcError) -> Self {
        Self::Ipc(error)
    }
}

impl From<Error> for ResultCode {
    fn from(error: Error) -> Self {
        error.result_code()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Result(code) => code.fmt(formatter),
            Self::Ipc(error) => error.fmt(formatter),
        }
    }
}

impl core::error::Error for Error {}
