//! Command-line arguments: words, `--option VALUE` and `--flag`.

use crate::architecture::Architecture;
use crate::failure::{Context, Result, fail};
use crate::size;
use crate::suggest::suggestion;
use std::str::FromStr;

/// The arguments of one verb.
pub struct Arguments {
    words: Vec<String>,
    options: Vec<(String, String)>,
}

impl Arguments {
    /// Sorts `args` into words and options. An option in `flags` stands alone, one in `values` is
    /// followed by its value (or has it after `=`); any other is an error.
    pub fn parse(args: &[String], flags: &[&str], values: &[&str]) -> Result<Self> {
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
            if flags.contains(&name) && value.is_none() {
                parsed.options.push((name.to_owned(), String::new()));
            } else if values.contains(&name) {
                let Some(value) = value.or_else(|| args.next().cloned()) else {
                    fail!("option `{name}` needs a value");
                };
                parsed.options.push((name.to_owned(), value));
            } else {
                let known: Vec<&str> = flags.iter().chain(values).copied().collect();
                fail!("unknown option `{arg}`{}", suggestion(name, &known));
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

    /// A size such as `512M`.
    pub fn size(&self, name: &str) -> Result<Option<u64>> {
        self.text(name)
            .map(|text| size::parse(text).context(|| format!("option `{name}`")))
            .transpose()
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
        Arguments::parse(&args, &["--kvm"], &["--arch", "--smp"]).map_err(|e| e.to_string())
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
        assert!(
            parse(&["--kvm=1"])
                .err()
                .unwrap()
                .contains("unknown option")
        );
        assert!(
            parse(&["--smp", "x"])
                .unwrap()
                .number::<u32>("--smp")
                .is_err()
        );
    }
}
