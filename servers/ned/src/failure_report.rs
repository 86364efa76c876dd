//! Why a component failed, on its own log: what happened, its registers, who called whom.

use core::fmt::Write;

use l4_abi::exception::{ExceptionFrame, FRAME_WORDS};
use l4_sys::Cap;
use l4_sys::fatal::Line;
use l4_sys::object::Log;
use l4re::{RegionMap, RemoteAccess, Watch};

use crate::arch;

/// Most callers that are shown.
const MOST_CALLERS: usize = 24;
const REGISTERS_PER_LINE: usize = 4;
const WORD: u8 = 8;

/// Prints what is known about the failure of a program, whose region map is `map`.
pub fn print(log: Cap<Log>, map: Cap<RegionMap>, program: &str) {
    let Some(frame) = exception(map.cast()) else {
        print_line(
            log,
            format_args!("a thread failed, its registers are not known"),
        );
        return;
    };
    let at = frame.instruction_pointer();
    print_line(
        log,
        format_args!("failed at {at:#x}: {}", arch::Reason(&frame)),
    );
    for registers in arch::registers(&frame).chunks(REGISTERS_PER_LINE) {
        let mut line = Line::new();
        for (name, value) in registers {
            let _ = write!(line, " {name:>6} {value:016x}");
        }
        let _ = log.write(line.finish());
    }
    let mut line = Line::new();
    let _ = write!(line, "backtrace {program} {at:#x}");
    let memory: Cap<RemoteAccess> = map.cast();
    let read = |address| memory.read_memory(address, WORD).ok();
    for caller in callers(frame.frame_pointer(), read).take(MOST_CALLERS) {
        let _ = write!(line, " {caller:#x}");
    }
    let _ = log.write(line.finish());
}

fn print_line(log: Cap<Log>, text: core::fmt::Arguments<'_>) {
    let mut line = Line::new();
    let _ = line.write_fmt(text);
    let _ = log.write(line.finish());
}

fn exception(watch: Cap<Watch>) -> Option<ExceptionFrame> {
    let bytes = watch.exception().ok()?;
    let mut words = [0; FRAME_WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    Some(ExceptionFrame::from_words(&words))
}

/// Return addresses, innermost first, along a chain of frame pointers that may be anything.
fn callers(mut frame: u64, mut read: impl FnMut(u64) -> Option<u64>) -> impl Iterator<Item = u64> {
    core::iter::from_fn(move || {
        if frame == 0 || !frame.is_multiple_of(8) {
            return None;
        }
        let return_address = read(frame.checked_add(8)?)?;
        let next = read(frame)?;
        // Stacks grow down: a caller's frame lies above, or the chain ends here.
        frame = if next > frame { next } else { 0 };
        (return_address != 0).then_some(return_address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    fn walk(frame: u64, memory: &[(u64, u64)]) -> Vec<u64> {
        let memory: BTreeMap<_, _> = memory.iter().copied().collect();
        callers(frame, |address| memory.get(&address).copied())
            .take(10)
            .collect()
    }

    #[test]
    fn callers_are_found_along_the_frames() {
        let memory = [(0x100, 0x200), (0x108, 0xa), (0x200, 0), (0x208, 0xb)];
        assert_eq!(walk(0x100, &memory), [0xa, 0xb]);
    }

    #[test]
    fn a_broken_chain_ends_the_walk() {
        assert_eq!(walk(0, &[]), []);
        assert_eq!(walk(0x101, &[(0x101, 0x200), (0x109, 1)]), []);
        assert_eq!(walk(u64::MAX - 7, &[]), []);
        assert_eq!(walk(0x100, &[(0x100, 0x200)]), []);
        assert_eq!(
            walk(0x100, &[(0x100, 0x100), (0x108, 0xa)]),
            [0xa],
            "a loop"
        );
        assert_eq!(
            walk(0x100, &[(0x100, 0x80), (0x108, 0xa), (0x80, 0), (0x88, 1)]),
            [0xa]
        );
        assert_eq!(walk(0x100, &[(0x100, 0x200), (0x108, 0)]), []);
    }
}
