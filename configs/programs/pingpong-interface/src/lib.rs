//! What client and server of pingpong say to each other.
#![no_std]
#![forbid(unsafe_code)]

l4_ipc::interface! {
    /// A player who hits every ball back.
    pub interface PingPong, served by PingPongServer {
        protocol: 0x7001,
        opcode: i32,

        /// Returns the ball, which has crossed the net once more.
        fn ping(ball: u64) -> u64 = 0;
    }
}
