//! Tests of the kernel on a machine: programs that the kernel starts in moe's place.
//!
//! * [`suite!`] makes a program of test functions; [`suite`] runs them one after the other and
//!   tells how each ended (design: lines `@brio test NAME pass|fail MESSAGE`, then `@brio exit N`).
//! * [`worker`]: further threads, with a closure to run and a result to join.
//! * [`message`]: messages word by word, also wrong ones, and all that comes back.
//! * [`fault`]: touching memory, and learning whether that faults.
//! * [`entry`]: the first instructions of threads.
//! * [`console`]: what is said and typed there.
//! * [`guest`]: virtual machines, and vCPUs that run guests; on x86_64 more in `arch::guest`.
//! * [`hoard`]: how much kernel memory there is.
//! * [`kip`]: the kernel info page and its clock.
//! * [`long_operation`]: an operation in which interrupts come.
//! * [`other_task`]: tasks with the same program, and a thread.
//! * [`victim`]: threads in each state in which something can befall them.
//! * [`memory`]: pages of the program's own, and addresses that nobody uses.
//!
//! A test fails by panicking, in whatever thread. Nothing is unwound: the suite goes on with the
//! next test on a fresh stack, after it has destroyed the failed test's threads. A test that does
//! not end is made to fail in the same way.
#![no_std]
#![forbid(unstable_features)]

#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
pub mod arch;

pub mod console;
pub mod entry;
pub mod fault;
pub mod guest;
pub mod hoard;
pub mod kip;
pub mod long_operation;
pub mod memory;
pub mod message;
pub mod other_task;
pub mod own;
pub mod suite;
pub mod victim;
pub mod worker;

pub use l4_abi as abi;
pub use l4_sys as sys;

pub use message::{Message, Outcome, Reply, failed, refused};
pub use worker::{Worker, spawn, spawn_at, spawn_on};

/// Makes a program of test functions, which are run in this order.
#[macro_export]
macro_rules! suite {
    ($($test:path),* $(,)?) => {
        $crate::sys::root_start!(brio_test_main, $crate::suite::STACK_SIZE);

        extern "C" fn brio_test_main(_: usize) -> ! {
            $crate::suite::run(&[$($crate::suite::Test {
                name: stringify!($test),
                body: $test,
            }),*])
        }

        #[panic_handler]
        fn panic(info: &::core::panic::PanicInfo<'_>) -> ! {
            $crate::suite::fail(info)
        }
    };
}
