//! Addresses in backtraces, turned into functions and lines on the host: the system itself carries no
//! symbol tables.

use crate::architecture::Architecture;
use crate::build::{Kernel, kernel_path, program_path};
use crate::workspace::{Workspace, package_and_features};
use addr2line::Loader;
use std::collections::HashMap;
use std::path::PathBuf;

/// Finds and keeps the debug information of programs.
pub struct Symbols {
    programs: HashMap<String, Option<Loader>>,
    root: PathBuf,
    path: Box<dyn Fn(&str) -> PathBuf>,
}

/// Most frames of one backtrace line that are looked up.
const FRAMES_MAX: usize = 64;

impl Symbols {
    /// Symbols of what was built for `arch`, with this kernel.
    pub fn new(workspace: &Workspace, arch: Architecture, kernel: Kernel) -> Self {
        let mut programs: HashMap<String, PathBuf> = (workspace.programs().into_iter())
            .chain(crate::workspace::BASE)
            .chain(["ned"])
            .map(|name| (name.to_owned(), program_path(workspace, arch, name)))
            .collect();
        programs.insert("kernel".into(), kernel_path(workspace, arch, kernel));
        Self {
            programs: HashMap::new(),
            root: workspace.root().into(),
            path: Box::new(move |name| {
                let (package, features) = package_and_features(name);
                match programs.get(package) {
                    // The name comes from the console: it must not lead elsewhere.
                    Some(path) if !name.contains('/') && !features.is_empty() => {
                        path.with_file_name(name)
                    }
                    path => path.cloned().unwrap_or_default(),
                }
            }),
        }
    }

    /// If a line of the console holds a backtrace (`backtrace PROGRAM ADDRESS …`), one line per frame.
    pub fn explain(&mut self, line: &str) -> Vec<String> {
        let Some((program, addresses)) = parse(line) else {
            return vec![];
        };
        let path = &self.path;
        let loader = self
            .programs
            .entry(program.clone())
            .or_insert_with(|| Loader::new(path(&program)).ok());
        let Some(loader) = loader else { return vec![] };
        let mut lines = vec![];
        for (index, &address) in addresses.iter().take(FRAMES_MAX).enumerate() {
            // All but the innermost are return addresses: the call lies before them.
            let probe = if index == 0 {
                address
            } else {
                address.saturating_sub(1)
            };
            lines.extend(frames(loader, probe, &self.root, address));
        }
        lines
    }
}

/// The functions, inlined ones included, that an address lies in.
fn frames(loader: &Loader, probe: u64, root: &std::path::Path, address: u64) -> Vec<String> {
    let mut lines = vec![];
    if let Ok(mut frames) = loader.find_frames(probe) {
        while let Ok(Some(frame)) = frames.next() {
            let Some(function) = frame
                .function
                .as_ref()
                .and_then(|name| name.raw_name().ok())
            else {
                continue;
            };
            let place = frame
                .location
                .as_ref()
                .and_then(|location| Some((location.file?, location.line?)));
            let place = place.map_or(String::new(), |(file, line)| {
                let file = file
                    .strip_prefix(root.to_str().unwrap_or(""))
                    .unwrap_or(file);
                format!(" at {}:{line}", file.trim_start_matches('/'))
            });
            lines.push(format!(
                "    {address:#x} {:#}{place}",
                rustc_demangle::demangle(&function)
            ));
        }
    }
    if lines.is_empty() {
        let name = loader.find_symbol(probe).map_or("?".into(), |name| {
            format!("{:#}", rustc_demangle::demangle(name))
        });
        lines.push(format!("    {address:#x} {name}"));
    }
    lines
}

/// The program and the addresses of a line that ends in `backtrace PROGRAM ADDRESS …`.
fn parse(line: &str) -> Option<(String, Vec<u64>)> {
    let mut words = line.rsplit_once("backtrace ")?.1.split_ascii_whitespace();
    let program = words.next()?.to_owned();
    let number = |word: &str| u64::from_str_radix(word.strip_prefix("0x").unwrap_or(word), 16).ok();
    let addresses: Option<Vec<u64>> = words.map(number).collect();
    Some((program, addresses?)).filter(|(_, addresses)| !addresses.is_empty())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_backtrace_line_names_a_program_and_addresses() {
        let expected = Some(("hello".to_owned(), vec![0x100_1234, 0x100_0010]));
        assert_eq!(parse("hello | backtrace hello 0x1001234 1000010"), expected);
        assert_eq!(parse("backtrace hello 0x1001234 0x1000010\r"), expected);
    }

    #[test]
    fn other_lines_do_not() {
        for line in [
            "",
            "backtrace",
            "backtrace hello",
            "a backtrace of hello",
            "backtrace x 12 zz",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
