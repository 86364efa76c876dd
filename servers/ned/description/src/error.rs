//! Why a description was rejected.

use core::fmt;

/// Why a description was rejected. Its `Display` is one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The block does not start with the format's magic number.
    NotADescription,
    /// The block has another version of the format; the value is the version found.
    Version(u32),
    /// The block is shorter or longer than its header says, or larger than any description may be.
    Length,
    /// The checksum does not match the content.
    Checksum,
    /// A record is outside its table or has an impossible value; the text says which.
    Damaged(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotADescription => f.write_str("not a system description"),
            Error::Version(found) => {
                write!(
                    f,
                    "system description has format version {found}, this program reads {}; build both anew",
                    crate::VERSION
                )
            }
            Error::Length => f.write_str("system description is cut short or has the wrong length"),
            Error::Checksum => {
                f.write_str("system description is damaged: checksum does not match")
            }
            Error::Damaged(what) => write!(f, "system description is damaged: {what}"),
        }
    }
}

impl core::error::Error for Error {}
