//! Which client owns which part of an address range: physical memory, or the I/O ports.
//!
//! A sorted table of spans that do not overlap, of fixed capacity: sigma0 has no heap. Neighbours of
//! the same owner and rights are one span, so the table stays short however memory is asked for.
//! An address that no span covers is unknown: for memory that means it is not RAM.

use l4_abi::error::ResultCode;

/// Who a span belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// Nobody yet: whoever asks first gets it.
    Free,
    /// The kernel or sigma0 itself: never handed out.
    Reserved,
    /// The client with this number (the label of its gate, without the rights bits).
    Client(u64),
}

/// A part of the range; `last` is inside, so that a span can reach the end of the address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// First address.
    pub first: u64,
    /// Last address.
    pub last: u64,
    /// Who may have it.
    pub owner: Owner,
    /// The most that may be done with it: flexpage rights.
    pub rights: u8,
}

impl Span {
    /// The addresses from `first` to `last`.
    pub const fn new(first: u64, last: u64, owner: Owner, rights: u8) -> Self {
        Self {
            first,
            last,
            owner,
            rights,
        }
    }
}

/// Why a claim failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClaimError {
    /// Part of the range is unknown, reserved or somebody else's.
    Taken,
    /// The table has no room for another span.
    TableFull,
}

impl From<ClaimError> for ResultCode {
    fn from(_: ClaimError) -> Self {
        ResultCode::ENOMEM
    }
}

/// The table. Operations either succeed entirely or change nothing.
#[derive(Debug)]
pub struct Spans<const CAPACITY: usize> {
    spans: [Span; CAPACITY],
    count: usize,
}

const UNUSED: Span = Span::new(0, 0, Owner::Reserved, 0);

impl<const CAPACITY: usize> Spans<CAPACITY> {
    /// A table that knows nothing.
    pub const fn new() -> Self {
        Self {
            spans: [UNUSED; CAPACITY],
            count: 0,
        }
    }

    /// All spans, in address order.
    pub fn iter(&self) -> impl Iterator<Item = &Span> {
        self.spans[..self.count].iter()
    }

    /// The span that covers `address`.
    pub fn at(&self, address: u64) -> Option<Span> {
        self.iter()
            .find(|span| span.first <= address && address <= span.last)
            .copied()
    }

    /// Whether any known span touches `[first, last]`.
    pub fn touches(&self, first: u64, last: u64) -> bool {
        self.touched(first, last).next().is_some()
    }

    fn touched(&self, first: u64, last: u64) -> impl Iterator<Item = &Span> {
        self.iter()
            .filter(move |span| span.first <= last && first <= span.last)
    }

    /// Puts `new` over whatever the table says of its range.
    pub fn set(&mut self, new: Span) -> Result<(), ClaimError> {
        self.replace(new.first, new.last, Some(new))
    }

    /// Makes the addresses of a range unknown.
    pub fn forget(&mut self, first: u64, last: u64) -> Result<(), ClaimError> {
        self.replace(first, last, None)
    }

    /// Puts `new`, or nothing, in the place of everything between `first` and `last`.
    fn replace(&mut self, first: u64, last: u64, new: Option<Span>) -> Result<(), ClaimError> {
        let known = &self.spans[..self.count];
        let begin = known.partition_point(|span| span.last < first);
        let end = known.partition_point(|span| span.first <= last).max(begin);
        let touched = &known[begin..end];
        let cut_below = touched.first().filter(|span| span.first < first);
        let cut_above = touched.last().filter(|span| span.last > last);
        let pieces = [
            cut_below.map(|span| Span {
                last: first - 1,
                ..*span
            }),
            new,
            cut_above.map(|span| Span {
                first: last + 1,
                ..*span
            }),
        ];
        let piece_count = pieces.iter().flatten().count();
        if self.count - (end - begin) + piece_count > CAPACITY {
            return Err(ClaimError::TableFull);
        }
        self.spans.copy_within(end..self.count, begin + piece_count);
        self.count = self.count - (end - begin) + piece_count;
        for (place, piece) in self.spans[begin..]
            .iter_mut()
            .zip(pieces.into_iter().flatten())
        {
            *place = piece;
        }
        self.join(begin.saturating_sub(1)..begin + piece_count);
        Ok(())
    }

    /// Joins each span of a range with the next where they can be one.
    fn join(&mut self, range: core::ops::Range<usize>) {
        for index in range.rev() {
            let Some([one, next]) = self.spans[..self.count].get(index..index + 2) else {
                continue;
            };
            let continues = one.last.checked_add(1) == Some(next.first);
            if continues && (one.owner, one.rights) == (next.owner, next.rights) {
                self.spans[index].last = next.last;
                self.spans.copy_within(index + 2..self.count, index + 1);
                self.count -= 1;
            }
        }
    }

    /// Gives `[first, last]` to `client`; what it owns already stays as it is. Returns the rights
    /// that hold for the whole range.
    pub fn claim(&mut self, first: u64, last: u64, client: u64) -> Result<u8, ClaimError> {
        let owner = Owner::Client(client);
        let mut next = Some(first);
        let mut rights = u8::MAX;
        let mut all_owned = true;
        for span in self.touched(first, last) {
            let is_gap = next.is_none_or(|next| span.first > next);
            if is_gap || (span.owner != Owner::Free && span.owner != owner) {
                return Err(ClaimError::Taken);
            }
            all_owned &= span.owner == owner;
            rights &= span.rights;
            next = span.last.checked_add(1);
        }
        if next.is_some_and(|next| next <= last) {
            return Err(ClaimError::Taken);
        }
        if !all_owned {
            self.set(Span::new(first, last, owner, rights))?;
        }
        Ok(rights)
    }

    /// Gives `client` a free block of `2^order` bytes on a boundary of its size, and says where.
    pub fn claim_any(&mut self, order: u32, client: u64) -> Result<u64, ClaimError> {
        let mask = 1u64.checked_shl(order).ok_or(ClaimError::Taken)? - 1;
        let fitting = self
            .iter()
            .filter(|span| span.owner == Owner::Free)
            .find_map(|span| {
                let first = span.first.checked_add(mask)? & !mask;
                let last = first.checked_add(mask)?;
                (last <= span.last).then_some((first, last))
            });
        let (first, last) = fitting.ok_or(ClaimError::Taken)?;
        self.claim(first, last, client).map(|_| first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(first: u64, last: u64) -> Span {
        Span::new(first, last, Owner::Free, 7)
    }

    fn map(spans: &[Span]) -> Spans<16> {
        let mut map = Spans::new();
        for span in spans {
            map.set(*span).unwrap();
        }
        map
    }

    #[test]
    fn a_later_span_overrides_and_splits() {
        let reserved = Span::new(0x4000, 0x4fff, Owner::Reserved, 0);
        let map = map(&[free(0, 0xffff), reserved]);
        let spans: Vec<_> = map
            .iter()
            .map(|span| (span.first, span.last, span.owner))
            .collect();
        assert_eq!(
            spans,
            [
                (0, 0x3fff, Owner::Free),
                (0x4000, 0x4fff, Owner::Reserved),
                (0x5000, 0xffff, Owner::Free)
            ]
        );
    }

    #[test]
    fn a_span_may_reach_the_end_of_the_address_space() {
        let mut map = map(&[free(0, u64::MAX)]);
        assert_eq!(map.claim(0xf000, u64::MAX, 4), Ok(7));
        assert_eq!(map.claim(0, u64::MAX, 4), Ok(7));
        assert_eq!(map.iter().count(), 1);
    }

    #[test]
    fn what_is_claimed_once_is_not_given_to_another() {
        let mut map = map(&[free(0, 0xffff)]);
        assert_eq!(map.claim(0x1000, 0x1fff, 4), Ok(7));
        assert_eq!(
            map.claim(0x1000, 0x1fff, 4),
            Ok(7),
            "the owner may ask again"
        );
        assert_eq!(map.claim(0x1000, 0x1fff, 5), Err(ClaimError::Taken));
        assert_eq!(map.claim(0x0000, 0x2fff, 5), Err(ClaimError::Taken));
        assert_eq!(
            map.claim(0x0000, 0x2fff, 4),
            Ok(7),
            "free memory around one's own"
        );
    }

    #[test]
    fn gaps_and_reserved_parts_cannot_be_claimed() {
        let reserved = Span::new(0x2000, 0x2fff, Owner::Reserved, 7);
        let mut map = map(&[free(0, 0xfff), reserved, free(0x4000, 0x4fff)]);
        for (first, last) in [
            (0, 0x1fff),
            (0x1000, 0x1fff),
            (0x2000, 0x2fff),
            (0x3000, 0x4fff),
            (0x4000, 0x5fff),
        ] {
            assert_eq!(
                map.claim(first, last, 4),
                Err(ClaimError::Taken),
                "{first:x}"
            );
        }
        assert_eq!(
            map.iter()
                .filter(|span| span.owner == Owner::Client(4))
                .count(),
            0
        );
    }

    #[test]
    fn any_block_is_aligned_to_its_size() {
        let mut map = map(&[free(0x1000, 0xafff)]);
        assert_eq!(map.claim_any(14, 4), Ok(0x4000));
        assert_eq!(map.claim_any(13, 4), Ok(0x2000));
        assert_eq!(map.claim_any(14, 4), Err(ClaimError::Taken));
        assert_eq!(map.claim_any(64, 4), Err(ClaimError::Taken));
        let mut rest = 0;
        while map.claim_any(12, 4).is_ok() {
            rest += 1;
        }
        assert_eq!(rest, 4);
        assert_eq!(
            map.iter().count(),
            1,
            "all blocks of one owner are one span again"
        );
    }

    #[test]
    fn a_full_table_refuses_and_stays_as_it_was() {
        let mut map: Spans<3> = Spans::new();
        map.set(free(0, 0xffff)).unwrap();
        map.claim(0x1000, 0x1fff, 4).unwrap();
        assert_eq!(map.claim(0x3000, 0x3fff, 5), Err(ClaimError::TableFull));
        assert_eq!(map.iter().count(), 3);
        assert_eq!(map.at(0x3000).unwrap().owner, Owner::Free);
    }
}
