//! Virtual machines: by AMD's SVM.

pub use super::svm::{begin, is_supported, mark_pending, run};

use super::entry_format::Format;
use super::paging;

/// The format of page tables for virtual machines, if it is not that of tasks:
/// the kernel has no part of them.
pub fn format() -> Option<Format> {
    Some(paging::format().for_guests())
}
