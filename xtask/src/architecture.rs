//! The two architectures and what tools call them.

use crate::failure::{Result, fail};
use crate::suggest::suggestion;
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    X86_64,
    Aarch64,
}

impl Architecture {
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// What runs if nobody says otherwise.
    pub const DEFAULT: Self = Self::X86_64;

    pub fn from_name(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|arch| arch.name() == name) {
            Some(arch) => Ok(arch),
            None => fail!(
                "unknown architecture `{name}`{}; there are x86_64 and aarch64",
                suggestion(name, &["x86_64", "aarch64"])
            ),
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// Rust's name of the bare machine without floating point.
    pub const fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-none",
            Self::Aarch64 => "aarch64-unknown-none-softfloat",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
