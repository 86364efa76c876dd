//! The way out of the kernel: a hosted kernel just returns.

use crate::per_cpu::{CpuBlock, ShortWay};

/// Leaves the kernel on a real machine.
///
/// # Safety
/// None is needed here.
#[inline]
pub unsafe fn leave_by(_cpu: &CpuBlock, _way: ShortWay) {}
