//! What a new program finds on its stack: arguments, auxiliary vector, environment (`abi/08` §8).
//!
//! From low to high addresses: argument count and pointers, environment strings (none), auxiliary
//! vector, padding, then what the vector points to: environment, named capabilities, loader words,
//! texts. The stack pointer is a multiple of 16 and points at the argument count.

use l4_abi::capability::{Selector, slot as kernel_slot};
use l4_abi::flexpage::PAGE_SIZE;
use l4_abi::l4re::{
    Auxiliary, CapabilityEntry, Environment, UTCB_AREA, UTCB_AREA_START, aux_tag, slot,
};

const WORD: usize = 8;
const STACK_ALIGNMENT: u64 = 16;
/// Pairs of the auxiliary vector, the end included.
const AUXILIARY_PAIRS: usize = 13;

/// What a program is started with.
#[derive(Clone, Copy, Debug)]
pub struct StartBlock<'a> {
    /// Arguments; the first is the program's name.
    pub arguments: &'a [&'a str],
    /// Names of the capabilities in the slots from [`slot::FIRST_NAMED`] on; 16 bytes of each count.
    pub names: &'a [&'a str],
    /// Where the program's kernel info page is mapped.
    pub kip: u64,
    /// Address and number of the program headers in the program's memory, if they are there.
    pub program_headers: Option<(u64, u64)>,
    /// Address of the program's first instruction.
    pub entry: u64,
}

/// The stack is smaller than what belongs on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl StartBlock<'_> {
    /// Writes the block to the end of `stack`, the last bytes below the address `top`. Returns the
    /// program's first stack pointer.
    pub fn write(&self, stack: &mut [u8], top: u64) -> Result<u64, TooLarge> {
        let pointers = 1 + self.arguments.len() + 1 + 1 + 2 * AUXILIARY_PAIRS;
        let texts: usize = self
            .arguments
            .iter()
            .map(|argument| argument.len() + 1)
            .sum();
        let capabilities = (self.names.len() + 1) * size_of::<CapabilityEntry>();
        let pointed_to = size_of::<Environment>() + capabilities + size_of::<Auxiliary>();
        let size = pointers * WORD + pointed_to + texts;
        let stack_pointer = top.checked_sub(size as u64).ok_or(TooLarge)? & !(STACK_ALIGNMENT - 1);
        let used = (top - stack_pointer) as usize;
        let start = stack.len().checked_sub(used).ok_or(TooLarge)?;
        let block = &mut stack[start..];
        block.fill(0);

        let environment = stack_pointer + (pointers * WORD) as u64;
        let entries = environment + size_of::<Environment>() as u64;
        let loader_words = entries + capabilities as u64;
        let first_text = loader_words + size_of::<Auxiliary>() as u64;

        let mut out = Output { block, position: 0 };
        out.word(self.arguments.len() as u64);
        let mut text = first_text;
        for argument in self.arguments {
            out.word(text);
            text += argument.len() as u64 + 1;
        }
        out.word(0);
        out.word(0);
        let (headers, header_count) = self.program_headers.unwrap_or_default();
        for (tag, value) in [
            (aux_tag::ENTRY, self.entry),
            (aux_tag::PHENT, 56),
            (aux_tag::PHNUM, header_count),
            (aux_tag::PHDR, headers),
            (aux_tag::EGID, 0),
            (aux_tag::GID, 0),
            (aux_tag::EUID, 0),
            (aux_tag::UID, 0),
            (aux_tag::PAGESZ, PAGE_SIZE),
            (aux_tag::L4_AUX, loader_words),
            (aux_tag::L4_KIP, self.kip),
            (aux_tag::L4_ENV, environment),
            (aux_tag::NULL, 0),
        ] as [(u64, u64); AUXILIARY_PAIRS]
        {
            out.word(tag);
            out.word(value);
        }
        for word in environment_of(self.names.len() as u64, entries) {
            out.word(word);
        }
        for (index, name) in (slot::FIRST_NAMED..).zip(self.names) {
            out.capability(Selector::new(index).raw(), 0, name.as_bytes());
        }
        out.capability(Selector::INVALID.raw(), CapabilityEntry::END, &[]);
        for word in [
            first_text,
            Selector::new(slot::KIP).raw(),
            0,
            0,
            Auxiliary::ANYWHERE,
        ] {
            out.word(word);
        }
        for argument in self.arguments {
            out.bytes(argument.as_bytes());
            out.position += 1;
        }
        Ok(stack_pointer)
    }
}

/// The words of the [`Environment`] of a program with this many named capabilities, listed at this
/// address.
fn environment_of(named: u64, capabilities: u64) -> [u64; size_of::<Environment>() / WORD] {
    let selector = |index| Selector::new(index).raw();
    [
        selector(slot::PARENT),
        selector(slot::REGION_MAP),
        selector(slot::MEM_ALLOC),
        selector(kernel_slot::LOG),
        selector(kernel_slot::THREAD),
        selector(kernel_slot::FACTORY),
        selector(kernel_slot::SCHEDULER),
        // Neither signals and timers nor debug events.
        Selector::INVALID.raw(),
        Selector::INVALID.raw(),
        slot::FIRST_NAMED + named,
        0,
        UTCB_AREA.raw(),
        UTCB_AREA_START + l4_abi::utcb::SIZE as u64,
        capabilities,
    ]
}

struct Output<'a> {
    block: &'a mut [u8],
    position: usize,
}

impl Output<'_> {
    fn word(&mut self, word: u64) {
        self.bytes(&word.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.block[self.position..self.position + bytes.len()].copy_from_slice(bytes);
        self.position += bytes.len();
    }

    fn capability(&mut self, selector: u64, flags: u64, name: &[u8]) {
        self.word(selector);
        self.word(flags);
        let length = name.len().min(CapabilityEntry::NAME_LENGTH);
        self.bytes(&name[..length]);
        self.position += CapabilityEntry::NAME_LENGTH - length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const TOP: u64 = 0x8020_0000;

    struct Stack(Vec<u8>);

    impl Stack {
        fn word(&self, address: u64) -> u64 {
            let offset = self.0.len() - (TOP - address) as usize;
            u64::from_le_bytes(self.0[offset..offset + 8].try_into().unwrap())
        }

        fn text(&self, address: u64) -> &str {
            let offset = self.0.len() - (TOP - address) as usize;
            let end = self.0[offset..].iter().position(|byte| *byte == 0).unwrap();
            core::str::from_utf8(&self.0[offset..offset + end]).unwrap()
        }

        fn auxiliary(&self, stack_pointer: u64, tag: u64) -> u64 {
            let mut at = stack_pointer + 8 * (self.word(stack_pointer) + 3);
            while self.word(at) != tag {
                assert_ne!(self.word(at), aux_tag::NULL, "no entry {tag}");
                at += 16;
            }
            self.word(at + 8)
        }
    }

    fn build(arguments: &[&str], names: &[&str]) -> (Stack, u64) {
        let block = StartBlock {
            arguments,
            names,
            kip: 0x6fff_f000,
            program_headers: Some((0x100_0040, 5)),
            entry: 0x100_1000,
        };
        let mut stack = Stack(std::vec![0xaa; 4096]);
        let stack_pointer = block.write(&mut stack.0, TOP).unwrap();
        assert_eq!(stack_pointer % 16, 0);
        (stack, stack_pointer)
    }

    #[test]
    fn arguments_are_counted_and_ended() {
        for arguments in [&[][..], &["hello"], &["hello", "", "two words"]] {
            let (stack, sp) = build(arguments, &[]);
            assert_eq!(stack.word(sp), arguments.len() as u64);
            for (index, argument) in arguments.iter().enumerate() {
                assert_eq!(stack.text(stack.word(sp + 8 + 8 * index as u64)), *argument);
            }
            assert_eq!(stack.word(sp + 8 + 8 * arguments.len() as u64), 0);
        }
    }

    #[test]
    fn the_vector_leads_to_environment_capabilities_and_name() {
        let (stack, sp) = build(&["hello", "x"], &["rom", "a_name_of_sixteen"]);
        assert_eq!(stack.auxiliary(sp, aux_tag::L4_KIP), 0x6fff_f000);
        assert_eq!(stack.auxiliary(sp, aux_tag::ENTRY), 0x100_1000);
        let environment = stack.auxiliary(sp, aux_tag::L4_ENV);
        let invalid = Selector::INVALID.raw();
        let expected = [
            0x13000, 0x10000, 0x11000, 0x5000, 0x3000, 0x2000, 0x7000, invalid, invalid, 0x18, 0,
        ];
        for (word, expected) in (0..).step_by(8).zip(expected) {
            assert_eq!(stack.word(environment + word), expected, "{word:#x}");
        }
        assert_eq!(stack.word(environment + 0x58), 0xb300_0350);
        assert_eq!(stack.word(environment + 0x60), 0xb300_0400);
        let entries = stack.word(environment + 0x68);
        assert_eq!(stack.word(entries), 0x16000);
        assert_eq!(stack.text(entries + 16), "rom");
        assert_eq!(stack.word(entries + 0x20), 0x17000);
        assert_eq!(stack.word(entries + 0x48), CapabilityEntry::END);
        let loader = stack.auxiliary(sp, aux_tag::L4_AUX);
        assert_eq!(stack.text(stack.word(loader)), "hello");
        assert_eq!(stack.word(loader + 8), 0x14000);
        assert_eq!([16, 24].map(|offset| stack.word(loader + offset)), [0, 0]);
        assert_eq!(stack.word(loader + 32), u64::MAX);
    }

    #[test]
    fn a_stack_that_is_too_small_is_refused() {
        let block = StartBlock {
            arguments: &["hello"],
            names: &[],
            kip: 0,
            program_headers: None,
            entry: 0,
        };
        let needed = 4096 - {
            let mut stack = [0; 4096];
            let sp = block.write(&mut stack, 4096).unwrap();
            sp as usize
        };
        assert!(block.write(&mut std::vec![0; needed], TOP).is_ok());
        assert_eq!(
            block.write(&mut std::vec![0; needed - 1], TOP),
            Err(TooLarge)
        );
        assert_eq!(block.write(&mut [0; 4096], 100), Err(TooLarge));
    }
}
