//! moe's view of the machine's memory, which is mapped one to one: an address is a place.
//!
//! All of moe's unsafe code that reads or writes memory is here. What its callers hold up is
//! ownership: an address that they pass was taken from the [`Bank`], or names a
//! boot module, and nobody but them uses it. Clients may write to frames that are mapped to them at
//! the same time; such frames are only ever touched here, as volatile words or in bulk, never
//! through a reference.

use core::ops::{Deref, DerefMut};
use core::ptr::{self, NonNull};

use crate::bank::{AccountId, Bank};
use crate::frames::{PAGE_SHIFT, PAGE_SIZE};
use l4_abi::error::ResultCode;

/// Fills `bytes` bytes from `address` on with zeros.
pub fn zero(address: u64, bytes: u64) {
    // SAFETY: the caller owns the memory.
    unsafe { ptr::write_bytes(address as *mut u8, 0, bytes as usize) }
}

/// Copies `bytes` bytes; the two ranges may overlap.
pub fn copy(target: u64, source: u64, bytes: u64) {
    // SAFETY: the caller owns the memory.
    unsafe { ptr::copy(source as *const u8, target as *mut u8, bytes as usize) }
}

/// Reads an aligned word.
pub fn read_word(address: u64) -> u64 {
    debug_assert!(address.is_multiple_of(8));
    // SAFETY: the caller owns the memory.
    unsafe { (address as *const u64).read_volatile() }
}

/// Writes an aligned word.
pub fn write_word(address: u64, word: u64) {
    debug_assert!(address.is_multiple_of(8));
    // SAFETY: the caller owns the memory.
    unsafe { (address as *mut u64).write_volatile(word) }
}

/// Copies `data` into memory.
pub fn write(address: u64, data: &[u8]) {
    // SAFETY: the caller owns the memory, so `data` is elsewhere.
    unsafe { ptr::copy_nonoverlapping(data.as_ptr(), address as *mut u8, data.len()) }
}

/// Memory that stays as it is for good: boot modules.
pub fn constant(address: u64, bytes: u64) -> &'static [u8] {
    structures(address, bytes as usize)
}

/// Something that bootstrap or the kernel has left in memory for good.
pub fn structure<T>(address: u64) -> &'static T {
    &structures(address, 1)[0]
}

/// Several of them. `T` is plain data that any bytes make sense for.
pub fn structures<T>(address: u64, count: usize) -> &'static [T] {
    assert!(address.is_multiple_of(align_of::<T>() as u64));
    // SAFETY: nobody writes to these; moe maps them to clients only without the W right.
    unsafe { core::slice::from_raw_parts(address as *const T, count) }
}

/// The text at `address`, up to its zero byte or so many bytes.
pub fn text(address: u64, most: u64) -> &'static [u8] {
    let mut length = 0;
    // SAFETY: as for `structures`, byte by byte, because where the text ends is not known before.
    while address != 0 && length < most && unsafe { *((address + length) as *const u8) } != 0 {
        length += 1;
    }
    if length == 0 {
        &[]
    } else {
        structures(address, length as usize)
    }
}

/// Memory that is handed over once and for good.
pub fn words_for_ever(address: u64, bytes: u64) -> &'static mut [u64] {
    zero(address, bytes);
    // SAFETY: the caller owns the memory and never gives it back.
    unsafe { core::slice::from_raw_parts_mut(address as *mut u64, bytes as usize / 8) }
}

/// A growable array in whole frames of one account.
///
/// Rust's own collections take memory from a heap that all clients would share, where one client's
/// pattern of use can waste what another has paid for. Here each array has its own frames.
/// It has no destructor: [`clear`](Self::clear) gives the memory back.
#[derive(Debug)]
pub struct FrameVec<T> {
    address: NonNull<T>,
    // As few bytes as possible: objects have several arrays.
    len: u32,
    account: AccountId,
    /// log2 of its frames, if it has any.
    order: Option<u8>,
}

// SAFETY: the array owns its frames, like a `Vec` its heap memory.
unsafe impl<T: Send> Send for FrameVec<T> {}

impl<T> FrameVec<T> {
    /// An empty array, whose memory `account` will pay for.
    pub const fn new(account: AccountId) -> Self {
        const { assert!(size_of::<T>() <= PAGE_SIZE as usize && align_of::<T>() <= 4096) };
        Self {
            address: NonNull::dangling(),
            len: 0,
            account,
            order: None,
        }
    }

    /// Who pays for its memory.
    pub const fn account(&self) -> AccountId {
        self.account
    }

    fn capacity(&self) -> usize {
        let bytes = self.order.map_or(0, |order| PAGE_SIZE << order);
        bytes as usize / size_of::<T>()
    }

    /// Makes room for `extra` more elements.
    pub fn reserve(&mut self, bank: &mut Bank, extra: usize) -> Result<(), ResultCode> {
        let needed = self.len().checked_add(extra).ok_or(ResultCode::ENOMEM)?;
        u32::try_from(needed).or(Err(ResultCode::ENOMEM))?;
        if needed <= self.capacity() {
            return Ok(());
        }
        let bytes = needed.checked_mul(size_of::<T>());
        let frames = (bytes.ok_or(ResultCode::ENOMEM)? as u64).div_ceil(PAGE_SIZE);
        let order = frames.next_power_of_two().ilog2();
        let address = bank.take(self.account, order)? as *mut T;
        let address = NonNull::new(address).ok_or(ResultCode::ENOMEM)?;
        // SAFETY: the old array has `len` elements, the new memory is larger and not shared.
        unsafe { address.copy_from_nonoverlapping(self.address, self.len()) };
        self.give_back(bank);
        (self.address, self.order) = (address, Some(order as u8));
        Ok(())
    }

    /// Adds an element at the end.
    pub fn push(&mut self, bank: &mut Bank, element: T) -> Result<(), ResultCode> {
        self.insert(bank, self.len(), element)
    }

    /// Adds an element before the one at `index`.
    pub fn insert(&mut self, bank: &mut Bank, index: usize, element: T) -> Result<(), ResultCode> {
        assert!(index <= self.len());
        self.reserve(bank, 1)?;
        // SAFETY: there is room for one more element, and `index` is not behind the last one.
        unsafe {
            let place = self.address.add(index);
            place.copy_to(place.add(1), self.len() - index);
            place.write(element);
        }
        self.len += 1;
        Ok(())
    }

    /// Adds an element at the end, for which room was reserved before.
    pub fn push_within_reserve(&mut self, element: T) {
        assert!(self.len() < self.capacity());
        // SAFETY: there is room for one more element.
        unsafe { self.address.add(self.len()).write(element) };
        self.len += 1;
    }

    /// Takes out the last element.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.len().checked_sub(1)?;
        Some(self.remove(last))
    }

    /// Takes out the element at `index`.
    pub fn remove(&mut self, index: usize) -> T {
        assert!(index < self.len());
        self.len -= 1;
        // SAFETY: `index` is that of an element; those behind it move up by one.
        unsafe {
            let place = self.address.add(index);
            let element = place.read();
            place.copy_from(place.add(1), self.len() - index);
            element
        }
    }

    /// Forgets the elements behind the first `length`.
    pub fn truncate(&mut self, length: usize) {
        self.len = self.len().min(length) as u32;
    }

    /// Forgets all elements and gives the memory back.
    pub fn clear(&mut self, bank: &mut Bank) {
        self.give_back(bank);
        *self = Self::new(self.account);
    }

    fn give_back(&mut self, bank: &mut Bank) {
        if let Some(order) = self.order {
            bank.give_back(self.account, self.address.as_ptr() as u64, 1 << order);
        }
    }
}

impl<T> Deref for FrameVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `len` elements are initialised, and the borrow keeps the array as it is.
        unsafe { core::slice::from_raw_parts(self.address.as_ptr(), self.len as usize) }
    }
}

impl<T> DerefMut for FrameVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as for `deref`.
        unsafe { core::slice::from_raw_parts_mut(self.address.as_ptr(), self.len as usize) }
    }
}

/// log2 of the largest naturally aligned block at `address` that is not larger than `bytes`.
pub fn largest_block(address: u64, bytes: u64) -> u32 {
    debug_assert!(bytes >= PAGE_SIZE);
    address.trailing_zeros().min(bytes.ilog2()).max(PAGE_SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::tests::bank;

    #[test]
    fn grows_in_frames_of_its_account_and_gives_them_back() {
        let mut bank = bank(64);
        let account = bank.open(AccountId::ROOT, 16 * PAGE_SIZE).unwrap();
        let mut array = FrameVec::new(account);
        for number in 0..1000u64 {
            array.push(&mut bank, number).unwrap();
        }
        assert_eq!(bank.statement(account).used, 2 * PAGE_SIZE);
        assert!(array.iter().copied().eq(0..1000));
        array.insert(&mut bank, 500, 7777).unwrap();
        assert_eq!(array[499..502], [499, 7777, 500]);
        assert_eq!(array.remove(500), 7777);
        assert!(array.iter().copied().eq(0..1000));
        array.clear(&mut bank);
        assert_eq!(bank.statement(account).used, 0);
        assert_eq!(array[..], []);
    }

    #[test]
    fn an_array_that_cannot_grow_stays_whole() {
        let mut bank = bank(64);
        let account = bank.open(AccountId::ROOT, PAGE_SIZE).unwrap();
        let mut array = FrameVec::new(account);
        for number in 0..512u64 {
            array.push(&mut bank, number).unwrap();
        }
        assert_eq!(array.push(&mut bank, 512), Err(ResultCode::ENOMEM));
        assert_eq!(
            array.reserve(&mut bank, usize::MAX),
            Err(ResultCode::ENOMEM)
        );
        assert!(array.iter().copied().eq(0..512));
    }

    #[test]
    fn blocks_are_as_large_as_place_and_size_allow() {
        assert_eq!(largest_block(0x20_0000, 0x20_0000), 21);
        assert_eq!(largest_block(0x20_1000, 0x20_0000), 12);
        assert_eq!(largest_block(0x20_0000, 0x6000), 14);
        assert_eq!(largest_block(0, 0x1000), 12);
    }
}
