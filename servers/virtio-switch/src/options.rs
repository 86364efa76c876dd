//! What the configuration says about a port.

use l4_ipc::factory::Arguments;
use l4_ipc::{Outcome, ResultCode};
use l4_virtio::transport::{USUAL_SHARED, size};

/// A port as it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// It exchanges no frames with other isolated ports.
    pub is_isolated: bool,
    /// Its frames are captured.
    pub is_captured: bool,
    /// Bytes that the client can share with the switch.
    pub shared: u64,
}

impl Options {
    /// Takes the arguments. Error: EINVAL for one that is not understood.
    pub fn take(arguments: &mut Arguments) -> Outcome<Self> {
        let mut options = Self::default();
        while let Some(argument) = arguments.text()? {
            options.add(argument)?;
        }
        Ok(options)
    }

    fn add(&mut self, argument: &[u8]) -> Outcome<()> {
        match argument {
            b"isolated" => self.is_isolated = true,
            b"capture" => self.is_captured = true,
            _ => {
                let text = argument.strip_prefix(b"shared=");
                let text = text.and_then(|text| core::str::from_utf8(text).ok());
                self.shared = size(text.ok_or(ResultCode::EINVAL)?)?;
            }
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            is_isolated: false,
            is_captured: false,
            shared: USUAL_SHARED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_understood_or_refused() {
        let mut options = Options::default();
        for argument in ["isolated", "capture", "shared=64M"] {
            options.add(argument.as_bytes()).unwrap();
        }
        let all = Options {
            is_isolated: true,
            is_captured: true,
            shared: 64 << 20,
        };
        assert_eq!(options, all);
        for wrong in [
            "",
            "isolate",
            "shared=",
            "shared=-1M",
            "shared=99999999999G",
        ] {
            assert_eq!(
                options.add(wrong.as_bytes()),
                Err(ResultCode::EINVAL),
                "{wrong}"
            );
        }
    }
}
