//! The boot modules, as bootstrap lists them (`abi/07` §1).

use l4_abi::boot::{Module as Record, ModuleInfo, ModuleKind};

use crate::memory;

/// Longest command line that is looked at.
const COMMAND_LINE_MAX: u64 = 4096;
/// More modules than any image has.
const MODULES_MAX: u32 = 1024;

/// A boot module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Module {
    /// The last part of its path.
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
            name: base_name(first_word(memory::text(
                record.command_line,
                COMMAND_LINE_MAX,
            ))),
            address: record.start,
            size: record.end.saturating_sub(record.start),
        })
}

fn first_word(command_line: &[u8]) -> &[u8] {
    command_line
        .split(|byte| byte.is_ascii_whitespace())
        .next()
        .unwrap_or_default()
}

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modules_name_is_the_end_of_its_path() {
        for (command_line, name) in [
            ("rom/ned", "ned"),
            ("/a/b/hello -x y", "hello"),
            ("hello", "hello"),
            ("", ""),
            ("dir/", ""),
        ] {
            assert_eq!(
                base_name(first_word(command_line.as_bytes())),
                name.as_bytes()
            );
        }
    }
}
