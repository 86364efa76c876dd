//! In place of extended page tables in kernels without VMX: all tables have the same form.

use super::{ACCESS_SHIFT, Format};

/// There is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form;

impl Form {
    pub(super) const PLAIN: Self = Self;
}

impl Format {
    #[inline(always)]
    pub(super) fn in_own_form(&self, leaf: u64) -> u64 {
        leaf
    }

    #[inline(always)]
    pub(super) fn to_plain(self, leaf: u64) -> u64 {
        leaf
    }

    #[inline(always)]
    pub(super) fn access_shift(&self) -> u32 {
        let Form = self.form;
        ACCESS_SHIFT
    }
}
