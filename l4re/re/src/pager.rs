//! Page faults as requests: what the kernel sends for a faulting thread, and what a program can
//! send itself (`abi/03` §6).

use l4_abi::protocol::label;
use l4_ipc::{NoOpcode, Pages, Window};

l4_ipc::interface! {
    /// Answers page faults.
    pub interface Pager, served by PagerServer {
        protocol: label::PAGE_FAULT,
        opcode: NoOpcode,

        /// `fault` is the address with the reason in bits 2..0, which differ by architecture
        /// (`l4_abi::arch`). An error becomes an exception of the thread.
        fn page_fault(fault: u64, instruction_pointer: u64, window: Window) -> Pages = 0;
    }
}

l4_ipc::interface! {
    /// Answers faults on I/O ports (x86).
    pub interface IoPager, served by IoPagerServer {
        protocol: label::IO_PAGE_FAULT,
        opcode: NoOpcode,

        /// `ports` is a flexpage word.
        fn io_page_fault(ports: u64, instruction_pointer: u64, window: Window) -> Pages = 0;
    }
}
