//! Without the feature `gic-v2` all controllers are of version 3.

use fdt::Fdt;

pub(crate) use super::gic_v3::GicV3 as Gic;
use crate::arch::boot::Boot;

/// The controller, which was found if it is of version 3.
pub(crate) fn find(_: &mut Boot, _: &Fdt, v3: Option<Gic>) -> Gic {
    v3.expect(
        "the device tree names no GIC of version 3; for version 2 build the kernel \
         with the feature gic-v2",
    )
}
