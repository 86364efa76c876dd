//! Namespace: names for capabilities.
//!
//! An entry is another object of moe's, or a capability that a client gave. Names are paths: a part
//! that is not the last must name another namespace, which then resolves the rest.

use l4_abi::capability::Selector;
use l4_abi::error::ResultCode;
use l4_abi::protocol::namespace::Flags;

use super::ObjectId;
use crate::bank::{AccountId, Bank};
use crate::memory::FrameVec;

/// Longest part of a name.
pub const NAME_MAX: usize = 64;
/// Entries that one namespace can have, so that no search takes long.
const MOST_ENTRIES: usize = 1024;

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// An object of moe's.
    Object(ObjectId),
    /// A capability that moe holds for the namespace.
    Capability(Selector),
    /// Nothing yet: the name is announced.
    Announced,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    name: [u8; NAME_MAX],
    length: u8,
    flags: Flags,
    is_static: bool,
    target: Target,
}

impl Entry {
    fn name(&self) -> &[u8] {
        &self.name[..self.length as usize]
    }
}

/// A namespace.
#[derive(Debug)]
pub struct Namespace {
    entries: FrameVec<Entry>,
}

impl Namespace {
    /// An empty namespace.
    pub const fn new(account: AccountId) -> Self {
        Self {
            entries: FrameVec::new(account),
        }
    }

    /// What `name`, one part of a path, stands for, and with which rights.
    pub fn find(&self, name: &[u8]) -> Result<(Target, Flags), ResultCode> {
        let entry = self.entries.iter().find(|entry| entry.name() == name);
        entry
            .map(|entry| (entry.target, entry.flags))
            .ok_or(ResultCode::ENOENT)
    }

    /// Adds an entry; returns the one that it replaces, if `flags` allow that, or it was only announced.
    pub fn register(
        &mut self,
        bank: &mut Bank,
        name: &[u8],
        target: Target,
        flags: Flags,
    ) -> Result<Option<Target>, ResultCode> {
        self.add(bank, name, target, flags, false)
    }

    /// Adds an entry that no client can change.
    pub fn register_static(
        &mut self,
        bank: &mut Bank,
        name: &[u8],
        target: Target,
        flags: Flags,
    ) -> Result<(), ResultCode> {
        self.add(bank, name, target, flags, true).map(|_| ())
    }

    fn add(
        &mut self,
        bank: &mut Bank,
        text: &[u8],
        target: Target,
        flags: Flags,
        is_static: bool,
    ) -> Result<Option<Target>, ResultCode> {
        if text.is_empty() || text.contains(&l4_abi::protocol::namespace::SEPARATOR) {
            return Err(ResultCode::EINVAL);
        }
        if text.len() > NAME_MAX {
            return Err(ResultCode::ENAMETOOLONG);
        }
        let mut name = [0; NAME_MAX];
        name[..text.len()].copy_from_slice(text);
        let length = text.len() as u8;
        let kept = Flags::RWS | Flags::TRUSTED;
        let entry = Entry {
            name,
            length,
            flags: flags & kept,
            is_static,
            target,
        };
        let mut entries = self.entries.iter_mut();
        if let Some(old) = entries.find(|old| old.name() == text) {
            if !flags.contains(Flags::OVERWRITE) && old.target != Target::Announced {
                return Err(ResultCode::EEXIST);
            }
            if old.is_static {
                return Err(ResultCode::EACCESS);
            }
            return Ok(Some(core::mem::replace(old, entry).target));
        }
        if self.entries.len() >= MOST_ENTRIES {
            return Err(ResultCode::ENOMEM);
        }
        self.entries.push(bank, entry)?;
        Ok(None)
    }

    /// Removes an entry.
    pub fn unlink(&mut self, name: &[u8]) -> Result<Target, ResultCode> {
        let index = self.entries.iter().position(|entry| entry.name() == name);
        let index = index.ok_or(ResultCode::ENOENT)?;
        if self.entries[index].is_static {
            return Err(ResultCode::EACCESS);
        }
        Ok(self.entries.remove(index).target)
    }

    /// Counts a capability that is held for an entry.
    pub fn charge_capability(&self, bank: &mut Bank) -> Result<(), ResultCode> {
        bank.add_capability(self.entries.account())
    }

    /// Counts one less.
    pub fn refund_capability(&self, bank: &mut Bank) {
        bank.remove_capability(self.entries.account());
    }

    /// Everything that the entries stand for.
    pub fn targets(&self) -> impl Iterator<Item = Target> {
        self.entries.iter().map(|entry| entry.target)
    }

    /// The names, in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().map(Entry::name)
    }

    /// Gives the bookkeeping back. The targets must have been released before.
    pub fn destroy(&mut self, bank: &mut Bank) {
        self.entries.clear(bank);
    }
}

/// Splits the first part off a path; empty parts do not count.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let is_separator = |byte: &u8| *byte == l4_abi::protocol::namespace::SEPARATOR;
    let start = path
        .iter()
        .position(|byte| !is_separator(byte))
        .unwrap_or(path.len());
    let path = &path[start..];
    match path.iter().position(is_separator) {
        Some(end) => (&path[..end], &path[end + 1..]),
        None => (path, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::tests::bank;

    const ONE: Target = Target::Capability(Selector::new(1));
    const TWO: Target = Target::Capability(Selector::new(2));

    #[test]
    fn names_are_found_replaced_and_removed() {
        let bank = &mut bank(64);
        let mut names = Namespace::new(AccountId::ROOT);
        assert_eq!(names.find(b"a"), Err(ResultCode::ENOENT));
        assert_eq!(names.register(bank, b"a", ONE, Flags::RWS), Ok(None));
        assert_eq!(
            names.register(bank, b"a", TWO, Flags::RO),
            Err(ResultCode::EEXIST)
        );
        let replaced = names.register(bank, b"a", TWO, Flags::RO | Flags::OVERWRITE);
        assert_eq!(replaced, Ok(Some(ONE)));
        assert_eq!(names.find(b"a"), Ok((TWO, Flags::RO)));
        assert_eq!(names.unlink(b"a"), Ok(TWO));
        assert_eq!(names.unlink(b"a"), Err(ResultCode::ENOENT));
    }

    #[test]
    fn an_announced_name_waits_for_its_object() {
        let bank = &mut bank(64);
        let mut names = Namespace::new(AccountId::ROOT);
        let announced = Target::Announced;
        for _ in 0..2 {
            names.register(bank, b"a", announced, Flags::RWS).unwrap();
        }
        assert_eq!(names.find(b"a"), Ok((announced, Flags::RWS)));
        let replaced = names.register(bank, b"a", ONE, Flags::RO);
        assert_eq!(replaced, Ok(Some(announced)));
        let again = names.register(bank, b"a", announced, Flags::RWS);
        assert_eq!(again, Err(ResultCode::EEXIST));
    }

    #[test]
    fn static_entries_stay() {
        let bank = &mut bank(64);
        let mut names = Namespace::new(AccountId::ROOT);
        names.register_static(bank, b"ned", ONE, Flags::RO).unwrap();
        let replaced = names.register(bank, b"ned", TWO, Flags::RO | Flags::OVERWRITE);
        assert_eq!(replaced, Err(ResultCode::EACCESS));
        assert_eq!(names.unlink(b"ned"), Err(ResultCode::EACCESS));
    }

    #[test]
    fn bad_names_and_too_many_are_refused() {
        let bank = &mut bank(128);
        let mut names = Namespace::new(AccountId::ROOT);
        for (name, error) in [
            (&b""[..], ResultCode::EINVAL),
            (b"a/b", ResultCode::EINVAL),
            (&[b'x'; NAME_MAX + 1], ResultCode::ENAMETOOLONG),
        ] {
            assert_eq!(names.register(bank, name, ONE, Flags::RO), Err(error));
        }
        for number in 0..MOST_ENTRIES {
            names
                .register(bank, format!("{number}").as_bytes(), ONE, Flags::RO)
                .unwrap();
        }
        assert_eq!(
            names.register(bank, b"x", ONE, Flags::RO),
            Err(ResultCode::ENOMEM)
        );
    }

    #[test]
    fn paths_split_at_their_first_separator() {
        assert_eq!(split(b"rom/ned"), (&b"rom"[..], &b"ned"[..]));
        assert_eq!(split(b"//rom"), (&b"rom"[..], &b""[..]));
        assert_eq!(split(b"a//b"), (&b"a"[..], &b"/b"[..]));
        assert_eq!(split(b""), (&b""[..], &b""[..]));
        assert_eq!(split(b"/"), (&b""[..], &b""[..]));
    }
}
