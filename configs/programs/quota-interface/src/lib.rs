//! What the bystander tells the glutton to do.
#![no_std]
#![forbid(unsafe_code)]

use l4_ipc::NoAnswer;

l4_ipc::interface! {
    /// Takes what it can get.
    pub interface Glutton, served by GluttonServer {
        protocol: 0x6004,
        opcode: i32,

        /// Takes memory until there is none left, and keeps it; how many bytes that was.
        fn eat_memory() -> u64 = 0;
        /// Makes kernel objects until there is no kernel memory left, and keeps them; how many.
        fn eat_kernel_memory() -> u64 = 1;
        /// Uses memory that it cannot have.
        fn burst() -> NoAnswer = 2;
    }
}
