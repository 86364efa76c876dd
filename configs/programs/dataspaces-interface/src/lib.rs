//! What the writer tells the reader: the text itself goes through shared memory.
#![no_std]
#![forbid(unsafe_code)]

l4_ipc::interface! {
    /// Somebody who reads what is written into the shared dataspace.
    pub interface Reader, served by ReaderServer {
        protocol: 0x6002,
        opcode: i32,

        /// There are `length` bytes of text at `offset` now; the sum of the bytes as read.
        fn published(offset: u64, length: u64) -> u64 = 0;
    }
}
