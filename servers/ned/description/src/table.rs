//! How records lie in the block: tables of fixed-size records that refer to each other by index.

use crate::error::Error;
use core::marker::PhantomData;

/// The tables of one description, cut out of the block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables<'a> {
    pub(crate) components: &'a [u8],
    pub(crate) channels: &'a [u8],
    pub(crate) dataspaces: &'a [u8],
    pub(crate) grants: &'a [u8],
    pub(crate) capabilities: &'a [u8],
    /// Entries of lists of texts.
    pub(crate) texts: &'a [u8],
    /// The UTF-8 that texts point into.
    pub(crate) pool: &'a str,
}

/// A thing that is stored as one record of `SIZE` bytes.
pub(crate) trait Record<'a>: Sized {
    /// Bytes of one record.
    const SIZE: usize;

    /// The table that holds records of this kind.
    fn table(tables: &Tables<'a>) -> &'a [u8];

    /// Decodes one record and checks every value in it.
    fn decode(fields: &mut Fields<'a>) -> Result<Self, Error>;
}

/// Reads the fields of one record in order.
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    tables: Tables<'a>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8], tables: Tables<'a>) -> Self {
        Self { bytes, tables }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.bytes.split_first_chunk().ok_or(Error::Length)?;
        self.bytes = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        Ok(u8::from_le_bytes(self.take()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    /// A text: where it starts in the pool and how many bytes it has.
    pub(crate) fn text(&mut self) -> Result<&'a str, Error> {
        let (start, length) = (self.u32()? as usize, self.u32()? as usize);
        let end = start
            .checked_add(length)
            .ok_or(Error::Damaged("a text is outside the pool"))?;
        self.tables
            .pool
            .get(start..end)
            .ok_or(Error::Damaged("a text is outside the pool"))
    }

    /// A text that is shown to people and used as a key: printable, no spaces, 1 to `max` bytes.
    pub(crate) fn name(&mut self, max: usize) -> Result<&'a str, Error> {
        let name = self.text()?;
        if name.is_empty() || name.len() > max || !name.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::Damaged("a name is empty, too long or not printable"));
        }
        Ok(name)
    }

    /// A run of records in another table: index of the first and how many.
    pub(crate) fn list<T: Record<'a>>(&mut self) -> Result<List<'a, T>, Error> {
        let (first, count) = (self.u32()? as usize, self.u32()? as usize);
        List::part(self.tables, first, count).ok_or(Error::Damaged("a list is outside its table"))
    }

    /// Number of records of kind `T` in the whole description.
    pub(crate) fn count_of<T: Record<'a>>(&self) -> usize {
        T::table(&self.tables).len() / T::SIZE
    }
}

/// An entry of a list of texts.
impl<'a> Record<'a> for &'a str {
    const SIZE: usize = 8;

    fn table(tables: &Tables<'a>) -> &'a [u8] {
        tables.texts
    }

    fn decode(fields: &mut Fields<'a>) -> Result<Self, Error> {
        let text = fields.text()?;
        // Arguments become C strings and file names lines of a log.
        if text.contains('\0') {
            Err(Error::Damaged("a text contains a zero byte"))
        } else {
            Ok(text)
        }
    }
}

/// A list of records, decoded as they are looked at. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct List<'a, T> {
    tables: Tables<'a>,
    records: &'a [u8],
    kind: PhantomData<T>,
}

#[expect(private_bounds, reason = "only this crate's records can be in a list")]
impl<'a, T: Record<'a>> List<'a, T> {
    pub(crate) fn whole(tables: Tables<'a>) -> Self {
        Self {
            tables,
            records: T::table(&tables),
            kind: PhantomData,
        }
    }

    fn part(tables: Tables<'a>, first: usize, count: usize) -> Option<Self> {
        let start = first.checked_mul(T::SIZE)?;
        let end = start.checked_add(count.checked_mul(T::SIZE)?)?;
        Some(Self {
            tables,
            records: T::table(&tables).get(start..end)?,
            kind: PhantomData,
        })
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.records.len() / T::SIZE
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The entry at `index`.
    pub fn get(&self, index: usize) -> Option<T> {
        self.decode(index).ok()
    }

    /// The entries in order.
    pub fn iter(&self) -> Iter<'a, T> {
        Iter {
            list: Self { ..*self },
            next: 0,
        }
    }

    /// Decodes the entry at `index`; fails only before `Description::parse` has checked all of them.
    pub(crate) fn decode(&self, index: usize) -> Result<T, Error> {
        let start = index.checked_mul(T::SIZE).ok_or(Error::Length)?;
        let end = start.checked_add(T::SIZE).ok_or(Error::Length)?;
        let record = self.records.get(start..end).ok_or(Error::Length)?;
        T::decode(&mut Fields::new(record, self.tables))
    }
}

impl<'a, T: Record<'a>> IntoIterator for List<'a, T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// Iterator over the entries of a [`List`].
#[derive(Clone, Debug)]
pub struct Iter<'a, T> {
    list: List<'a, T>,
    next: usize,
}

impl<'a, T: Record<'a>> Iterator for Iter<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let entry = self.list.get(self.next)?;
        self.next += 1;
        Some(entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let rest = self.list.len() - self.next;
        (rest, Some(rest))
    }
}

impl<'a, T: Record<'a>> ExactSizeIterator for Iter<'a, T> {}
