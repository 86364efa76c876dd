//! The boot modules, as bootstrap lists them (`abi/07` §1).

use l4_abi::boot::{Module as Record, ModuleInfo, ModuleKind, file_name};

use crate::memory;

/// Longest command line that is looked at.
const COMMAND_LINE_MAX: u64 = 4096;
/// More modules than any image has.
const MODULES_MAX: u32 = 1024;

/// A boot module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Module {
    /// Its file's.
    pub(super) name: &'static [u8],
    pub(super) address: u64,
    pub(super) size: u64,
}

/// The modules for programs: all but kernel, sigma0 and moe.
pub(super) fn all(user_pointer: u64) -> impl Iterator<Item = Module> + Clone {
    let info: Option<&ModuleInfo> = (user_pointer != 0).then(|| memory::structure(user_pointer));
    let records: &[Record] = info.map_or(&[], |info| {
        memory::structures(info.modules, info.module_count.min(MODULES_MAX) as usize)
    });
    records
        .iter()
        .filter(|record| record.kind() == ModuleKind::Ordinary)
        .map(|record| Module {
            name: file_name(memory::text(record.command_line, COMMAND_LINE_MAX)),
            address: record.start,
            size: record.end.saturating_sub(record.start),
        })
}
