//! The frames of a port of a virtual switch, as a file on the host: the switch prints what is to be in
//! the file (`servers/virtio-switch/src/capture.rs`), and here it is collected.

use crate::console::plain;
use crate::failure::{Context, Failure, Result, fail};
use crate::system::{Channel, FileContent, Grant, System};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use toml::Spanned;

/// The program of switches, and the argument of a client whose frames are to be printed.
const SWITCH: &str = "virtio-switch";
const ARGUMENT: &str = "capture=log";
/// The name of a gate that is somebody's log.
const LOG: &str = "log";
/// What a printed piece of the file begins with.
const MARK: &str = " | pcap ";
/// Longest file.
const LONGEST: u64 = 1 << 32;

/// A capture that goes on.
#[derive(Debug)]
pub struct Capture {
    path: PathBuf,
    file: File,
    /// How the lines of the switch can begin; no other component's do.
    marks: [String; 2],
    /// A line that may be such a one, as it came.
    held: Vec<u8>,
    /// The first thing that went wrong.
    failure: Option<Failure>,
}

impl Capture {
    /// Lets a system's switch print the frames of a port: `text` is PORT=FILE, the port that of the
    /// component PORT.
    pub fn new(system: &mut System, text: &str) -> Result<Self> {
        let Some((port, path)) = text.split_once('=') else {
            fail!("option `--capture` expects PORT=FILE, not `{text}`");
        };
        let programs = system.components.iter().map(|component| {
            (
                component.name.get_ref().clone(),
                component.program.module().content,
            )
        });
        let is_switch = FileContent::Package(SWITCH.into());
        let switches: Vec<String> = programs
            .filter(|(_, content)| *content == is_switch)
            .map(|(name, _)| name)
            .collect();
        let mut found = None;
        for channel in &mut system.channels {
            let server = channel.server.get_ref();
            let mut clients = channel.clients.iter_mut();
            if switches.contains(server)
                && let Some(client) = clients.find(|client| client.component.get_ref() == port)
            {
                client.args.push(Spanned::new(0..0, ARGUMENT.into()));
                found = Some(server.clone());
            }
        }
        let Some(switch) = found else {
            fail!(
                "no component `{port}` has a port of a `{SWITCH}` in system `{}`",
                system.name
            );
        };
        let path = PathBuf::from(path);
        let file = File::create(&path).context(|| path.display())?;
        let shows_switch = |channel: &&Channel| {
            let is_log =
                |grant: &Grant| *grant.component.get_ref() == switch && grant.name.get_ref() == LOG;
            channel.clients.iter().any(is_log)
        };
        let console = system.channels.iter().find(shows_switch);
        let console = console.map_or(&switch, |channel| channel.server.get_ref());
        Ok(Self {
            marks: [
                format!("{switch}{MARK}"),
                format!("{console}/{switch}{MARK}"),
            ],
            path,
            file,
            held: vec![],
            failure: None,
        })
    }

    /// Takes bytes of the console, at most to the end of a line, and returns what of it is not the file's.
    pub fn filter(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let line = plain(&self.held);
        let is_piece = self
            .marks
            .iter()
            .any(|mark| line.starts_with(mark.as_str()));
        let may_be = is_piece || self.marks.iter().any(|mark| mark.starts_with(&line));
        match (self.held.ends_with(b"\n"), is_piece, may_be) {
            (true, true, _) => {
                self.held.clear();
                if let Err(failure) = self.add(&line) {
                    self.failure.get_or_insert(failure);
                }
                vec![]
            }
            (false, _, true) => vec![],
            _ => std::mem::take(&mut self.held),
        }
    }

    /// Writes one piece to the file.
    fn add(&self, line: &str) -> Result<()> {
        let piece = line.split_once(MARK).and_then(|(_, piece)| parse(piece));
        let Some((offset, bytes)) = piece else {
            fail!("the switch printed what is no piece of a capture: {line}");
        };
        let written = self.file.write_all_at(&bytes, offset);
        written.context(|| self.path.display())
    }

    /// One line about the whole file.
    pub fn finish(self) -> Result<String> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let path = self.path.display();
        let file = std::fs::read(&self.path).context(|| path.to_string())?;
        match frames(&file) {
            Some(frames) => Ok(format!("{path}: {} frames", frames.len())),
            None => fail!("{path}: no capture has come"),
        }
    }
}

/// Offset and bytes of a piece: `OFFSET BYTES`.
fn parse(piece: &str) -> Option<(u64, Vec<u8>)> {
    let (offset, bytes) = piece.trim_end().split_once(' ')?;
    let offset = u64::from_str_radix(offset, 16).ok()?;
    let digits: Option<Vec<u8>> = bytes.chars().map(|c| Some(c.to_digit(16)? as u8)).collect();
    let (pairs, []) = digits.as_ref()?.as_chunks::<2>() else {
        return None;
    };
    let bytes = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    (offset < LONGEST).then_some((offset, bytes))
}

/// The frames in a capture file (pcap of Ethernet, in this byte order); `None` if it is none.
pub fn frames(file: &[u8]) -> Option<Vec<&[u8]>> {
    const HEADER: [u8; 8] = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
    const ETHERNET: [u8; 4] = [1, 0, 0, 0];
    let (header, mut records) = file.split_at_checked(24)?;
    if header[..8] != HEADER || header[20..] != ETHERNET {
        return None;
    }
    let mut frames = vec![];
    while !records.is_empty() {
        let (head, rest) = records.split_at_checked(16)?;
        let word = |at| {
            head[at..]
                .first_chunk()
                .map(|bytes| u32::from_le_bytes(*bytes))
        };
        // Nothing is cut: as much was captured as there was.
        let length = word(8).filter(|length| word(12) == Some(*length))?;
        let (frame, rest) = rest.split_at_checked(length as usize)?;
        frames.push(frame);
        records = rest;
    }
    Some(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_hexadecimal() {
        assert_eq!(parse("18 00ff1A\r"), Some((0x18, vec![0, 0xff, 0x1a])));
        for wrong in ["", "18", "18 0", "x 00", "18 0g", "100000000 00", "-1 00"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_capture_has_a_head_and_whole_records() {
        let mut file = vec![0; 24];
        file[..8].copy_from_slice(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0]);
        file[20] = 1;
        assert_eq!(frames(&file), Some(vec![]));
        let record = [&[9; 8][..], &[2, 0, 0, 0, 2, 0, 0, 0], &[7, 8]].concat();
        file.extend(&record);
        file.extend(&record);
        assert_eq!(frames(&file), Some(vec![&[7, 8][..]; 2]));
        assert_eq!(frames(&file[..file.len() - 1]), None);
        assert_eq!(frames(&file[1..]), None);
        assert_eq!(frames(b""), None);
    }
}
