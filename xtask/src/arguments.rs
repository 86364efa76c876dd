//! Command-line arguments: words, `--option VALUE` and `--flag`.

use crate::architecture::Architecture;
use crate::failure::{Context, Result, fail};
use crate::size;
use crate::suggest::suggestion;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The options that a verb has: how each is written, `--flag` or `--option VALUE`, and what it means.
pub type Options = [(&'static str, &'static str)];

/// The numbers of CPUs that a machine can have.
pub const CPUS: RangeInclusive<u64> = 1..=64;

/// The arguments of one verb.
pub struct Arguments {
    words: Vec<String>,
    options: Vec<(String, String)>,
}

impl Arguments {
    /// Sorts `args` into words and options. A flag stands alone, another option is followed by its value
    /// (or has it after `=`); one that is not in `known` is an error.
    pub fn parse(args: &[String], known: &Options) -> Result<Self> {
        let mut parsed = Self {
            words: vec![],
            options: vec![],
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            if !arg.starts_with('-') || arg == "-" {
                parsed.words.push(arg.clone());
                continue;
            }
            let (name, value) = match arg.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (arg.as_str(), None),
            };
            let mut written = known.iter().map(|(usage, _)| *usage);
            match written.find(|usage| usage.split(' ').next() == Some(name)) {
                Some(usage) if usage != name => {
                    let Some(value) = value.or_else(|| args.next().cloned()) else {
                        fail!("option `{name}` needs a value: `{usage}`");
                    };
                    parsed.options.push((name.to_owned(), value));
                }
                Some(_) if value.is_none() => parsed.options.push((name.to_owned(), String::new())),
                Some(_) => fail!("option `{name}` has no value"),
                None => {
                    let names = known.iter().flat_map(|(usage, _)| usage.split(' ').next());
                    let near = suggestion(name, &names.collect::<Vec<&str>>());
                    fail!("unknown option `{arg}`{near} (`--help` lists them)");
                }
            }
        }
        Ok(parsed)
    }

    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The only word; `what` names it in the error.
    pub fn word(&self, what: &str) -> Result<&str> {
        match self.words.as_slice() {
            [word] => Ok(word),
            [] => fail!("a {what} is missing; see `cargo xtask help`"),
            [_, extra, ..] => fail!("unexpected argument `{extra}`: only one {what} is expected"),
        }
    }

    /// Fails if there are words.
    pub fn no_words(&self) -> Result<()> {
        match self.words.first() {
            Some(word) => fail!("unexpected argument `{word}`"),
            None => Ok(()),
        }
    }

    pub fn flag(&self, name: &str) -> bool {
        self.options.iter().any(|(option, _)| option == name)
    }

    /// The value of an option; the last one counts.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .rev()
            .find(|(option, _)| option == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => fail!("option `{name}` expects a number, not `{text}`"),
        }
    }

    /// A number that must be in `range`.
    pub fn number_in<T: FromStr + PartialOrd + Display>(
        &self,
        name: &str,
        range: RangeInclusive<T>,
    ) -> Result<Option<T>> {
        let number = self.number(name)?;
        if let Some(number) = &number
            && !range.contains(number)
        {
            let (first, last) = (range.start(), range.end());
            fail!("option `{name}` can be from {first} to {last}, not {number}");
        }
        Ok(number)
    }

    /// The memory of a machine, such as `512M`: emulators take whole megabytes.
    pub fn memory(&self, name: &str) -> Result<Option<u64>> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let bytes = size::parse(text).context(|| format!("option `{name}`"))?;
        if bytes == 0 || !bytes.is_multiple_of(1 << 20) {
            fail!("option `{name}` expects whole megabytes such as `512M`, not `{text}`");
        }
        Ok(Some(bytes))
    }

    pub fn architecture(&self) -> Result<Option<Architecture>> {
        self.text("--arch").map(Architecture::from_name).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;

    fn parse(args: &[&str]) -> Result<Arguments, String> {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let known = [
            ("--kvm", ""),
            ("--arch A", ""),
            ("--smp N", ""),
            ("--mem SIZE", ""),
        ];
        Arguments::parse(&args, &known).map_err(|e| e.to_string())
    }

    #[test]
    fn words_options_and_flags_may_be_mixed() {
        let args = parse(&["--smp", "4", "hello", "--arch=aarch64", "--kvm"]).unwrap();
        assert_eq!(args.words(), ["hello"]);
        assert_eq!(args.number::<u32>("--smp").unwrap(), Some(4));
        assert_eq!(args.text("--arch"), Some("aarch64"));
        assert!(args.flag("--kvm"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(
            parse(&["--smb", "4"])
                .err()
                .unwrap()
                .contains("did you mean `--smp`")
        );
        assert!(parse(&["--smp"]).err().unwrap().contains("needs a value"));
        assert!(parse(&["--kvm=1"]).err().unwrap().contains("has no value"));
        assert!(parse(&["--kv"]).err().unwrap().contains("--kvm"));
        assert!(parse(&["smp", "-N"]).err().unwrap().contains("unknown"));
        assert!(
            parse(&["--smp", "x"])
                .unwrap()
                .number::<u32>("--smp")
                .is_err()
        );
    }

    #[test]
    fn what_no_machine_can_be_is_refused() {
        for (text, good) in [("1", true), ("64", true), ("0", false), ("65", false)] {
            let cpus = parse(&["--smp", text]).unwrap();
            assert_eq!(cpus.number_in("--smp", super::CPUS).is_ok(), good, "{text}");
        }
        for (text, good) in [("64M", true), ("1G", true), ("5", false), ("0M", false)] {
            let memory = parse(&["--mem", text]).unwrap();
            assert_eq!(memory.memory("--mem").is_ok(), good, "{text}");
        }
    }
}
