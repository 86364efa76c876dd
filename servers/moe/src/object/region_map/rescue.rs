//! Rescue jumps: code that may touch memory that is not there, and where it continues if it did.

use l4_abi::error::ResultCode;

use crate::bank::{AccountId, Bank};
use crate::memory::FrameVec;

/// Jumps that one map can have: a program has one for each routine that copies from others.
const MOST_JUMPS: usize = 64;

/// Instructions from `first` to `last`, and the one to continue with.
#[derive(Clone, Copy, Debug)]
struct Jump {
    first: u64,
    last: u64,
    target: u64,
}

/// The rescue jumps of a task. They do not overlap.
#[derive(Debug)]
pub(super) struct RescueJumps(FrameVec<Jump>);

impl RescueJumps {
    /// None.
    pub(super) const fn new(account: AccountId) -> Self {
        Self(FrameVec::new(account))
    }

    /// Adds one for the instructions from `first` up to `end`, which is not one of them.
    ///
    /// # Errors
    /// EINVAL if there are none, EEXIST if some have one already, ENOMEM.
    pub(super) fn add(
        &mut self,
        bank: &mut Bank,
        (first, end): (u64, u64),
        target: u64,
    ) -> Result<(), ResultCode> {
        if first >= end {
            return Err(ResultCode::EINVAL);
        }
        let last = end - 1;
        let jumps = &self.0;
        let overlaps = |jump: &Jump| jump.first <= last && first <= jump.last;
        if jumps.iter().any(overlaps) {
            return Err(ResultCode::EEXIST);
        }
        if jumps.len() >= MOST_JUMPS {
            return Err(ResultCode::ENOMEM);
        }
        let jump = Jump {
            first,
            last,
            target,
        };
        self.0.push(bank, jump)
    }

    /// Removes the one for the instruction at `address`. Error: ENOENT.
    pub(super) fn remove(&mut self, address: u64) -> Result<(), ResultCode> {
        let index = self.index(address).ok_or(ResultCode::ENOENT)?;
        self.0.remove(index);
        Ok(())
    }

    /// Where a thread that failed at `address` continues.
    pub(super) fn target(&self, address: u64) -> Option<u64> {
        Some(self.0[self.index(address)?].target)
    }

    /// Gives the bookkeeping back.
    pub(super) fn clear(&mut self, bank: &mut Bank) {
        self.0.clear(bank);
    }

    fn index(&self, address: u64) -> Option<usize> {
        let mut jumps = self.0.iter();
        jumps.position(|jump| (jump.first..=jump.last).contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::tests::bank;

    const ROOT: AccountId = AccountId::ROOT;

    #[test]
    fn a_thread_that_failed_inside_continues_at_the_target() {
        let mut bank = bank(16);
        let mut jumps = RescueJumps::new(ROOT);
        jumps.add(&mut bank, (0x1000, 0x1010), 7).unwrap();
        jumps.add(&mut bank, (0x1010, 0x1011), 8).unwrap();
        let target = |at| jumps.target(at);
        assert_eq!(
            [0xfff, 0x1000, 0x100f].map(target),
            [None, Some(7), Some(7)]
        );
        assert_eq!([0x1010, 0x1011].map(target), [Some(8), None]);
        jumps.remove(0x1008).unwrap();
        assert_eq!(jumps.target(0x1000), None);
        assert_eq!(jumps.remove(0x1008), Err(ResultCode::ENOENT));
        assert_eq!(jumps.target(0x1010), Some(8));
    }

    #[test]
    fn jumps_have_instructions_and_do_not_overlap() {
        let mut bank = bank(16);
        let mut jumps = RescueJumps::new(ROOT);
        let mut add = |first, end| jumps.add(&mut bank, (first, end), 1);
        assert_eq!(add(5, 5), Err(ResultCode::EINVAL));
        assert_eq!(add(6, 5), Err(ResultCode::EINVAL));
        assert_eq!(add(10, 20), Ok(()));
        for (first, end) in [(10, 20), (0, 11), (19, 30), (12, 13), (0, u64::MAX)] {
            assert_eq!(add(first, end), Err(ResultCode::EEXIST));
        }
        assert_eq!(add(u64::MAX - 1, u64::MAX), Ok(()));
    }

    #[test]
    fn their_number_has_a_limit_and_their_memory_is_the_clients() {
        let mut bank = bank(16);
        let account = bank.open(ROOT, 0x1000).unwrap();
        let mut jumps = RescueJumps::new(account);
        for at in 0..MOST_JUMPS as u64 {
            jumps.add(&mut bank, (at, at + 1), 0).unwrap();
        }
        let one_more = jumps.add(&mut bank, (1 << 20, 1 << 21), 0);
        assert_eq!(one_more, Err(ResultCode::ENOMEM));
        assert_eq!(bank.statement(account).used, 0x1000);
        jumps.clear(&mut bank);
        assert_eq!(bank.statement(account).used, 0);
    }
}
