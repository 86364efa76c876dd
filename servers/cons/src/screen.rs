//! Consoles, their history, and what keys do.
//!
//! Lines of all consoles are shown as they are complete. What is typed goes to one console. Control-T
//! and a key is a command instead: see [`HELP`].
//!
//! All memory of a console is there from its beginning: no output and no input makes it grow.

use alloc::collections::{TryReserveError, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Control-T.
pub const PREFIX: u8 = 0x14;
/// What the keys after [`PREFIX`] do.
pub const HELP: &str =
    "control-T: n next, 1-9 that one, l list, h history, / search, t types control-T";

/// Longest line; what is longer continues on a new one. A little less than moe's.
pub const LINE: usize = 399;
/// Bytes of history, and of input that waits, of each console.
const HISTORY: usize = 16 << 10;
const INPUT: usize = 1 << 10;
/// Longest text to search for.
const PATTERN: usize = 64;

/// Shows a line: of the console with this number, or cons's own.
pub type Show<'a> = dyn FnMut(Option<usize>, &[u8]) + 'a;

/// What a component, or what runs in a virtual machine, shows and is told.
#[derive(Debug)]
struct Console {
    name: String,
    /// What has not been shown yet.
    line: Vec<u8>,
    history: History,
    input: VecDeque<u8>,
    /// Somebody waits for its input.
    is_heard: bool,
    /// Something was typed since the last end of a line.
    is_answered: bool,
}

/// The last lines, each with its newline behind it.
#[derive(Debug)]
struct History(VecDeque<u8>);

/// What is being typed.
#[derive(Debug, Default)]
enum Typing {
    #[default]
    Input,
    Command,
    Search(String),
}

/// All consoles, by their numbers; and which one has the keys.
#[derive(Debug, Default)]
pub struct Screen {
    consoles: Vec<Console>,
    focus: usize,
    typing: Typing,
}

impl Screen {
    /// The console with this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.consoles.iter().position(|one| one.name == name)
    }

    /// Adds a console, which stays for ever; its number is the next one.
    pub fn add(&mut self, name: &str) -> Result<usize, TryReserveError> {
        let console = Console::new(name)?;
        self.consoles.try_reserve(1)?;
        self.consoles.push(console);
        Ok(self.consoles.len() - 1)
    }

    /// Somebody waits for input of this console. The first one gets the keys.
    pub fn hear(&mut self, number: usize, show: &mut Show<'_>) {
        let is_first = self.consoles.iter().all(|console| !console.is_heard);
        if let Some(console) = self.consoles.get_mut(number) {
            console.is_heard = true;
        }
        if is_first {
            self.give_keys(number, show);
        }
    }

    /// A client writes: lines that are complete are shown.
    pub fn write(&mut self, number: usize, text: &[u8], show: &mut Show<'_>) {
        let Some(console) = self.consoles.get_mut(number) else {
            return;
        };
        for &byte in text {
            if byte == b'\n' || console.line.len() == LINE {
                console.end_line(number, show);
            }
            if byte != b'\n' && byte != b'\r' {
                console.line.push(byte);
            }
        }
    }

    /// Takes what was typed for a console.
    pub fn read(&mut self, number: usize, target: &mut [u8]) -> usize {
        let Some(console) = self.consoles.get_mut(number) else {
            return 0;
        };
        let count = target.len().min(console.input.len());
        for (place, byte) in target.iter_mut().zip(console.input.drain(..count)) {
            *place = byte;
        }
        count
    }

    /// Whether there is something to read.
    pub fn has_input(&self, number: usize) -> bool {
        let console = self.consoles.get(number);
        console.is_some_and(|console| !console.input.is_empty())
    }

    /// A key was pressed. The console that can read it, if it is for one.
    pub fn key(&mut self, key: u8, show: &mut Show<'_>) -> Option<usize> {
        match core::mem::take(&mut self.typing) {
            Typing::Input if key == PREFIX => self.typing = Typing::Command,
            Typing::Input => return self.input(key, show),
            Typing::Command => return self.command(key, show),
            Typing::Search(text) if key == b'\r' || key == b'\n' => self.search(&text, show),
            Typing::Search(mut text) => {
                if (0x20..0x7f).contains(&key) && text.len() < PATTERN {
                    text.push(key as char);
                }
                self.typing = Typing::Search(text);
            }
        }
        None
    }

    fn input(&mut self, key: u8, show: &mut Show<'_>) -> Option<usize> {
        let console = self.consoles.get_mut(self.focus)?;
        // The first key is an answer to what is in the line; the next ones may be echoed there.
        if !core::mem::replace(&mut console.is_answered, true) {
            console.show_prompt(self.focus, show);
        }
        if console.input.len() < INPUT {
            console.input.push_back(key);
        }
        Some(self.focus)
    }

    fn command(&mut self, key: u8, show: &mut Show<'_>) -> Option<usize> {
        let count = self.consoles.len();
        match key {
            b'n' => {
                let after = (1..=count).map(|step| (self.focus + step) % count);
                let next = after.into_iter().find(|&next| self.consoles[next].is_heard);
                self.give_keys(next.unwrap_or(self.focus), show);
            }
            b'1'..=b'9' if usize::from(key - b'1') < count => {
                self.give_keys(usize::from(key - b'1'), show);
            }
            b'l' => self.list(show),
            b'h' => self.history(show),
            b'/' => {
                self.typing = Typing::Search(String::new());
                show(None, b"search for:");
            }
            b't' => return self.input(PREFIX, show),
            _ => show(None, HELP.as_bytes()),
        }
        None
    }

    fn give_keys(&mut self, number: usize, show: &mut Show<'_>) {
        self.focus = number;
        if let Some(console) = self.consoles.get_mut(number) {
            show(None, format!("keys go to {}", console.name).as_bytes());
            console.show_prompt(number, show);
        }
    }

    fn list(&self, show: &mut Show<'_>) {
        for (number, console) in self.consoles.iter().enumerate() {
            let mark = if number == self.focus { '*' } else { ' ' };
            let line = format!("{mark} {} {}", number + 1, console.name);
            show(None, line.as_bytes());
        }
    }

    fn history(&mut self, show: &mut Show<'_>) {
        if let Some(console) = self.consoles.get_mut(self.focus) {
            show(None, format!("history of {}:", console.name).as_bytes());
            let lines = console.history.lines();
            lines.for_each(|line| show(Some(self.focus), line));
        }
    }

    fn search(&mut self, text: &str, show: &mut Show<'_>) {
        let has = |line: &&[u8]| line.windows(text.len()).any(|part| part == text.as_bytes());
        let has = |line: &&[u8]| text.is_empty() || has(line);
        let consoles = self.consoles.iter_mut();
        let count: usize = consoles
            .map(|one| one.history.lines().filter(has).count())
            .sum();
        show(None, format!("{count} lines with `{text}`:").as_bytes());
        for (number, console) in self.consoles.iter_mut().enumerate() {
            let found = console.history.lines().filter(has);
            found.for_each(|line| show(Some(number), line));
        }
    }
}

impl Console {
    fn new(name: &str) -> Result<Self, TryReserveError> {
        let mut console = Self {
            name: name.into(),
            line: Vec::new(),
            history: History(VecDeque::new()),
            input: VecDeque::new(),
            is_heard: false,
            is_answered: false,
        };
        console.line.try_reserve_exact(LINE)?;
        console.history.0.try_reserve_exact(HISTORY)?;
        console.input.try_reserve_exact(INPUT)?;
        Ok(console)
    }

    /// Shows the line, which is history then.
    fn end_line(&mut self, number: usize, show: &mut Show<'_>) {
        show(Some(number), &self.line);
        self.history.push(&self.line);
        self.line.clear();
        self.is_answered = false;
    }

    /// Shows the beginning of a line that may wait for an answer.
    fn show_prompt(&mut self, number: usize, show: &mut Show<'_>) {
        if !self.line.is_empty() {
            let is_answered = self.is_answered;
            self.end_line(number, show);
            self.is_answered = is_answered;
        }
    }
}

impl History {
    fn push(&mut self, line: &[u8]) {
        const { assert!(LINE < HISTORY) }
        while self.0.len() + line.len() >= HISTORY {
            while self.0.pop_front().is_some_and(|byte| byte != b'\n') {}
        }
        self.0.extend(line);
        self.0.push_back(b'\n');
    }

    /// The lines, oldest first.
    fn lines(&mut self) -> impl Iterator<Item = &[u8]> {
        let lines = self
            .0
            .make_contiguous()
            .split_inclusive(|byte| *byte == b'\n');
        lines.map(|line| &line[..line.len() - 1])
    }
}

#[cfg(test)]
mod tests;
