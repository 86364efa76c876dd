//! Dataspace: memory as an object. Clients map parts of it, directly or through a region map.
//!
//! Three kinds of backing: frames that come when a page is first touched; one run of frames,
//! charged when made, zeroed piece by piece as it is handed out; and memory that was there before
//! moe, such as boot modules. Memory is full of zeros when a client first sees it.

use l4_abi::error::ResultCode;
use l4_abi::rights::MemoryRights;

use super::frame_table::FrameTable;
use crate::bank::{AccountId, Bank};
use crate::frames::{PAGE_SHIFT, PAGE_SIZE, frames_for};
use crate::memory::{self, FrameVec};

/// Larger dataspaces do not fit into any address space.
const MAX_SIZE: u64 = 1 << 47;
/// A run is zeroed in pieces of this size: one superpage.
const PIECE: u64 = 2 << 20;
const PIECES_PER_WORD: u64 = u64::BITS as u64;

/// Revokes all clients' mappings of 2^order bytes at an address.
pub type Revoke<'a> = &'a mut dyn FnMut(u64, u32);

/// A dataspace.
#[derive(Debug)]
pub struct Dataspace {
    account: AccountId,
    size: u64,
    /// What clients are told: a boot module need not end with a page.
    length: u64,
    rights: MemoryRights,
    backing: Backing,
}

#[derive(Debug)]
enum Backing {
    OnDemand(FrameTable),
    /// One bit of `zeroed` for each piece.
    Run {
        address: u64,
        zeroed: FrameVec<u64>,
    },
    Fixed {
        address: u64,
    },
}

/// Contiguous memory around an offset of a dataspace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stretch {
    /// Where the memory at the offset is.
    pub address: u64,
    /// Bytes before that which belong to the stretch.
    pub before: u64,
    /// Bytes from there to the end of the stretch.
    pub after: u64,
    /// Whether it may have been written to since moe started.
    pub is_changeable: bool,
}

impl Dataspace {
    /// Memory that comes page by page as it is touched.
    pub fn on_demand(account: AccountId, size: u64) -> Result<Self, ResultCode> {
        let size = page_rounded(size)?;
        let backing = Backing::OnDemand(FrameTable::new(size / PAGE_SIZE));
        Ok(Self::new(account, size, backing))
    }

    /// One run of memory on a boundary of 2^`alignment` bytes.
    pub fn run(
        bank: &mut Bank,
        account: AccountId,
        size: u64,
        alignment: u32,
    ) -> Result<Self, ResultCode> {
        let size = page_rounded(size)?;
        let mut zeroed = FrameVec::new(account);
        let words = size.div_ceil(PIECE).div_ceil(PIECES_PER_WORD);
        let order = alignment.saturating_sub(PAGE_SHIFT);
        let address = (0..words)
            .try_for_each(|_| zeroed.push(bank, 0))
            .and_then(|()| bank.take_run(account, size / PAGE_SIZE, order));
        match address {
            Ok(address) => Ok(Self::new(account, size, Backing::Run { address, zeroed })),
            Err(error) => {
                zeroed.clear(bank);
                Err(error)
            }
        }
    }

    /// Memory that was there before, from a page's beginning on.
    pub fn fixed(address: u64, size: u64, rights: MemoryRights) -> Result<Self, ResultCode> {
        let (pages, backing) = (page_rounded(size)?, Backing::Fixed { address });
        Ok(Self {
            rights,
            length: size,
            ..Self::new(AccountId::ROOT, pages, backing)
        })
    }

    fn new(account: AccountId, size: u64, backing: Backing) -> Self {
        Self {
            account,
            size,
            length: size,
            rights: MemoryRights::RWX,
            backing,
        }
    }

    /// Bytes, in whole pages.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that are of any use.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The most that anybody may do with it.
    pub fn rights(&self) -> MemoryRights {
        self.rights
    }

    /// The memory at `offset`, with as much around it as is contiguous and ready to be mapped.
    pub fn at(&mut self, bank: &mut Bank, offset: u64) -> Result<Stretch, ResultCode> {
        if offset >= self.size {
            return Err(ResultCode::ERANGE);
        }
        match &mut self.backing {
            Backing::OnDemand(table) => {
                let frame = table.frame(bank, self.account, offset / PAGE_SIZE)?;
                let before = offset % PAGE_SIZE;
                Ok(Stretch {
                    address: frame + before,
                    before,
                    after: PAGE_SIZE - before,
                    is_changeable: true,
                })
            }
            Backing::Fixed { address } => Ok(Stretch {
                address: *address + offset,
                before: offset,
                after: self.size - offset,
                is_changeable: false,
            }),
            Backing::Run { address, zeroed } => {
                let piece = offset / PIECE;
                let start = piece * PIECE;
                let end = (start + PIECE).min(self.size);
                let word = &mut zeroed[(piece / PIECES_PER_WORD) as usize];
                let bit = 1 << (piece % PIECES_PER_WORD);
                if *word & bit == 0 {
                    memory::zero(*address + start, end - start);
                    *word |= bit;
                }
                Ok(Stretch {
                    address: *address + offset,
                    before: offset - start,
                    after: end - offset,
                    is_changeable: true,
                })
            }
        }
    }

    /// Backs `size` bytes from `offset` on now, so that touching them cannot fail later.
    pub fn allocate(&mut self, bank: &mut Bank, offset: u64, size: u64) -> Result<(), ResultCode> {
        let end = self.end_of(offset, size)?;
        let mut offset = offset;
        while offset < end {
            offset += self.at(bank, offset)?.after;
        }
        Ok(())
    }

    /// Makes `size` bytes from `offset` on zero.
    pub fn clear(
        &mut self,
        bank: &mut Bank,
        offset: u64,
        size: u64,
        revoke: Revoke<'_>,
    ) -> Result<(), ResultCode> {
        let end = self.end_of(offset, size)?;
        let first_whole = offset.next_multiple_of(PAGE_SIZE).min(end);
        let last_whole = (end & !(PAGE_SIZE - 1)).max(first_whole);
        self.fill_zero(bank, offset, first_whole)?;
        match &mut self.backing {
            Backing::OnDemand(table) => {
                let pages = first_whole / PAGE_SIZE..last_whole / PAGE_SIZE;
                table.release(bank, self.account, pages, &mut |frame| {
                    revoke(frame, PAGE_SHIFT)
                });
            }
            _ => self.fill_zero(bank, first_whole, last_whole)?,
        }
        self.fill_zero(bank, last_whole, end)
    }

    /// Writes `data` at `offset`.
    pub fn write(&mut self, bank: &mut Bank, offset: u64, data: &[u8]) -> Result<(), ResultCode> {
        self.end_of(offset, data.len() as u64)?;
        let mut done = 0;
        while done < data.len() {
            let stretch = self.at(bank, offset + done as u64)?;
            let bytes = (stretch.after as usize).min(data.len() - done);
            memory::write(stretch.address, &data[done..done + bytes]);
            done += bytes;
        }
        Ok(())
    }

    fn fill_zero(&mut self, bank: &mut Bank, start: u64, end: u64) -> Result<(), ResultCode> {
        let mut offset = start;
        while offset < end {
            let stretch = self.at(bank, offset)?;
            let bytes = stretch.after.min(end - offset);
            memory::zero(stretch.address, bytes);
            offset += bytes;
        }
        Ok(())
    }

    /// Gives all memory back.
    pub fn destroy(&mut self, bank: &mut Bank, revoke: Revoke<'_>) {
        let account = self.account;
        match &mut self.backing {
            Backing::OnDemand(table) => {
                table.clear(bank, account, &mut |frame| revoke(frame, PAGE_SHIFT));
            }
            Backing::Run { address, zeroed } => {
                revoke_all(*address, self.size, revoke);
                bank.give_back(account, *address, self.size / PAGE_SIZE);
                zeroed.clear(bank);
            }
            Backing::Fixed { address } => revoke_all(*address, self.size, revoke),
        }
        self.size = 0;
    }

    /// The end of a range that lies within the dataspace.
    pub fn end_of(&self, offset: u64, size: u64) -> Result<u64, ResultCode> {
        let end = offset.checked_add(size).filter(|end| *end <= self.size);
        end.ok_or(ResultCode::ERANGE)
    }
}

/// Copies `size` bytes between two dataspaces.
pub fn copy(
    bank: &mut Bank,
    (target, target_offset): (&mut Dataspace, u64),
    (source, source_offset): (&mut Dataspace, u64),
    size: u64,
) -> Result<(), ResultCode> {
    target.end_of(target_offset, size)?;
    source.end_of(source_offset, size)?;
    let mut done = 0;
    while done < size {
        let from = source.at(bank, source_offset + done)?;
        let to = target.at(bank, target_offset + done)?;
        let bytes = from.after.min(to.after).min(size - done);
        memory::copy(to.address, from.address, bytes);
        done += bytes;
    }
    Ok(())
}

fn page_rounded(size: u64) -> Result<u64, ResultCode> {
    match frames_for(size) {
        Some(0) => Err(ResultCode::EINVAL),
        Some(frames) if frames * PAGE_SIZE <= MAX_SIZE => Ok(frames * PAGE_SIZE),
        _ => Err(ResultCode::ENOMEM),
    }
}

fn revoke_all(address: u64, size: u64, revoke: Revoke<'_>) {
    let mut done = 0;
    while done < size {
        let order = memory::largest_block(address + done, size - done);
        revoke(address + done, order);
        done += 1 << order;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::tests::bank;

    fn no_mappings(_: u64, _: u32) {}

    #[test]
    fn on_demand_memory_is_charged_when_touched() {
        let mut bank = bank(64);
        let mut dataspace = Dataspace::on_demand(AccountId::ROOT, 1 << 30).unwrap();
        assert_eq!(bank.statement(AccountId::ROOT).used, 0);
        let stretch = dataspace.at(&mut bank, 0x12345).unwrap();
        assert_eq!((stretch.before, stretch.after), (0x345, PAGE_SIZE - 0x345));
        assert_eq!(memory::read_word(stretch.address - 0x345), 0);
        dataspace.destroy(&mut bank, &mut no_mappings);
        assert_eq!(bank.statement(AccountId::ROOT).used, 0);
    }

    #[test]
    fn sizes_and_offsets_outside_are_refused() {
        let mut bank = bank(64);
        assert_eq!(
            Dataspace::on_demand(AccountId::ROOT, 0).unwrap_err(),
            ResultCode::EINVAL
        );
        for size in [u64::MAX, 1 << 63, MAX_SIZE + 1] {
            let refused = Dataspace::on_demand(AccountId::ROOT, size).unwrap_err();
            assert_eq!(refused, ResultCode::ENOMEM);
            let refused = Dataspace::run(&mut bank, AccountId::ROOT, size, 0).unwrap_err();
            assert_eq!(refused, ResultCode::ENOMEM);
        }
        let mut dataspace = Dataspace::on_demand(AccountId::ROOT, 0x2001).unwrap();
        assert_eq!(dataspace.size(), 0x3000);
        for (offset, size) in [(0x3000, 1), (1, 0x3000), (u64::MAX, 1), (1, u64::MAX)] {
            let cleared = dataspace.clear(&mut bank, offset, size, &mut no_mappings);
            assert_eq!(cleared, Err(ResultCode::ERANGE));
            assert_eq!(
                dataspace.allocate(&mut bank, offset, size),
                Err(ResultCode::ERANGE)
            );
        }
        assert_eq!(dataspace.at(&mut bank, 0x3000), Err(ResultCode::ERANGE));
        assert_eq!(bank.statement(AccountId::ROOT).used, 0);
    }

    #[test]
    fn a_run_is_contiguous_zeroed_and_returned() {
        let mut bank = bank(2048);
        let size = PIECE + 3 * PAGE_SIZE;
        let mut run = Dataspace::run(&mut bank, AccountId::ROOT, size, 0).unwrap();
        let first = run.at(&mut bank, 0).unwrap();
        let second = run.at(&mut bank, PIECE + 8).unwrap();
        assert_eq!(second.address, first.address + PIECE + 8);
        assert_eq!((first.before, first.after), (0, PIECE));
        assert_eq!((second.before, second.after), (8, 3 * PAGE_SIZE - 8));
        for offset in (0..size).step_by(8) {
            assert_eq!(memory::read_word(first.address + offset), 0);
        }
        let mut revoked = 0;
        run.destroy(&mut bank, &mut |_, order| revoked += 1 << order);
        assert_eq!(revoked, size);
        assert_eq!(bank.statement(AccountId::ROOT).used, 0);
    }

    #[test]
    fn clearing_returns_whole_pages_and_zeroes_partial_ones() {
        let mut bank = bank(64);
        let mut dataspace = Dataspace::on_demand(AccountId::ROOT, 4 * PAGE_SIZE).unwrap();
        for page in 0..4 {
            let stretch = dataspace.at(&mut bank, page * PAGE_SIZE).unwrap();
            for offset in (0..PAGE_SIZE).step_by(8) {
                memory::write_word(stretch.address + offset, !0);
            }
        }
        let used = bank.statement(AccountId::ROOT).used;
        let mut revoked = 0;
        let cleared = dataspace.clear(&mut bank, 0xff8, 2 * PAGE_SIZE + 16, &mut |_, _| {
            revoked += 1
        });
        assert_eq!((cleared, revoked), (Ok(()), 2));
        assert_eq!(bank.statement(AccountId::ROOT).used, used - 2 * PAGE_SIZE);
        let mut word = |offset| memory::read_word(dataspace.at(&mut bank, offset).unwrap().address);
        assert_eq!(
            [word(0xff0), word(0xff8), word(0x1000), word(0x2ff8)],
            [!0, 0, 0, 0]
        );
        assert_eq!([word(0x3000), word(0x3008)], [0, !0]);
    }

    #[test]
    fn clearing_part_of_a_single_page_keeps_the_rest() {
        let mut bank = bank(64);
        let mut dataspace = Dataspace::on_demand(AccountId::ROOT, PAGE_SIZE).unwrap();
        let address = dataspace.at(&mut bank, 0).unwrap().address;
        for offset in [0, 8, 16] {
            memory::write_word(address + offset, !0);
        }
        dataspace.clear(&mut bank, 8, 8, &mut no_mappings).unwrap();
        assert_eq!(dataspace.at(&mut bank, 0).unwrap().address, address);
        assert_eq!(
            [0, 8, 16].map(|offset| memory::read_word(address + offset)),
            [!0, 0, !0]
        );
    }

    #[test]
    fn copies_across_pages() {
        let mut bank = bank(64);
        let mut source = Dataspace::run(&mut bank, AccountId::ROOT, 2 * PAGE_SIZE, 0).unwrap();
        let stretch = source.at(&mut bank, 0).unwrap();
        for offset in (0..2 * PAGE_SIZE).step_by(8) {
            memory::write_word(stretch.address + offset, offset);
        }
        let mut target = Dataspace::on_demand(AccountId::ROOT, 3 * PAGE_SIZE).unwrap();
        copy(&mut bank, (&mut target, 0x800), (&mut source, 8), 0x1ff8).unwrap();
        let mut word = |offset| memory::read_word(target.at(&mut bank, offset).unwrap().address);
        assert_eq!(
            [word(0x7f8), word(0x800), word(0x27f0), word(0x27f8)],
            [0, 8, 0x1ff8, 0]
        );
        let outside = copy(&mut bank, (&mut target, 0), (&mut source, 8), 0x2000);
        assert_eq!(outside, Err(ResultCode::ERANGE));
    }
}
