//! Bootstrap on the machine: entry code, console and the jump to the kernel around the library's
//! [`boot::load`].
//!
//! The unsafe code is here and in the architecture's folder: bootstrap owns the whole machine, and
//! physical addresses are pointers.

// The one line that chooses the architecture.
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
mod arch;
mod memory;
mod message;

use core::convert::Infallible;

use boot_image::Archive;
use bootstrap::{Error, boot};

use memory::{Identity, image_range, physical};

/// In bytes; the memory map's tables take some 40 KiB of it.
const STACK_SIZE: usize = 128 << 10;

/// Called by the entry code, with what firmware left in its registers, on a stack of its own.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn start(protocol: u64, argument: u64) -> ! {
    let Err(error) = run(protocol, argument);
    message::panic(format_args!("{error}"))
}

fn run(protocol: u64, argument: u64) -> Result<Infallible, Error> {
    let mut platform = arch::firmware::platform(protocol, argument)?;
    arch::console::select(platform.console.as_ref());
    arch::hand_over::check_mode()?;

    // The archive starts on the page behind bootstrap and must not reach past the RAM that it
    // starts in.
    let image = image_range();
    let ram = platform
        .map
        .ram_around(image.end)
        .ok_or(Error::Archive(boot_image::Error::Missing))?;
    let size = Archive::size(physical(image.end, Archive::HEADER_SIZE)).map_err(Error::Archive)?;
    if size as u64 > ram.end - image.end {
        return Err(Error::Archive(boot_image::Error::Truncated));
    }
    let archive = Archive::parse(physical(image.end, size)).map_err(Error::Archive)?;
    platform.map.occupy(image.start..image.end + size as u64)?;

    let system = boot::load(platform, archive, image.end, &mut Identity)?;
    message::line(format_args!(
        "bootstrap: {} modules, kernel at {:#x}",
        archive.modules().count(),
        system.kernel.entry()
    ));
    for block in system.blocks() {
        arch::hand_over::publish(block.range());
    }
    arch::hand_over::enter_kernel(system.kernel.entry())
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    message::panic(format_args!("{}", info.message()))
}
