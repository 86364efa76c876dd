//! What the loader leaves on the stack of a new program: arguments, auxiliary vector, environment
//! (`abi/08` §8).

use core::ffi::{CStr, c_char};

#[cfg(feature = "component")]
use l4_abi::l4re::aux_tag;
use l4_abi::l4re::{Auxiliary, CapabilityEntry, Environment};

/// The block at the initial stack pointer, found in memory that stays for the program's life.
#[derive(Clone, Copy)]
pub(crate) struct StackBlock {
    /// Highest address that the program's stack reaches up to.
    pub(crate) top: usize,
    arguments: &'static [*const c_char],
    environment: *const Environment,
    auxiliary: *const Auxiliary,
    /// Address of the kernel info page, 0 if not mapped.
    pub(crate) kip: usize,
}

impl StackBlock {
    /// Finds the parts of the block.
    ///
    /// # Safety
    /// `start` must point to a block as a loader builds it, which is not changed any more.
    #[cfg(feature = "component")]
    pub(crate) unsafe fn parse(start: *const u64) -> Self {
        // SAFETY: the lists are laid out and ended as the loader's contract says; the pointers in
        // the auxiliary vector lead to structures of their types, or are zero.
        unsafe {
            let arguments =
                core::slice::from_raw_parts(start.add(1).cast::<*const c_char>(), *start as usize);
            let mut word = start.add(1 + arguments.len() + 1);
            while *word != 0 {
                word = word.add(1);
            }
            word = word.add(1);
            let mut block = Self {
                top: start as usize,
                arguments,
                environment: core::ptr::null(),
                auxiliary: core::ptr::null(),
                kip: 0,
            };
            while *word != aux_tag::NULL {
                let value = *word.add(1);
                match *word {
                    aux_tag::L4_ENV => block.environment = value as *const Environment,
                    aux_tag::L4_AUX => block.auxiliary = value as *const Auxiliary,
                    aux_tag::L4_KIP => block.kip = value as usize,
                    _ => {}
                }
                word = word.add(2);
            }
            block
        }
    }

    /// What stands in for the block of a program that no loader has started.
    #[cfg(all(feature = "root", target_os = "none"))]
    pub(crate) const fn new(
        top: usize,
        arguments: &'static [*const c_char],
        environment: &'static Environment,
        kip: usize,
    ) -> Self {
        Self {
            top,
            arguments,
            environment,
            auxiliary: core::ptr::null(),
            kip,
        }
    }

    /// The arguments; the first is the program's name.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &'static str> + use<> {
        // SAFETY: the loader ends each argument with a NUL, and nobody changes them.
        self.arguments
            .iter()
            .map(|argument| unsafe { text(*argument) })
    }

    /// The environment; without one the program has no capabilities but those in fixed slots.
    pub(crate) fn environment(&self) -> Option<&'static Environment> {
        // SAFETY: the pointer is null or the loader's.
        unsafe { self.environment.as_ref() }
    }

    /// The program's name without directories.
    pub(crate) fn program_name(&self) -> &'static str {
        // SAFETY: the pointers are null or the loader's.
        let name = unsafe {
            match self.auxiliary.as_ref() {
                Some(auxiliary) if auxiliary.name != 0 => text(auxiliary.name as *const c_char),
                _ => self.arguments().next().unwrap_or("program"),
            }
        };
        name.rsplit('/').next().unwrap_or(name)
    }

    /// The named initial capabilities.
    pub(crate) fn capabilities(&self) -> impl Iterator<Item = &'static CapabilityEntry> + use<> {
        let mut next = self.environment().map_or(core::ptr::null(), |environment| {
            environment.capabilities as *const CapabilityEntry
        });
        core::iter::from_fn(move || {
            // SAFETY: the pointer is null or within the loader's list, whose last entry says so.
            let entry = unsafe { next.as_ref() }.filter(|entry| !entry.is_end())?;
            next = next.wrapping_add(1);
            Some(entry)
        })
    }
}

/// A loader's string; what is not UTF-8 is not shown.
///
/// # Safety
/// `pointer` leads to a string ended by a NUL that is not changed any more.
unsafe fn text(pointer: *const c_char) -> &'static str {
    // SAFETY: by the contract.
    unsafe { CStr::from_ptr(pointer) }
        .to_str()
        .unwrap_or("\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leak<T>(value: T) -> u64 {
        Box::leak(Box::new(value)) as *mut T as u64
    }

    fn entry(name: &[u8], flags: u64) -> CapabilityEntry {
        let mut padded = [0; 16];
        padded[..name.len()].copy_from_slice(name);
        CapabilityEntry {
            capability: 0x16000,
            flags,
            name: padded,
        }
    }

    fn parse(words: Vec<u64>) -> StackBlock {
        // SAFETY: the tests build blocks as a loader does, and leak them.
        unsafe { StackBlock::parse(words.leak().as_ptr()) }
    }

    #[test]
    fn all_parts_of_a_full_block_are_found() {
        let list = [
            entry(b"ping", 0),
            entry(b"sixteen-bytes-ok", 0),
            entry(b"", u64::MAX),
        ];
        let environment = Environment {
            parent: 0x13000,
            region_map: 0x10000,
            mem_alloc: 0x11000,
            log: 0x5000,
            main_thread: 0x3000,
            factory: 0x2000,
            scheduler: 0x7000,
            itas: 0,
            dbg_events: 0,
            first_free_capability: 0x18,
            first_free_reply_capability: 0,
            utcb_area: 0xb300_0350,
            first_free_utcb: 0xb300_0400,
            capabilities: leak(list),
        };
        let auxiliary = Auxiliary {
            name: leak(*b"rom/client\0"),
            kip: 0x14000,
            debug_flags: 0,
            loader_flags: 0,
            loader_base: 0,
        };
        let block = parse(vec![
            2,
            leak(*b"client\0"),
            leak(*b"1000\0"),
            0,
            leak(*b"A=1\0"),
            0,
            6,
            4096,
            0xf0,
            leak(auxiliary),
            0xf2,
            0x6fff_f000,
            0xf1,
            leak(environment),
            0,
            0,
        ]);
        assert_eq!(block.arguments().collect::<Vec<_>>(), ["client", "1000"]);
        assert_eq!(block.program_name(), "client");
        assert_eq!(block.kip, 0x6fff_f000);
        assert_eq!(block.environment(), Some(&environment));
        let names: Vec<_> = block.capabilities().map(|entry| entry.name()).collect();
        assert_eq!(names, [b"ping".as_slice(), b"sixteen-bytes-ok"]);
    }

    #[test]
    fn a_block_without_environment_has_a_name_and_nothing_else() {
        let block = parse(vec![0, 0, 0, 0, 0]);
        assert_eq!(block.program_name(), "program");
        assert_eq!(block.environment(), None);
        assert_eq!(block.capabilities().count(), 0);
        assert_eq!(block.kip, 0);
    }

    #[test]
    fn an_argument_that_is_not_text_is_replaced() {
        let block = parse(vec![1, leak(*b"\xff\xfe\0"), 0, 0, 0, 0]);
        assert_eq!(block.arguments().collect::<Vec<_>>(), ["\u{fffd}"]);
    }
}
