//! Views of memory that a program in moe's place has for good.

use l4_rt::root::Pages;

use crate::shared::Shared;

impl Shared {
    /// What is in `pages`.
    pub fn of_pages(pages: Pages, is_writable: bool) -> Self {
        Self {
            start: pages.start(),
            size: pages.size(),
            is_writable,
            _origin: None,
        }
    }
}
