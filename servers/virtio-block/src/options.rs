//! What the configuration says about a client's disk.

use l4_ipc::factory::Arguments;
use l4_ipc::{Bytes, Outcome, ResultCode};
use l4_virtio::transport::{options, size};

/// A disk as it is wanted.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Name of the file with its content.
    pub file: Option<Bytes>,
    /// Bytes, if not those of the file.
    pub size: Option<u64>,
    /// Bytes that can be written.
    pub writes: u64,
    /// Bytes that the client can share.
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
        match name {
            "file" => self.file = Some(Bytes::new(value.as_bytes())?),
            "size" => self.size = Some(size(value)?),
            "writes" => self.writes = size(value)?,
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
        for (name, value) in [("file", "a=b"), ("size", "3M"), ("writes", "64K")] {
            options.set(name, value).unwrap();
        }
        assert_eq!(options.file.as_deref(), Some(b"a=b".as_slice()));
        assert_eq!((options.size, options.writes), (Some(3 << 20), 64 << 10));
        for (name, value) in [
            ("size", ""),
            ("size", "1T"),
            ("writes", "-1"),
            ("colour", "red"),
        ] {
            assert_eq!(
                options.set(name, value),
                Err(ResultCode::EINVAL),
                "{name}={value}"
            );
        }
    }
}
