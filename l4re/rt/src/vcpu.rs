//! Virtual CPUs for virtual machines.

use l4_abi::flexpage::Flexpage;
use l4_abi::rights::MemoryRights;
use l4_sys::Result;
use l4_sys::object::Thread;
use l4_sys::vcpu::ExtendedVcpu;
use l4re::region_map::{Flags, MAPPINGS_START};
use l4re::{PAGE_ORDER, PAGE_SIZE};

use crate::env;

/// Makes the calling thread an extended vCPU for good.
///
/// # Errors
/// ENOSYS if the machine has no virtual machines, ENOMEM if the program's quota does not suffice.
pub fn extended() -> Result<ExtendedVcpu> {
    let search = Flags::SEARCH_ADDRESS.bits();
    let address =
        env::region_map().reserve_area(MAPPINGS_START, PAGE_SIZE, search, PAGE_ORDER as u8)?;
    let area = Flexpage::memory(address, PAGE_ORDER, MemoryRights::RW);
    env::task().add_kernel_user_memory(area)?;
    Thread::SELF.vcpu_control_extended(address)?;
    // SAFETY: a page of kernel-user memory of its own, which stays.
    Ok(unsafe { ExtendedVcpu::new(address as usize) })
}
