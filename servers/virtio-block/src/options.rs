//! What the configuration says about a client's disk.

use core::str::from_utf8;

use l4_ipc::factory::Arguments;
use l4_ipc::{Bytes, Outcome, ResultCode};
use l4_virtio::transport::{USUAL_SHARED, size};

/// A disk as it is wanted.
#[derive(Clone, Debug)]
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
        let mut options = Self::default();
        while let Some(argument) = arguments.text()? {
            options.add(argument)?;
        }
        Ok(options)
    }

    fn add(&mut self, argument: &[u8]) -> Outcome<()> {
        let text = from_utf8(argument).map_err(|_| ResultCode::EINVAL)?;
        let (name, value) = text.split_once('=').ok_or(ResultCode::EINVAL)?;
        match name {
            "file" => self.file = Some(Bytes::new(value.as_bytes())?),
            "size" => self.size = Some(size(value)?),
            "writes" => self.writes = size(value)?,
            "shared" => self.shared = size(value)?,
            _ => return Err(ResultCode::EINVAL),
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            file: None,
            size: None,
            writes: 0,
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
        for argument in ["file=a=b", "size=3M", "writes=64K", "shared=4096"] {
            options.add(argument.as_bytes()).unwrap();
        }
        assert_eq!(options.file.as_deref(), Some(b"a=b".as_slice()));
        assert_eq!(options.size, Some(3 << 20));
        assert_eq!((options.writes, options.shared), (64 << 10, 4096));
        for wrong in [
            "size",
            "size=",
            "size=1T",
            "size=-1",
            "size=99999999999G",
            "colour=red",
        ] {
            let added = options.add(wrong.as_bytes());
            assert_eq!(added, Err(ResultCode::EINVAL), "{wrong}");
        }
        assert_eq!(options.add(&[0xff]), Err(ResultCode::EINVAL));
    }
}
