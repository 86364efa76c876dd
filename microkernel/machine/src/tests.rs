//! What the kernel itself shares between CPUs without a lock, in every order.

/// As the kernel has it, and nothing else of its memory.
mod memory {
    pub(super) struct OutOfMemory;

    #[path = "../../../../kernel/src/memory/quota.rs"]
    #[allow(unreachable_pub, dead_code, reason = "for the kernel")]
    mod quota;

    mod loom;
}
