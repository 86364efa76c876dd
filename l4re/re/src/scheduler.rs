//! Scheduler as a server: a proxy that limits priorities and CPUs. The client side is
//! `l4_sys::object::Scheduler`.

use l4_abi::protocol::label;
use l4_abi::protocol::scheduler::Opcode;
use l4_sys::Cap;
use l4_sys::object::Thread;

l4_ipc::interface! {
    /// A scheduler that a server stands in for.
    pub interface SchedulerInterface, served by SchedulerServer {
        protocol: label::SCHEDULER,
        opcode: u64,

        /// Present CPUs from an offset on, largest number, classes.
        fn info(granularity_offset: u64) -> (u64, u64, u64) = Opcode::Info;
        /// Gives `thread` its CPUs, priority and time slice in µs.
        ///
        /// A negative `priority` is a scheduling class with more words behind the time slice.
        fn run_thread(
            granularity_offset: u64,
            map: u64,
            priority: i64,
            quantum: u64,
            thread: Cap<Thread>
        ) = Opcode::RunThread;
        /// Idle time in µs of the first present CPU of the set.
        fn idle_time(granularity_offset: u64, map: u64) -> u64 = Opcode::IdleTime;
    }
}
