//! In place of VMX in monitors without it: no guest.

use alloc::boxed::Box;

use crate::Hardware;
use l4_sys::vcpu::ExtendedVcpu;

pub(super) fn of(_vcpu: ExtendedVcpu) -> Option<Box<dyn Hardware>> {
    None
}
