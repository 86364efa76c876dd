//! What the client asks of a server that does not always live to answer.
#![no_std]
#![forbid(unsafe_code)]

l4_ipc::interface! {
    /// Does sums.
    pub interface Calculator, served by CalculatorServer {
        protocol: 0x6003,
        opcode: i32,

        /// The square of `number`.
        fn square(number: u64) -> u64 = 0;
    }
}
