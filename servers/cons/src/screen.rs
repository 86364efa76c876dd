//! Consoles, their history, and what keys do.
//!
//! Lines of all consoles are shown as they are complete, with the console's name before them. What is
//! typed goes to one console. Control-T and a key is a command instead: see [`HELP`].

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Control-T.
pub const PREFIX: u8 = 0x14;
/// What the keys after [`PREFIX`] do.
pub const HELP: &str =
    "control-T: n next, 1-9 that one, l list, h history, / search, t types control-T";

/// Longest line; what is longer continues on a new one.
const LINE: usize = 400;
/// Lines of history, and bytes of input that wait, of each console.
const HISTORY: usize = 200;
const INPUT: usize = 1024;
/// Longest text to search for.
const PATTERN: usize = 64;

/// One client's console.
#[derive(Debug, Default)]
pub struct Console {
    name: String,
    line: Vec<u8>,
    history: VecDeque<String>,
    input: VecDeque<u8>,
}

/// What is being typed.
#[derive(Debug, Default)]
enum Typing {
    #[default]
    Input,
    Command,
    Search(String),
}

/// All consoles, by the number that they were given; and which one has the keys.
#[derive(Debug, Default)]
pub struct Screen {
    consoles: Vec<Option<Console>>,
    focus: usize,
    typing: Typing,
}

impl Screen {
    /// Adds a console; its number. The first one gets the keys.
    pub fn add(&mut self, name: &str) -> usize {
        let console = Console {
            name: name.into(),
            ..Console::default()
        };
        let free = self.consoles.iter().position(Option::is_none);
        let number = free.unwrap_or_else(|| {
            self.consoles.push(None);
            self.consoles.len() - 1
        });
        self.consoles[number] = Some(console);
        if self.get(self.focus).is_none() {
            self.focus = number;
        }
        number
    }

    /// Removes a console; another one gets the keys if it had them.
    pub fn remove(&mut self, number: usize) {
        if let Some(place) = self.consoles.get_mut(number) {
            *place = None;
        }
        if number == self.focus {
            self.next();
        }
    }

    fn get(&self, number: usize) -> Option<&Console> {
        self.consoles.get(number)?.as_ref()
    }

    fn get_mut(&mut self, number: usize) -> Option<&mut Console> {
        self.consoles.get_mut(number)?.as_mut()
    }

    /// A client writes: lines that are complete are shown.
    pub fn write(&mut self, number: usize, text: &[u8], show: &mut dyn FnMut(&str)) {
        let Some(console) = self.get_mut(number) else {
            return;
        };
        for &byte in text {
            if byte == b'\n' || console.line.len() == LINE {
                let line = console.end_line();
                show(&line);
            }
            // No client can move the cursor or speak in another's name.
            match byte {
                b'\n' | b'\r' => {}
                b'\t' => console.line.push(b' '),
                0..0x20 | 0x7f => console.line.push(b'?'),
                byte => console.line.push(byte),
            }
        }
    }

    /// Takes what was typed for a console.
    pub fn read(&mut self, number: usize, target: &mut [u8]) -> usize {
        let Some(console) = self.get_mut(number) else {
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
        self.get(number)
            .is_some_and(|console| !console.input.is_empty())
    }

    /// A key was pressed. The console that can read it, if it is for one.
    pub fn key(&mut self, key: u8, show: &mut dyn FnMut(&str)) -> Option<usize> {
        match core::mem::take(&mut self.typing) {
            Typing::Input if key == PREFIX => self.typing = Typing::Command,
            Typing::Input => return self.input(key),
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

    fn input(&mut self, key: u8) -> Option<usize> {
        let focus = self.focus;
        let console = self.get_mut(focus)?;
        if console.input.len() < INPUT {
            console.input.push_back(key);
        }
        Some(focus)
    }

    fn command(&mut self, key: u8, show: &mut dyn FnMut(&str)) -> Option<usize> {
        match key {
            b'n' => self.next(),
            b'1'..=b'9' if self.get(usize::from(key - b'1')).is_some() => {
                self.focus = usize::from(key - b'1');
            }
            b'l' => return self.list(show),
            b'h' => return self.history(show),
            b'/' => {
                self.typing = Typing::Search(String::new());
                show("search for:");
                return None;
            }
            b't' => return self.input(PREFIX),
            _ => {
                show(HELP);
                return None;
            }
        }
        if let Some(console) = self.get(self.focus) {
            show(&format!("keys go to {}", console.name));
        }
        None
    }

    fn next(&mut self) {
        let count = self.consoles.len();
        let after = (1..=count).map(|step| (self.focus + step) % count);
        if let Some(next) = after.into_iter().find(|&number| self.get(number).is_some()) {
            self.focus = next;
        }
    }

    fn list(&self, show: &mut dyn FnMut(&str)) -> Option<usize> {
        for (number, console) in self.consoles.iter().enumerate() {
            if let Some(console) = console {
                let mark = if number == self.focus { "*" } else { " " };
                show(&format!("{mark} {} {}", number + 1, console.name));
            }
        }
        None
    }

    fn history(&self, show: &mut dyn FnMut(&str)) -> Option<usize> {
        let console = self.get(self.focus)?;
        show(&format!("history of {}:", console.name));
        console.history.iter().for_each(|line| show(line));
        None
    }

    fn search(&self, text: &str, show: &mut dyn FnMut(&str)) {
        let lines = self
            .consoles
            .iter()
            .flatten()
            .flat_map(|console| &console.history);
        let found: Vec<&String> = lines.filter(|line| line.contains(text)).collect();
        show(&format!("{} lines with `{text}`:", found.len()));
        found.into_iter().for_each(|line| show(line));
    }
}

impl Console {
    /// The line as it is shown, which is history now.
    fn end_line(&mut self) -> String {
        let line = core::mem::take(&mut self.line);
        let line = format!("{} | {}", self.name, String::from_utf8_lossy(&line));
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(line.clone());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(screen: &mut Screen, keys: &[u8]) -> Vec<String> {
        let mut shown = vec![];
        for key in keys {
            screen.key(*key, &mut |line| shown.push(line.into()));
        }
        shown
    }

    fn write(screen: &mut Screen, number: usize, text: &[u8]) -> Vec<String> {
        let mut shown = vec![];
        screen.write(number, text, &mut |line| shown.push(line.into()));
        shown
    }

    fn read(screen: &mut Screen, number: usize) -> Vec<u8> {
        let mut bytes = [0; 16];
        let count = screen.read(number, &mut bytes);
        bytes[..count].to_vec()
    }

    #[test]
    fn keys_go_to_one_console_until_another_is_chosen() {
        let mut screen = Screen::default();
        let (one, two) = (screen.add("one"), screen.add("two"));
        keys(&mut screen, b"ab");
        assert_eq!(
            (read(&mut screen, one), read(&mut screen, two)),
            (b"ab".to_vec(), vec![])
        );
        assert_eq!(keys(&mut screen, b"\x14n"), ["keys go to two"]);
        assert_eq!(screen.key(b'c', &mut |_| {}), Some(two));
        assert_eq!(read(&mut screen, two), b"c");
        assert_eq!(keys(&mut screen, b"\x141"), ["keys go to one"]);
        assert_eq!(keys(&mut screen, b"\x149"), [HELP]);
        keys(&mut screen, b"\x14t");
        assert_eq!(read(&mut screen, one), [PREFIX]);
        assert_eq!(keys(&mut screen, b"\x14l"), ["* 1 one", "  2 two"]);
        screen.remove(one);
        assert_eq!(screen.key(b'd', &mut |_| {}), Some(two));
        screen.remove(two);
        assert_eq!(screen.key(b'e', &mut |_| {}), None);
        assert_eq!(screen.add("three"), 0);
        assert_eq!(screen.key(b'f', &mut |_| {}), Some(0));
    }

    #[test]
    fn lines_are_whole_and_cannot_be_forged() {
        let mut screen = Screen::default();
        let (one, two) = (screen.add("one"), screen.add("two"));
        assert!(write(&mut screen, one, b"hello, ").is_empty());
        assert_eq!(write(&mut screen, two, b"x\n"), ["two | x"]);
        assert_eq!(
            write(&mut screen, one, b"world\r\n"),
            ["one | hello, world"]
        );
        let forged = write(&mut screen, one, b"\x1b[2K\rtwo | y\n");
        assert_eq!(forged, ["one | ?[2Ktwo | y"]);
        let long = write(&mut screen, one, &[b'z'; 3 * LINE]);
        assert!(long.len() == 2 && long[0].len() == LINE + 6);
    }

    #[test]
    fn history_and_search_find_lines_again() {
        let mut screen = Screen::default();
        let (one, two) = (screen.add("one"), screen.add("two"));
        for number in 0..HISTORY + 10 {
            write(&mut screen, one, format!("line {number}\n").as_bytes());
        }
        write(&mut screen, two, b"another line 209\n");
        let history = keys(&mut screen, b"\x14h");
        assert_eq!(history.len(), HISTORY + 1);
        assert_eq!(history[1], "one | line 10");
        let found = keys(&mut screen, b"\x14/line 209\r");
        assert_eq!(
            found[1..],
            [
                "2 lines with `line 209`:",
                "one | line 209",
                "two | another line 209"
            ]
        );
        assert!(read(&mut screen, one).is_empty());
    }

    #[test]
    fn input_that_nobody_reads_does_not_pile_up() {
        let mut screen = Screen::default();
        let one = screen.add("one");
        keys(&mut screen, &[b'x'; 2 * INPUT]);
        let mut bytes = [0; 2 * INPUT];
        assert_eq!(screen.read(one, &mut bytes), INPUT);
        assert!(!screen.has_input(one));
    }
}
