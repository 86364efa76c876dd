//! GIC version 2, and the choice between it and version 3. All that is for
//! version 2 alone is here: without the feature `gic-v2` there is `absent.rs`
//! in its place.

mod controller;
mod message_frame;
mod vm;

use fdt::Fdt;

use super::distributor::Distributor;
use super::gic_v3::GicV3;
use crate::arch::boot::Boot;
use crate::arch::vm::GuestState;
use controller::GicV2;

/// The controller.
pub(crate) enum Gic {
    V2(GicV2),
    V3(GicV3),
}

/// The controller, which was found if it is of version 3.
pub(crate) fn find(boot: &mut Boot, tree: &Fdt, v3: Option<GicV3>) -> Gic {
    let chip = match v3 {
        Some(gic) => Some(Gic::V3(gic)),
        None => controller::find(boot, tree).map(Gic::V2),
    };
    chip.expect("the device tree names no GIC of version 2 or 3")
}

/// Functions that the controller has in either version.
macro_rules! in_either_version {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)+) => {
        impl Gic {$(
            #[inline]
            pub(super) fn $name(&self, $($argument: $type),*) -> $result {
                match self {
                    Self::V2(gic) => gic.$name($($argument),*),
                    Self::V3(gic) => gic.$name($($argument),*),
                }
            }
        )+}
    };
}

in_either_version! {
    version() -> u8;
    initialise_cpu() -> ();
    distributor() -> &Distributor;
    claim() -> u32;
    end(claimed: u32) -> ();
    route(pin: u32, hardware_id: u64) -> ();
    send_ipi(hardware_id: u64) -> ();
    messages() -> u32;
    message(number: u32) -> Option<(u64, u32)>;
    guest_kind() -> u32;
    guest_interface() -> Option<u64>;
    load_guest(state: &GuestState) -> ();
    unload_guest(state: &GuestState) -> ();
}
