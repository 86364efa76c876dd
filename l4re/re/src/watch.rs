//! Watch: learning that a thread of another task failed, and how.
//!
//! A region map is pager and exception handler of its task's threads (`abi/08` §8). It keeps the
//! registers of the first exception, leaves the thread where it is, and tells whoever watches. The
//! protocol is Brio's own.

use l4_ipc::Bytes;
use l4_sys::Cap;
use l4_sys::object::Irq;

/// Label of the requests. The numbers of L4Re begin at 0x4000 and are far from reaching this.
const PROTOCOL: i64 = 0x4f00;

l4_ipc::interface! {
    /// The exceptions of a task.
    pub interface Watch, served by WatchServer {
        protocol: PROTOCOL,
        opcode: i32,

        /// Triggers `irq` when a thread fails. Error: EBUSY if somebody watches already.
        fn watch(irq: Cap<Irq>) = 0, needs SPECIAL;
        /// The registers of the thread that failed, as the kernel's exception message has them
        /// (`l4_abi::exception`). Error: ENOENT if none has.
        fn exception() -> Bytes = 1, needs SPECIAL;
    }
}
