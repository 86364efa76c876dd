//! Virtual CPUs for virtual machines.

use l4_abi::error::ResultCode;
use l4_sys::Result;
use l4_sys::object::Thread;
use l4_sys::vcpu::ExtendedVcpu;

use crate::env;

/// Makes the calling thread an extended vCPU for good.
///
/// # Errors
/// ENOSYS if the machine has no virtual machines, ENOMEM if the program's quota does not suffice.
pub fn extended() -> Result<ExtendedVcpu> {
    let place = env::place().ok_or(ResultCode::ENOSYS)?;
    let address = (place.kernel_user_page)()?;
    Thread::SELF.vcpu_control_extended(address)?;
    // SAFETY: a page of kernel-user memory of its own, which stays.
    Ok(unsafe { ExtendedVcpu::new(address as usize) })
}
