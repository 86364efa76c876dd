//! The calling thread's message registers, buffer registers and error word (`abi/02`).
//!
//! Only the owning thread uses its UTCB, and the kernel touches it only inside a system call of
//! that thread, which the compiler treats as clobbering memory. So plain accesses through a raw
//! pointer are right; references into the UTCB are never made.

use core::ptr;

use l4_abi::error::IpcError;
use l4_abi::utcb::{self, BufferDescriptor};

/// Bytes of the message registers.
pub const MESSAGE_BYTES: usize = utcb::MESSAGE_REGISTERS * 8;

/// The UTCB of the calling thread. Neither `Send` nor `Sync`.
#[derive(Clone, Copy)]
pub struct Utcb(*mut u64);

impl Utcb {
    /// The UTCB of the calling thread.
    #[inline(always)]
    pub fn current() -> Self {
        Self(crate::arch::utcb_address() as *mut u64)
    }

    /// Its address, for system calls that name it.
    pub fn address(self) -> usize {
        self.0 as usize
    }

    #[inline(always)]
    fn read(self, offset: usize) -> u64 {
        // SAFETY: the offsets are constants of the layout or checked by the callers, so the word
        // lies in this thread's UTCB, which is mapped as long as the thread runs.
        unsafe { self.0.byte_add(offset).read() }
    }

    #[inline(always)]
    fn write(self, offset: usize, value: u64) {
        // SAFETY: as for `read`.
        unsafe { self.0.byte_add(offset).write(value) }
    }

    /// Message register `index`.
    #[inline(always)]
    pub fn message(self, index: usize) -> u64 {
        assert!(index < utcb::MESSAGE_REGISTERS);
        self.read(index * 8)
    }

    /// Sets message register `index`.
    #[inline(always)]
    pub fn set_message(self, index: usize, value: u64) {
        assert!(index < utcb::MESSAGE_REGISTERS);
        self.write(index * 8, value);
    }

    /// Sets the message registers from MR0 on.
    #[inline(always)]
    pub fn set_messages(self, values: &[u64]) {
        assert!(values.len() <= utcb::MESSAGE_REGISTERS);
        for (index, value) in values.iter().enumerate() {
            self.write(index * 8, *value);
        }
    }

    /// `N` bytes of the message at byte `offset`.
    #[inline(always)]
    pub fn load<const N: usize>(self, offset: usize) -> [u8; N] {
        assert!(offset <= MESSAGE_BYTES && N <= MESSAGE_BYTES - offset);
        // SAFETY: checked to lie in the message registers; bytes need no alignment.
        unsafe { self.0.byte_add(offset).cast::<[u8; N]>().read() }
    }

    /// Stores `N` bytes into the message at byte `offset`.
    #[inline(always)]
    pub fn store<const N: usize>(self, offset: usize, bytes: [u8; N]) {
        assert!(offset <= MESSAGE_BYTES && N <= MESSAGE_BYTES - offset);
        // SAFETY: as for `load`.
        unsafe { self.0.byte_add(offset).cast::<[u8; N]>().write(bytes) }
    }

    /// Copies message bytes from byte `offset` on into `target`.
    pub fn copy_to(self, offset: usize, target: &mut [u8]) {
        assert!(offset <= MESSAGE_BYTES && target.len() <= MESSAGE_BYTES - offset);
        // SAFETY: checked to lie in the message registers; a Rust slice never overlaps the UTCB.
        unsafe {
            ptr::copy_nonoverlapping(
                self.0.cast::<u8>().add(offset),
                target.as_mut_ptr(),
                target.len(),
            );
        }
    }

    /// Copies `source` into the message from byte `offset` on.
    pub fn copy_from(self, offset: usize, source: &[u8]) {
        assert!(offset <= MESSAGE_BYTES && source.len() <= MESSAGE_BYTES - offset);
        // SAFETY: as for `copy_to`.
        unsafe {
            ptr::copy_nonoverlapping(
                source.as_ptr(),
                self.0.cast::<u8>().add(offset),
                source.len(),
            );
        }
    }

    /// Sets the buffer descriptor: where in the buffer registers each item type starts.
    #[inline(always)]
    pub fn set_buffer_descriptor(self, value: BufferDescriptor) {
        self.write(utcb::BUFFER_DESCRIPTOR_OFFSET, value.raw());
    }

    /// The buffer descriptor.
    pub fn buffer_descriptor(self) -> BufferDescriptor {
        BufferDescriptor::from_raw(self.read(utcb::BUFFER_DESCRIPTOR_OFFSET))
    }

    /// Sets buffer register `index`.
    #[inline(always)]
    pub fn set_buffer(self, index: usize, value: u64) {
        assert!(index < utcb::BUFFER_REGISTERS);
        self.write(utcb::BUFFERS_OFFSET + index * 8, value);
    }

    /// Buffer register `index`.
    pub fn buffer(self, index: usize) -> u64 {
        assert!(index < utcb::BUFFER_REGISTERS);
        self.read(utcb::BUFFERS_OFFSET + index * 8)
    }

    /// Runs `body`, which may send and receive, and puts the message and buffer registers back.
    ///
    /// For what happens out of sight while a message is being composed or read: growing the heap,
    /// printing, waiting for a lock.
    pub fn preserve<R>(self, body: impl FnOnce() -> R) -> R {
        // SAFETY: the UTCB of this thread is readable as a whole.
        let saved = unsafe { self.0.cast::<utcb::Utcb>().read() };
        let result = body();
        // SAFETY: as above; each register block is written as a whole.
        unsafe {
            let live = self.0.cast::<utcb::Utcb>();
            (&raw mut (*live).message).write(saved.message);
            (&raw mut (*live).buffer_descriptor).write(saved.buffer_descriptor);
            (&raw mut (*live).buffers).write(saved.buffers);
        }
        result
    }

    /// Why the last IPC failed; meaningful only if its tag says that it did.
    pub fn error(self) -> IpcError {
        IpcError::from_word(self.read(utcb::ERROR_OFFSET))
    }

    /// Sets the error word, as the kernel does (host tests).
    #[cfg(not(target_os = "none"))]
    pub fn set_error(self, error: u64) {
        self.write(utcb::ERROR_OFFSET, error);
    }
}
