//! What visitors and the butler say to the door.
#![no_std]
#![forbid(unsafe_code)]

use l4_sys::Cap;
use l4_sys::object::Irq;

l4_ipc::interface! {
    /// A door with a bell.
    pub interface Door, served by DoorServer {
        protocol: 0x6010,
        opcode: i32,

        /// Somebody is at the door; how many have been.
        fn ring(name: str) -> u64 = 0;

        /// How many have been.
        fn guests() -> u64 = 2;

        /// From now on this bell rings when somebody does.
        fn hang(bell: Cap<Irq>) = 1, needs WRITE;
    }
}
