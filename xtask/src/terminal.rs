//! The user's terminal while a system runs: every key goes to the system at once, but for the few that
//! mean xtask.

use std::process::{Command, Stdio};

/// A terminal that passes keys on as they are typed. Dropped, it is as it was before.
pub struct RawTerminal {
    /// Its settings, in the form of `stty -g`.
    settings: String,
}

impl RawTerminal {
    /// Changes the terminal on standard input; none if that cannot be done.
    pub fn enter() -> Option<Self> {
        let output = stty(&["-g"]).output().ok()?;
        let settings = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        if !output.status.success() || settings.is_empty() {
            return None;
        }
        let terminal = Self { settings };
        // Output still begins a new line where it says so.
        let status = stty(&["raw", "opost", "-echo"]).status();
        status
            .is_ok_and(|status| status.success())
            .then_some(terminal)
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // A terminal that is gone needs no settings.
        let _ = stty(&[&self.settings]).status();
    }
}

fn stty(arguments: &[&str]) -> Command {
    let mut command = Command::new("stty");
    command.args(arguments).stdin(Stdio::inherit());
    command.stderr(Stdio::null());
    command
}

/// What to press to send the next key to the system whatever it is, as in other emulators.
const ESCAPE: u8 = control(b'a');
/// Stops the system.
const STOP: u8 = control(b'c');

/// The character that a terminal sends for this letter with the control key.
const fn control(letter: u8) -> u8 {
    letter & 0x1f
}

/// Tells keys for the system from those for xtask.
#[derive(Default)]
pub struct Keys {
    escaped: bool,
}

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub struct Typed {
    /// What the system gets.
    pub text: Vec<u8>,
    /// Whether the system is to stop then.
    pub stop: bool,
}

impl Keys {
    /// Sorts what the terminal sent.
    pub fn sort(&mut self, bytes: &[u8]) -> Typed {
        let mut text = vec![];
        for &byte in bytes {
            let escaped = std::mem::take(&mut self.escaped);
            match byte {
                b'x' | b'X' if escaped => return Typed { text, stop: true },
                _ if escaped => text.push(byte),
                ESCAPE => self.escaped = true,
                STOP => return Typed { text, stop: true },
                _ => text.push(byte),
            }
        }
        Typed { text, stop: false }
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;

    #[test]
    fn keys_go_to_the_system_but_for_control_c_and_control_a_x() {
        let sorted = |parts: &[&[u8]]| {
            let mut keys = Keys::default();
            let typed = parts.iter().map(|part| keys.sort(part));
            typed.fold((vec![], false), |(mut text, _), typed| {
                text.extend(typed.text);
                (text, typed.stop)
            })
        };
        let passed = |text: &[u8]| (text.to_vec(), false);
        let stopped = |text: &[u8]| (text.to_vec(), true);
        let all = b"hello\r\x04\x1b[A";
        assert_eq!(sorted(&[all]), passed(all));
        assert_eq!(sorted(&[b"ab\x03cd"]), stopped(b"ab"));
        assert_eq!(sorted(&[b"ab\x01x"]), stopped(b"ab"));
        assert_eq!(sorted(&[b"ab\x01", b"Xcd"]), stopped(b"ab"));
        assert_eq!(sorted(&[b"\x01\x03\x01\x01x"]), passed(b"\x03\x01x"));
        assert_eq!(sorted(&[b"\x01", b"\x03", b"x"]), passed(b"\x03x"));
        assert_eq!(sorted(&[b"a\x01"]), passed(b"a"));
    }
}
