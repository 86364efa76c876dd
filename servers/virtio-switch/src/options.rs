//! What the configuration says about a port.

use l4_ipc::factory::Arguments;
use l4_ipc::{Outcome, ResultCode};
use l4_virtio::transport::options;

/// A port as it is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// It exchanges no frames with other isolated ports.
    pub is_isolated: bool,
    /// Its frames are captured in the dataspace `capture`.
    pub is_captured: bool,
    /// They are captured on the log, for the machine on which all this runs.
    pub is_printed: bool,
    /// Bytes that the client can share with the switch.
    pub shared: u64,
}

impl Options {
    /// Takes the arguments. Error: EINVAL for one that is not understood.
    pub fn take(arguments: &mut Arguments) -> Outcome<Self> {
        let mut this = Self::default();
        this.shared = options(arguments, |name, value| this.set(name, value))?;
        Ok(this)
    }

    fn set(&mut self, name: &str, value: &str) -> Outcome<()> {
        match (name, value) {
            ("isolated", "") => self.is_isolated = true,
            ("capture", "") => self.is_captured = true,
            ("capture", "log") => self.is_printed = true,
            _ => return Err(ResultCode::EINVAL),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_understood_or_refused() {
        let mut options = Options::default();
        let flags =
            |options: Options| (options.is_isolated, options.is_captured, options.is_printed);
        options.set("isolated", "").unwrap();
        assert_eq!(flags(options), (true, false, false));
        options.set("capture", "").unwrap();
        assert_eq!(flags(options), (true, true, false));
        options.set("capture", "log").unwrap();
        assert_eq!(flags(options), (true, true, true));
        for (name, value) in [
            ("", ""),
            ("isolate", ""),
            ("isolated", "no"),
            ("capture", "file"),
        ] {
            assert_eq!(
                options.set(name, value),
                Err(ResultCode::EINVAL),
                "{name}={value}"
            );
        }
    }
}
