//! The kernel's console.

use l4_abi::capability::slot;
use machine::event::Source;

use super::*;
use crate::object::Ref;
use crate::object::thread::Thread;
use crate::testing::{Doing, Syscall, World, run};

struct Setup {
    user: Ref<Thread>,
    slot: u64,
}

impl Setup {
    fn new(world: &mut World) -> Self {
        let task = world.task();
        Self {
            user: world.thread(&task, 10),
            slot: world.give_initial(&task, slot::LOG),
        }
    }

    /// Writes the first `length` bytes of `text`; what the console shows.
    fn write(&self, world: &mut World, text: &[u8], length: u64) -> Vec<u8> {
        let mut words = vec![Opcode::Write.word(), length];
        words.extend(text.chunks(8).map(|bytes| {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(word)
        }));
        assert_eq!(WRITE_DATA_WORD, 2);
        world.write(&self.user, &words);
        let call = Syscall::send(self.slot).tag(label::LOG, words.len(), 0);
        assert_eq!(world.syscall(&self.user, call), Doing::Done(call.tag));
        world.cpu.kernel.platform.console.take_output()
    }

    /// Writes a message which pauses if an interrupt waits; what the console shows.
    fn begin_write(&self, world: &mut World, text: &[u8; 8]) -> Vec<u8> {
        let words = [Opcode::Write.word(), 8, u64::from_le_bytes(*text)];
        world.write(&self.user, &words);
        let call = Syscall::send(self.slot).tag(label::LOG, 3, 0);
        world.syscall(&self.user, call);
        world.cpu.kernel.platform.console.take_output()
    }

    /// Reads up to `limit` bytes; with whether there are no more.
    fn read(&self, world: &mut World, limit: u64) -> (Vec<u8>, bool) {
        let words = [Opcode::Read.word() | limit << 16];
        let result = world.invoke(&self.user, self.slot, label::LOG, &words, None);
        assert_eq!(result, 0);
        let utcb = self.user.utcb(world.cpu);
        let count = (utcb.word(0) & !READ_DONE) as usize;
        let byte = |index| (utcb.word(READ_DATA_WORD + index / 8) >> (index % 8 * 8)) as u8;
        (
            (0..count).map(byte).collect(),
            utcb.word(0) & READ_DONE != 0,
        )
    }
}

#[test]
fn lines_end_as_terminals_want_it() {
    run(|world| {
        let setup = Setup::new(world);
        let text = b"first line\nsecond\rthird";
        let shown = setup.write(world, text, text.len() as u64);
        assert_eq!(shown, b"first line\r\nsecond\rthird");
    });
}

#[test]
fn a_message_lets_interrupts_in_and_stays_in_one_piece() {
    run(|world| {
        let setup = Setup::new(world);
        let urgent = {
            let task = world.task();
            Setup {
                user: world.thread(&task, 20),
                slot: world.give_initial(&task, slot::LOG),
            }
        };
        world.syscall(&urgent.user, Syscall::sleep());
        world.cpu.kernel.platform.chip.set_pending(true);
        assert_eq!(setup.begin_write(world, b"first. \n"), b"f");
        assert!(world.cpu.block().is_idle(), "interrupts can come now");
        // Who is more urgent writes the rest first.
        urgent.user.cancel(world.cpu);
        world.cpu.kernel.platform.chip.set_pending(false);
        world.enter(Source::Spurious);
        assert!(world.runs(&urgent.user));
        let shown = urgent.begin_write(world, b"second.\n");
        assert_eq!(shown, b"irst. \r\nsecond.\r\n");
        world.syscall(&urgent.user, Syscall::sleep());
        assert!(world.runs(&setup.user));
        assert_eq!(world.cpu.kernel.platform.console.take_output(), b"");
    });
}

#[test]
fn the_debugger_is_entered_behind_the_message_that_is_being_written() {
    run(|world| {
        let setup = Setup::new(world);
        world.cpu.kernel.platform.chip.set_pending(true);
        assert_eq!(setup.begin_write(world, b"whole.\n\0"), b"w");
        world.cpu.kernel.platform.console.type_bytes(b"go\r");
        debugger::panicked(world.cpu);
        let shown = world.cpu.kernel.platform.console.take_output();
        let text = String::from_utf8(shown).expect("text");
        assert!(text.starts_with("hole.\r\n\0\r\nKernel debugger"), "{text}");
    });
}

#[test]
fn a_length_that_no_message_holds_writes_nothing() {
    run(|world| {
        let setup = Setup::new(world);
        for length in [WRITE_SIZE as u64 + 1, u64::MAX] {
            assert_eq!(setup.write(world, b"text", length), b"");
        }
        assert_eq!(setup.write(world, b"text", 2), b"te");
    });
}

#[test]
fn input_is_translated_echoed_and_read_in_pieces() {
    run(|world| {
        let setup = Setup::new(world);
        world
            .cpu
            .kernel
            .platform
            .console
            .type_bytes(b"ten bytes\rmore");
        assert_eq!(setup.read(world, 10), (b"ten bytes\n".to_vec(), false));
        assert_eq!(setup.read(world, 10), (b"more".to_vec(), true));
        assert_eq!(setup.read(world, 10), (vec![], true));
        let echo = world.cpu.kernel.platform.console.take_output();
        assert_eq!(echo, b"ten bytes\r\nmore");
    });
}

/// It is an edge, which a masked pin does not keep.
#[test]
fn input_that_comes_before_its_pin_is_unmasked_is_read() {
    run(|world| {
        let setup = Setup::new(world);
        let console = &world.cpu.kernel.platform.console;
        console.type_bytes(b"first");
        console.type_late(b"late");
        assert_eq!(setup.read(world, 40), (b"firstlate".to_vec(), true));
    });
}
