//! The machine's memory as the kernel info page describes it.

use l4_abi::kip::{MemoryDescriptor, MemoryType};
use l4_abi::rights::MemoryRights;

use crate::spans::{ClaimError, Owner, Span, Spans};

/// Memory spans that can be told apart. The page has 64 descriptors; requests add borders.
pub const MEMORY_SPANS: usize = 256;
/// The root task's client number: the label of its gate, without the rights bits.
pub const ROOT_TASK: u64 = 4;

/// What the kernel or sigma0 itself lies in.
const KEPT: [MemoryType; 3] = [
    MemoryType::Reserved,
    MemoryType::Dedicated,
    MemoryType::KernelTemporary,
];

const PAGE_MASK: u64 = 0xfff;

/// Enters all memory that is not a device's into the empty table `memory`.
///
/// Descriptors of RAM list whole banks; the others say what parts of them are something else. A
/// page that is only partly RAM cannot be handed out as such, so RAM shrinks to whole pages and
/// everything else grows. What the kernel keeps comes last and overrides all.
pub fn describe(
    memory: &mut Spans<MEMORY_SPANS>,
    descriptors: impl Iterator<Item = MemoryDescriptor> + Clone,
) -> Result<(), ClaimError> {
    let of_kind = |kinds: &'static [MemoryType]| {
        let physical = descriptors.clone().filter(|entry| !entry.is_virtual());
        physical.filter(move |entry| entry.kind().is_some_and(|kind| kinds.contains(&kind)))
    };
    for entry in of_kind(&[MemoryType::Conventional]) {
        let first = entry
            .start()
            .checked_add(PAGE_MASK)
            .map(|first| first & !PAGE_MASK);
        let end = entry.last().saturating_add(1) & !PAGE_MASK;
        if let Some(first) = first.filter(|first| *first < end) {
            let rights = MemoryRights::RWX.bits();
            memory.set(Span::new(first, end - 1, Owner::Free, rights))?;
        }
    }
    for entry in of_kind(&[MemoryType::ArchitectureSpecific, MemoryType::Shared]) {
        if let Some((first, last)) = pages(entry) {
            memory.forget(first, last)?;
        }
    }
    for entry in of_kind(&[MemoryType::Bootloader]) {
        if let Some((first, last)) = pages(entry) {
            give_to_root_task(memory, first, last, entry.sub_type())?;
        }
    }
    for entry in of_kind(&KEPT) {
        if let Some((first, last)) = pages(entry) {
            memory.set(Span::new(first, last, Owner::Reserved, 0))?;
        }
    }
    Ok(())
}

/// Two regions of the root task may share a page, which then has the rights of both.
fn give_to_root_task(
    memory: &mut Spans<MEMORY_SPANS>,
    first: u64,
    last: u64,
    rights: u8,
) -> Result<(), ClaimError> {
    let owner = Owner::Client(ROOT_TASK);
    let borders = [first, last & !PAGE_MASK].map(|page| (page, memory.at(page)));
    memory.set(Span::new(first, last, owner, rights))?;
    for (page, before) in borders {
        if let Some(before) = before.filter(|before| before.owner == owner) {
            let rights = rights | before.rights;
            memory.set(Span::new(page, page | PAGE_MASK, owner, rights))?;
        }
    }
    Ok(())
}

/// The first and last byte of all pages that the entry touches.
fn pages(entry: MemoryDescriptor) -> Option<(u64, u64)> {
    let (first, last) = (entry.start() & !PAGE_MASK, entry.last() | PAGE_MASK);
    (first < last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use l4_abi::kip::reserved;

    fn ram(start: u64, last: u64) -> MemoryDescriptor {
        MemoryDescriptor::physical(MemoryType::Conventional, 0, start, last)
    }

    fn owners(descriptors: &[MemoryDescriptor]) -> Vec<(u64, u64, Owner, u8)> {
        let mut memory = Spans::new();
        describe(&mut memory, descriptors.iter().copied()).unwrap();
        memory
            .iter()
            .map(|span| (span.first, span.last, span.owner, span.rights))
            .collect()
    }

    #[test]
    fn ram_shrinks_to_whole_pages() {
        assert_eq!(
            owners(&[ram(0x400, 0x2bff)]),
            [(0x1000, 0x1fff, Owner::Free, 7)]
        );
        assert_eq!(owners(&[ram(0x400, 0xfff)]), []);
        assert_eq!(owners(&[ram(0x3000, 0x1fff), ram(0, u64::MAX)]).len(), 1);
    }

    #[test]
    fn what_the_kernel_keeps_overrides_everything() {
        let kernel = MemoryDescriptor::physical(
            MemoryType::Reserved,
            reserved::KERNEL_IMAGE,
            0x4400,
            0x4fff,
        );
        let module = MemoryDescriptor::bootloader(MemoryRights::READ, 0x3000, 0x5fff);
        let root = Owner::Client(ROOT_TASK);
        assert_eq!(
            owners(&[kernel, ram(0, 0x7fff), module]),
            [
                (0x0000, 0x2fff, Owner::Free, 7),
                (0x3000, 0x3fff, root, 4),
                (0x4000, 0x4fff, Owner::Reserved, 0),
                (0x5000, 0x5fff, root, 4),
                (0x6000, 0x7fff, Owner::Free, 7),
            ]
        );
    }

    #[test]
    fn firmware_memory_is_no_ram() {
        let tables =
            MemoryDescriptor::physical(MemoryType::ArchitectureSpecific, 3, 0x2c00, 0x33ff);
        assert_eq!(
            owners(&[ram(0, 0x7fff), tables]),
            [
                (0, 0x1fff, Owner::Free, 7),
                (0x4000, 0x7fff, Owner::Free, 7)
            ]
        );
    }

    #[test]
    fn a_page_shared_by_two_regions_has_the_rights_of_both() {
        let code = MemoryDescriptor::bootloader(MemoryRights::RX, 0x1000, 0x2bff);
        let data = MemoryDescriptor::bootloader(MemoryRights::RW, 0x2c00, 0x3fff);
        let root = Owner::Client(ROOT_TASK);
        assert_eq!(
            owners(&[code, data]),
            [
                (0x1000, 0x1fff, root, 5),
                (0x2000, 0x2fff, root, 7),
                (0x3000, 0x3fff, root, 6)
            ]
        );
    }

    #[test]
    fn virtual_descriptors_say_nothing_about_memory() {
        let user = MemoryDescriptor::virtual_range(MemoryType::Conventional, 0, 0x7fff_ffff_ffff);
        assert_eq!(owners(&[user]), []);
    }
}
