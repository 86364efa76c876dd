//! Which frame backs which page of a dataspace: a radix tree whose nodes are frames themselves.
//!
//! A node has 512 entries, each zero or the address of a node or frame below. The depth follows
//! from the dataspace's size; one page needs no node at all. Nodes come into being with the first
//! frame below them and live as long as the table.

use core::ops::Range;

use l4_abi::error::ResultCode;

use crate::bank::{AccountId, Bank};
use crate::frames::PAGE_SIZE;
use crate::memory;

const ENTRIES_LOG2: u32 = 9;
const ENTRIES: u64 = 1 << ENTRIES_LOG2;

/// The table.
#[derive(Debug)]
pub(super) struct FrameTable {
    root: u64,
    depth: u32,
}

impl FrameTable {
    /// A table for `pages` pages, none of them backed.
    pub(super) const fn new(pages: u64) -> Self {
        let mut depth = 0;
        while depth < 7 && pages.saturating_sub(1) >> (depth * ENTRIES_LOG2) != 0 {
            depth += 1;
        }
        Self { root: 0, depth }
    }

    /// The frame of `page`; a page without one gets one full of zeros.
    pub(super) fn frame(
        &mut self,
        bank: &mut Bank,
        account: AccountId,
        page: u64,
    ) -> Result<u64, ResultCode> {
        let mut entry = self.root;
        let mut entry_place = None;
        for level in (0..=self.depth).rev() {
            if entry == 0 {
                entry = bank.take(account, 0)?;
                memory::zero(entry, PAGE_SIZE);
                match entry_place {
                    None => self.root = entry,
                    Some(place) => memory::write_word(place, entry),
                }
            }
            if level > 0 {
                let index = page >> ((level - 1) * ENTRIES_LOG2) & (ENTRIES - 1);
                let place = entry + index * 8;
                entry_place = Some(place);
                entry = memory::read_word(place);
            }
        }
        Ok(entry)
    }

    /// Gives the frames of `pages` back; `revoke` ends all mappings of a frame before that.
    pub(super) fn release(
        &mut self,
        bank: &mut Bank,
        account: AccountId,
        pages: Range<u64>,
        revoke: &mut dyn FnMut(u64),
    ) {
        // The frame of a single page has no node above it that would compare it with the range.
        if pages.is_empty() {
            return;
        }
        let release = &mut |frame| {
            revoke(frame);
            bank.give_back(account, frame, 1);
        };
        self.root = take_out_below(self.root, self.depth, 0, &pages, release);
    }

    /// Gives everything back, nodes included.
    pub(super) fn clear(
        &mut self,
        bank: &mut Bank,
        account: AccountId,
        revoke: &mut dyn FnMut(u64),
    ) {
        self.release(bank, account, 0..u64::MAX, revoke);
        give_back_nodes(self.root, self.depth, bank, account);
        self.root = 0;
    }
}

/// Takes out what is backed below `entry`, whose subtree begins with page `first`. Returns what the
/// entry is then: nodes stay.
fn take_out_below(
    entry: u64,
    level: u32,
    first: u64,
    pages: &Range<u64>,
    release: &mut dyn FnMut(u64),
) -> u64 {
    if entry == 0 {
        return 0;
    }
    if level == 0 {
        release(entry);
        return 0;
    }
    let step_log2 = (level - 1) * ENTRIES_LOG2;
    let step = 1 << step_log2;
    let begin = pages.start.saturating_sub(first) >> step_log2;
    let end = (pages.end - first).div_ceil(step).min(ENTRIES);
    for index in begin..end {
        let place = entry + index * 8;
        let below = memory::read_word(place);
        if below != 0 {
            let kept = take_out_below(below, level - 1, first + index * step, pages, release);
            memory::write_word(place, kept);
        }
    }
    entry
}

fn give_back_nodes(entry: u64, level: u32, bank: &mut Bank, account: AccountId) {
    if entry == 0 || level == 0 {
        return;
    }
    if level > 1 {
        for index in 0..ENTRIES {
            give_back_nodes(
                memory::read_word(entry + index * 8),
                level - 1,
                bank,
                account,
            );
        }
    }
    bank.give_back(account, entry, 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::tests::bank;

    #[test]
    fn each_page_has_its_own_zeroed_frame() {
        let mut bank = bank(64);
        let mut table = FrameTable::new(513 * 512);
        let pages = [0, 1, 511, 512, 513 * 512 - 1];
        let frames = pages.map(|page| table.frame(&mut bank, AccountId::ROOT, page).unwrap());
        for (index, frame) in frames.iter().enumerate() {
            assert!(!frames[..index].contains(frame));
            assert_eq!(memory::read_word(*frame), 0);
            assert_eq!(
                table.frame(&mut bank, AccountId::ROOT, pages[index]),
                Ok(*frame)
            );
        }
    }

    #[test]
    fn releasing_touches_the_named_pages_only() {
        let mut bank = bank(64);
        let mut table = FrameTable::new(4096);
        let pages = [3, 510, 511, 512, 513, 4095];
        let frames = pages.map(|page| table.frame(&mut bank, AccountId::ROOT, page).unwrap());
        let mut out = Vec::new();
        table.release(&mut bank, AccountId::ROOT, 511..513, &mut |frame| {
            out.push(frame)
        });
        assert_eq!(out, frames[2..4]);
        for (page, frame) in [(3, frames[0]), (510, frames[1]), (513, frames[4])] {
            assert_eq!(table.frame(&mut bank, AccountId::ROOT, page), Ok(frame));
        }
    }

    #[test]
    fn releasing_no_pages_touches_none() {
        for pages in [1, 2, 513] {
            let mut bank = bank(64);
            let mut table = FrameTable::new(pages);
            let frame = table.frame(&mut bank, AccountId::ROOT, 0);
            for empty in [0..0, 1..1, pages..pages] {
                table.release(&mut bank, AccountId::ROOT, empty, &mut |_| {
                    panic!("a page of {pages} was released")
                });
            }
            assert_eq!(table.frame(&mut bank, AccountId::ROOT, 0), frame);
        }
    }

    #[test]
    fn clearing_gives_everything_back() {
        for pages in [1, 2, 512, 513, 1 << 18, 1 << 35] {
            let mut bank = bank(64);
            let mut table = FrameTable::new(pages);
            for page in [0, pages / 2, pages - 1] {
                table.frame(&mut bank, AccountId::ROOT, page).unwrap();
            }
            table.clear(&mut bank, AccountId::ROOT, &mut |_| ());
            assert_eq!(bank.statement(AccountId::ROOT).used, 0, "{pages} pages");
        }
    }

    #[test]
    fn a_full_account_backs_no_further_page() {
        let mut bank = bank(64);
        let account = bank.open(AccountId::ROOT, 2 * PAGE_SIZE).unwrap();
        let mut table = FrameTable::new(512);
        assert!(table.frame(&mut bank, account, 5).is_ok());
        assert_eq!(table.frame(&mut bank, account, 6), Err(ResultCode::ENOMEM));
        assert!(table.frame(&mut bank, account, 5).is_ok());
    }
}
