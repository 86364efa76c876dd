//! Parent: who started a program, and wants to know how it ends.

use l4_abi::protocol::label;
use l4_abi::protocol::parent::SIGNAL;

pub use l4_abi::protocol::parent::SIGNAL_EXIT;

l4_ipc::interface! {
    /// Who started the program.
    pub interface Parent, served by ParentServer {
        protocol: label::PARENT,
        opcode: i32,

        /// Tells it something; `signal` is [`SIGNAL_EXIT`] and `value` the exit code.
        /// There is no answer to an exit.
        fn signal(signal: u64, value: u64) = SIGNAL;
    }
}
