//! The boot modules, as bootstrap lists them (`abi/07` §1).

use core::ffi::{CStr, c_char};
use core::mem::offset_of;

use l4_abi::arch::native::KipHeader;
use l4_abi::boot::{Module, ModuleInfo, ModuleKind, file_name};
use l4_abi::flexpage::PAGE_SIZE;
use l4_sys::Result;

use super::memory::{Pages, known};
use crate::env;
use crate::memory::blocks;

/// What the program was told at its start.
pub(super) fn command_line() -> &'static [u8] {
    let mut own = all()
        .iter()
        .filter(|module| module.kind() == ModuleKind::RootTask);
    own.next().map_or(b"", text)
}

/// The file with this name, mapped; `None` if there is none. To be opened once.
///
/// # Errors
/// ENOMEM if the memory is not the program's.
pub fn file(name: &str) -> Result<Option<Pages>> {
    let is_wanted = |module: &&Module| {
        module.kind() == ModuleKind::Ordinary && file_name(text(module)) == name.as_bytes()
    };
    let Some(module) = all().iter().find(is_wanted) else {
        return Ok(None);
    };
    let pages = Pages {
        start: module.start,
        size: module.end.saturating_sub(module.start),
    };
    for (address, order) in blocks(pages.start, pages.size.next_multiple_of(PAGE_SIZE)) {
        known(address, order)?;
    }
    Ok(Some(pages))
}

fn all() -> &'static [Module] {
    let Some(kip) = env::kip() else {
        return &[];
    };
    // SAFETY: the page is mapped; bootstrap has left the list there for good, or zero.
    unsafe {
        let place = (kip + offset_of!(KipHeader, user_pointer)) as *const u64;
        match (*place as *const ModuleInfo).as_ref() {
            Some(info) => core::slice::from_raw_parts(
                info.modules as *const Module,
                info.module_count as usize,
            ),
            None => &[],
        }
    }
}

fn text(module: &Module) -> &'static [u8] {
    // SAFETY: bootstrap ends each text with a NUL, and nobody changes it.
    unsafe { CStr::from_ptr(module.command_line as *const c_char) }.to_bytes()
}
