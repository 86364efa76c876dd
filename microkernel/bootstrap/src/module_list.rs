//! The module list that the root task finds through the kernel info page (`abi/07` §1).
//!
//! One block: header, modules, ACPI root pointer if firmware gave a copy instead of an address,
//! command lines.

use boot_image::{Archive, Kind, Module as ArchiveModule};
use l4_abi::boot::{Module, ModuleInfo};

use crate::firmware::{RootPointer, RootPointerCopy};

const WORD: usize = 8;

/// How to lay out the list of an archive's modules.
#[derive(Clone, Copy, Debug)]
pub struct ModuleList<'a> {
    archive: Archive<'a>,
    root_pointer: Option<RootPointerCopy>,
}

impl<'a> ModuleList<'a> {
    /// The list of these modules.
    pub fn new(archive: Archive<'a>, root_pointer: &RootPointer) -> Self {
        let root_pointer = match *root_pointer {
            RootPointer::Copy(copy) => Some(copy),
            RootPointer::None | RootPointer::At(_) => None,
        };
        ModuleList {
            archive,
            root_pointer,
        }
    }

    /// Size of the block in bytes.
    pub fn size(&self) -> usize {
        let text: usize = self
            .archive
            .modules()
            .map(|module| text_size(&module))
            .sum();
        self.text_offset() + text
    }

    /// Where the copy of the ACPI root pointer lies in the block.
    pub fn root_pointer_offset(&self) -> Option<usize> {
        self.root_pointer
            .map(|_| size_of::<ModuleInfo>() + self.count() * size_of::<Module>())
    }

    /// Fills the block, which lies at `address` and has at least [`ModuleList::size`] bytes.
    /// `locate` gives the physical address of a module's first byte.
    pub fn write(
        &self,
        block: &mut [u8],
        address: u64,
        locate: impl Fn(&ArchiveModule<'_>) -> u64,
    ) {
        block.fill(0);
        let modules = address + size_of::<ModuleInfo>() as u64;
        put(block, core::mem::offset_of!(ModuleInfo, modules), modules);
        put(
            block,
            core::mem::offset_of!(ModuleInfo, module_count),
            self.count() as u64,
        );
        if let (Some(copy), Some(offset)) = (self.root_pointer, self.root_pointer_offset()) {
            block[offset..offset + copy.len()].copy_from_slice(&copy);
        }
        let mut text = self.text_offset();
        for (index, module) in self.ordered().enumerate() {
            let entry = size_of::<ModuleInfo>() + index * size_of::<Module>();
            let start = locate(&module);
            put(
                block,
                entry + core::mem::offset_of!(Module, flags),
                module.kind as u64,
            );
            put(block, entry + core::mem::offset_of!(Module, start), start);
            put(
                block,
                entry + core::mem::offset_of!(Module, end),
                start + module.data.len() as u64,
            );
            put(
                block,
                entry + core::mem::offset_of!(Module, command_line),
                address + text as u64,
            );
            let bytes = module.command_line.as_bytes();
            block[text..text + bytes.len()].copy_from_slice(bytes);
            text += text_size(&module);
        }
    }

    /// Those for the root task first, then those that bootstrap loaded itself.
    fn ordered(&self) -> impl Iterator<Item = ArchiveModule<'a>> {
        let (for_root, loaded) = (self.archive.modules(), self.archive.modules());
        let for_root = for_root.filter(|module| module.kind == Kind::Ordinary);
        for_root.chain(loaded.filter(|module| module.kind != Kind::Ordinary))
    }

    fn count(&self) -> usize {
        self.archive.modules().count()
    }

    fn text_offset(&self) -> usize {
        let copy = self
            .root_pointer
            .map_or(0, |copy| copy.len().next_multiple_of(WORD));
        size_of::<ModuleInfo>() + self.count() * size_of::<Module>() + copy
    }
}

/// Bytes of a command line with its NUL, rounded up to words.
fn text_size(module: &ArchiveModule<'_>) -> usize {
    (module.command_line.len() + 1).next_multiple_of(WORD)
}

fn put(block: &mut [u8], offset: usize, value: u64) {
    block[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
}
