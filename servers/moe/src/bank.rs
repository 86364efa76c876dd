//! Memory and who pays for it.
//!
//! Each factory has an account: a limit, and what its objects use of it. All frames that moe takes
//! on a client's behalf, its own bookkeeping included, are taken through the account of the factory
//! that the client used, so running out is the asker's error only. A new account's limit is charged
//! to its parent at once: limits never add up to more than there is.

use l4_abi::error::ResultCode;

use crate::frames::{Frames, LARGEST_ORDER, PAGE_SIZE};

/// Accounts that can exist at one time.
pub const ACCOUNTS: usize = 1024;
/// Accounts that one account, other than the root's, can have below it.
pub const ACCOUNTS_BELOW: u32 = 24;
/// Objects that one account, other than the root's, can have, those of accounts below included: its
/// memory's share of all places, but not less than the first and not more than the second.
pub const OBJECTS_BELOW: (u64, u64) = (128, 2048);
/// Bytes that holding a client's capability costs.
const CAPABILITY_COST: u64 = 64;

/// Names an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountId(u16);

impl AccountId {
    /// moe's own account, from which all others descend.
    pub const ROOT: AccountId = AccountId(0);
}

#[derive(Clone, Copy, Debug)]
struct Account {
    is_open: bool,
    parent: AccountId,
    limit: u64,
    used: u64,
    objects: u32,
    most_objects: u32,
    accounts_below: u32,
}

const CLOSED: Account = Account {
    is_open: false,
    parent: AccountId::ROOT,
    limit: 0,
    used: 0,
    objects: 0,
    most_objects: 0,
    accounts_below: 0,
};

/// What an account allows and uses, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Statement {
    /// The limit.
    pub limit: u64,
    /// Of that used.
    pub used: u64,
}

/// All accounts and all free memory.
#[derive(Debug)]
pub struct Bank {
    frames: Frames,
    accounts: [Account; ACCOUNTS],
    /// How much memory comes with the right to one object.
    bytes_per_object: u64,
}

impl Bank {
    /// A bank without memory, whose root account allows nothing yet.
    pub const fn new() -> Self {
        let mut accounts = [CLOSED; ACCOUNTS];
        accounts[0].is_open = true;
        Self {
            frames: Frames::new(),
            accounts,
            bytes_per_object: 1,
        }
    }

    /// Takes over memory, see [`Frames::add`]; the root account's limit is all of it.
    pub fn fund(&mut self, first: u64, free_from: u64, end: u64, words: &'static mut [u64]) {
        if self.frames.add(first, free_from, end, words) {
            self.accounts[0].limit += end - free_from;
        }
    }

    /// Lets accounts that are opened from now on share `places` for objects as they share memory.
    pub fn share_places(&mut self, places: usize) {
        let memory = self.accounts[0].limit;
        self.bytes_per_object = memory.checked_div(places as u64).unwrap_or(memory).max(1);
    }

    /// Opens an account below `parent`, with `limit` bytes of the parent's.
    pub fn open(&mut self, parent: AccountId, limit: u64) -> Result<AccountId, ResultCode> {
        let free = self.accounts.iter().position(|account| !account.is_open);
        let index = free.ok_or(ResultCode::ENOMEM)?;
        self.check_room(parent, |account| account.accounts_below < ACCOUNTS_BELOW)?;
        self.charge(parent, limit)?;
        self.count_accounts(parent, 1);
        let (fewest, most) = OBJECTS_BELOW;
        self.accounts[index] = Account {
            is_open: true,
            parent,
            limit,
            most_objects: (limit / self.bytes_per_object).clamp(fewest, most) as u32,
            ..CLOSED
        };
        Ok(AccountId(index as u16))
    }

    /// Closes an account from which everything has been given back.
    pub fn close(&mut self, id: AccountId) {
        let account = core::mem::replace(&mut self.accounts[id.0 as usize], CLOSED);
        debug_assert!(account.is_open && account.used == 0 && account.accounts_below == 0);
        self.refund(account.parent, account.limit);
        self.count_accounts(account.parent, u32::MAX);
    }

    /// What an account allows and uses.
    pub fn statement(&self, id: AccountId) -> Statement {
        let account = &self.accounts[id.0 as usize];
        Statement {
            limit: account.limit,
            used: account.used,
        }
    }

    /// How much memory nobody uses, in bytes.
    pub fn free_memory(&self) -> u64 {
        self.frames.free_frames() * PAGE_SIZE
    }

    /// Counts one more object.
    pub fn add_object(&mut self, id: AccountId, bytes: u64) -> Result<(), ResultCode> {
        self.check_room(id, |account| account.objects < account.most_objects)?;
        self.charge(id, bytes)?;
        self.for_ancestors(id, |account| account.objects += 1);
        Ok(())
    }

    /// Counts one object less.
    pub fn remove_object(&mut self, id: AccountId, bytes: u64) {
        self.refund(id, bytes);
        self.for_ancestors(id, |account| account.objects -= 1);
    }

    /// Counts a client's capability that is held, like an object: it takes a slot as one does.
    pub fn add_capability(&mut self, id: AccountId) -> Result<(), ResultCode> {
        self.add_object(id, CAPABILITY_COST)
    }

    /// Counts one less.
    pub fn remove_capability(&mut self, id: AccountId) {
        self.remove_object(id, CAPABILITY_COST);
    }

    /// Takes 2^`order` frames on a boundary of their size, contents undefined; the first address.
    pub fn take(&mut self, id: AccountId, order: u32) -> Result<u64, ResultCode> {
        if order > LARGEST_ORDER {
            return Err(ResultCode::ENOMEM);
        }
        self.charge(id, PAGE_SIZE << order)?;
        self.frames
            .take(order)
            .ok_or(ResultCode::ENOMEM)
            .inspect_err(|_| {
                self.refund(id, PAGE_SIZE << order);
            })
    }

    /// Takes `count` frames in one piece, on a boundary of 2^`alignment` frames; the first address.
    pub fn take_run(
        &mut self,
        id: AccountId,
        count: u64,
        alignment: u32,
    ) -> Result<u64, ResultCode> {
        if count == 0 || count > 1 << LARGEST_ORDER {
            return Err(ResultCode::ENOMEM);
        }
        self.charge(id, count * PAGE_SIZE)?;
        let run = self.frames.take_run(count, alignment);
        run.ok_or(ResultCode::ENOMEM).inspect_err(|_| {
            self.refund(id, count * PAGE_SIZE);
        })
    }

    /// Gives back `count` frames from `address` on.
    pub fn give_back(&mut self, id: AccountId, address: u64, count: u64) {
        self.frames.give_back(address, count);
        self.refund(id, count * PAGE_SIZE);
    }

    fn charge(&mut self, id: AccountId, bytes: u64) -> Result<(), ResultCode> {
        let account = &mut self.accounts[id.0 as usize];
        if bytes > account.limit - account.used {
            return Err(ResultCode::ENOMEM);
        }
        account.used += bytes;
        Ok(())
    }

    fn refund(&mut self, id: AccountId, bytes: u64) {
        let account = &mut self.accounts[id.0 as usize];
        debug_assert!(account.used >= bytes);
        account.used -= bytes;
    }

    fn count_accounts(&mut self, from: AccountId, change: u32) {
        self.for_ancestors(from, |account| {
            account.accounts_below = account.accounts_below.wrapping_add(change);
        });
    }

    /// Whether there is room in `from` and all accounts above it.
    fn check_room(
        &self,
        from: AccountId,
        has_room: impl Fn(&Account) -> bool,
    ) -> Result<(), ResultCode> {
        let all = (self.ancestors(from)).all(|index| has_room(&self.accounts[index]));
        all.then_some(()).ok_or(ResultCode::ENOMEM)
    }

    /// `from` and the accounts above it, without the root.
    fn ancestors(&self, from: AccountId) -> impl Iterator<Item = usize> {
        let above = move |index: &usize| Some(self.accounts[*index].parent.0 as usize);
        core::iter::successors(Some(from.0 as usize), above).take_while(|index| *index != 0)
    }

    fn for_ancestors(&mut self, from: AccountId, mut change: impl FnMut(&mut Account)) {
        let mut index = from.0 as usize;
        while index != 0 {
            change(&mut self.accounts[index]);
            index = self.accounts[index].parent.0 as usize;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::frames::tests::some_memory;

    /// A bank with `frames` frames of real memory.
    pub(crate) fn bank(frames: usize) -> Bank {
        let (first, end, words) = some_memory(frames);
        let mut bank = Bank::new();
        bank.fund(first, first, end, words);
        bank
    }

    #[test]
    fn an_account_cannot_take_more_than_its_limit() {
        let mut bank = bank(64);
        let id = bank.open(AccountId::ROOT, 3 * PAGE_SIZE).unwrap();
        assert_eq!(bank.take(id, 2), Err(ResultCode::ENOMEM));
        let pair = bank.take(id, 1).unwrap();
        assert!(bank.take(id, 0).is_ok());
        assert_eq!(bank.take(id, 0), Err(ResultCode::ENOMEM));
        assert!(
            bank.take(AccountId::ROOT, 2).is_ok(),
            "others are not touched by that"
        );
        bank.give_back(id, pair, 1);
        assert!(bank.take(id, 0).is_ok());
    }

    #[test]
    fn limits_never_exceed_what_there_is() {
        let mut bank = bank(64);
        let all = bank.statement(AccountId::ROOT).limit;
        assert_eq!(bank.open(AccountId::ROOT, all + 1), Err(ResultCode::ENOMEM));
        let most = bank.open(AccountId::ROOT, all - PAGE_SIZE).unwrap();
        assert_eq!(
            bank.open(AccountId::ROOT, 2 * PAGE_SIZE),
            Err(ResultCode::ENOMEM)
        );
        assert_eq!(bank.open(most, u64::MAX), Err(ResultCode::ENOMEM));
        bank.close(most);
        assert_eq!(bank.statement(AccountId::ROOT).used, 0);
    }

    #[test]
    fn nobody_can_use_up_the_accounts() {
        let mut bank = bank(64);
        let greedy = bank.open(AccountId::ROOT, 16 * PAGE_SIZE).unwrap();
        let below = bank.open(greedy, PAGE_SIZE).unwrap();
        while bank.open(below, 1).is_ok() {}
        assert_eq!(bank.open(greedy, 1), Err(ResultCode::ENOMEM));
        assert!(bank.open(AccountId::ROOT, 1).is_ok());
    }

    #[test]
    fn objects_are_counted_up_to_the_root() {
        let mut bank = bank(64);
        let above = bank.open(AccountId::ROOT, 32 * PAGE_SIZE).unwrap();
        let below = bank.open(above, 16 * PAGE_SIZE).unwrap();
        for _ in 0..OBJECTS_BELOW.1 {
            bank.add_object(below, 1).unwrap();
        }
        assert_eq!(bank.add_object(above, 1), Err(ResultCode::ENOMEM));
        bank.remove_object(below, 1);
        assert_eq!(bank.add_object(above, 1), Ok(()));
        assert_eq!(bank.add_object(above, 1), Err(ResultCode::ENOMEM));
        assert_eq!(bank.add_object(AccountId::ROOT, 1), Ok(()));
    }

    #[test]
    fn places_for_objects_are_shared_like_memory() {
        const PLACES: usize = 6144;
        let mut bank = bank(4096);
        bank.share_places(PLACES);
        let all = bank.statement(AccountId::ROOT).limit;
        for (part, most) in [(2, 2048), (8, 768), (1000, 128)] {
            let id = bank.open(AccountId::ROOT, all / part).unwrap();
            for _ in 0..most {
                bank.add_object(id, 1).unwrap();
            }
            assert_eq!(bank.add_object(id, 1), Err(ResultCode::ENOMEM));
            assert_eq!(bank.add_capability(id), Err(ResultCode::ENOMEM));
        }
    }

    #[test]
    fn a_run_is_charged_by_the_frame() {
        let mut bank = bank(64);
        let id = bank.open(AccountId::ROOT, 5 * PAGE_SIZE).unwrap();
        let free = bank.free_memory();
        assert_eq!(bank.take_run(id, 6, 0), Err(ResultCode::ENOMEM));
        let run = bank.take_run(id, 5, 3).unwrap();
        assert_eq!(run % (8 * PAGE_SIZE), 0);
        assert_eq!(bank.free_memory(), free - 5 * PAGE_SIZE);
        assert_eq!(bank.take_run(id, u64::MAX, 0), Err(ResultCode::ENOMEM));
        bank.give_back(id, run, 5);
        assert_eq!(bank.free_memory(), free);
        assert_eq!(bank.statement(id).used, 0);
    }
}
