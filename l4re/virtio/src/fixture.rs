//! Memory of its own, for tests of what works on shared memory.

use std::cell::RefCell;
use std::ops::Range;

use l4_memory::{Access, Inaccessible, Memory};

/// Bytes at addresses from 0 on.
#[derive(Debug)]
pub struct Ram(RefCell<Vec<u8>>);

impl Ram {
    /// `size` zeros.
    pub fn new(size: usize) -> Self {
        Self(RefCell::new(vec![0; size]))
    }

    /// With these bytes.
    pub fn with(bytes: Vec<u8>) -> Self {
        Self(RefCell::new(bytes))
    }

    fn range(&self, address: u64, length: usize) -> Access<Range<usize>> {
        let start = usize::try_from(address).map_err(|_| Inaccessible)?;
        let end = start.checked_add(length).ok_or(Inaccessible)?;
        let is_inside = end <= self.0.borrow().len();
        is_inside.then_some(start..end).ok_or(Inaccessible)
    }
}

impl Memory for Ram {
    fn read(&self, address: u64, target: &mut [u8]) -> Access {
        let range = self.range(address, target.len())?;
        target.copy_from_slice(&self.0.borrow()[range]);
        Ok(())
    }

    fn write(&self, address: u64, source: &[u8]) -> Access {
        let range = self.range(address, source.len())?;
        self.0.borrow_mut()[range].copy_from_slice(source);
        Ok(())
    }

    fn load(&self, address: u64) -> Access<u16> {
        if !address.is_multiple_of(2) {
            return Err(Inaccessible);
        }
        let mut bytes = [0; 2];
        self.read(address, &mut bytes)?;
        Ok(u16::from_le_bytes(bytes))
    }

    fn store(&self, address: u64, word: u16) -> Access {
        if !address.is_multiple_of(2) {
            return Err(Inaccessible);
        }
        self.write(address, &word.to_le_bytes())
    }
}
