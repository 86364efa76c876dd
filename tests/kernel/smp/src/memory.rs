//! Kernel memory, which is freed when no CPU can be looking at it.

use l4_test::own;

/// Bytes that are enough for a few threads, but not for many.
const QUOTA: u64 = 128 << 10;

/// CPUs that idle have to be waited for by nobody.
pub(crate) fn what_is_deleted_can_be_used_at_once() {
    let factory = own::factory().create_factory(QUOTA).unwrap();
    for round in 0..200 {
        let thread = factory.create_thread();
        assert!(thread.is_ok(), "thread {round}: {:?}", thread.err());
    }
}
