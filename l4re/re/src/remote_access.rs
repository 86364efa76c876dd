//! Remote access: a task's memory, for who wants to know why it failed.

use l4_abi::protocol::label;

l4_ipc::interface! {
    /// The memory of another task.
    pub interface RemoteAccess, served by RemoteAccessServer {
        protocol: label::REMOTE_ACCESS,
        opcode: i32,

        /// The `width` bytes at `address`, as a number.
        ///
        /// Errors: those of a page fault at the address; EINVAL for a width or an alignment that
        /// the server does not have.
        fn read_memory(address: u64, width: u8) -> u64 = 0;
    }
}
