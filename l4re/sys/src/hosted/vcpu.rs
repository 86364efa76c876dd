//! A resume on the host: the test's kernel refuses it.

use l4_abi::vcpu::VcpuState;

/// What [`run`] returns after an entry.
pub(crate) const ENTERED: u64 = u64::MAX;

/// Makes the system call; the tag that the test's kernel answers.
///
/// # Safety
/// None is needed here; the contract is that of real machines.
pub(crate) unsafe fn run(_state: *mut VcpuState, tag: u64, destination: u64) -> u64 {
    // SAFETY: the kernel is a closure of the test.
    unsafe { super::system_call(tag, destination, 0, 0) }.0
}
