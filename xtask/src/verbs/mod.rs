//! The verbs of the command line, one file each.

mod bench;
mod build;
mod check;
mod debug;
mod graph;
mod image;
mod new;
mod run;
mod setup;
mod size;
mod tcb;
mod test;
mod trace;

use crate::arguments::Options;
use crate::failure::{Result, fail};
use crate::suggest::suggestion;

/// One verb.
struct Verb {
    name: &'static str,
    /// What it is about: its arguments that are not options.
    words: &'static str,
    about: &'static str,
    options: &'static Options,
    run: fn(&[String]) -> Result<()>,
}

const VERBS: &[Verb] = &[
    run::VERB,
    test::VERB,
    bench::VERB,
    new::VERB,
    check::VERB,
    graph::VERB,
    debug::VERB,
    trace::VERB,
    image::VERB,
    build::VERB,
    size::VERB,
    tcb::VERB,
    setup::VERB,
];

/// Does what the command line says.
pub fn dispatch(args: &[String]) -> Result<()> {
    let asks_for_help = |arg: &String| arg == "--help" || arg == "-h";
    // `help VERB` is `VERB --help`.
    let (is_help, args) = match args {
        [first, rest @ ..] if first == "help" || asks_for_help(first) => (true, rest),
        _ => (args.iter().any(asks_for_help), args),
    };
    let Some((name, rest)) = args.split_first() else {
        help();
        return Ok(());
    };
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else {
        let names: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
        fail!(
            "unknown command `{name}`{} (`cargo xtask help` lists them)",
            suggestion(name, &names)
        );
    };
    if is_help {
        verb.help();
        return Ok(());
    }
    (verb.run)(rest)
}

/// The option for one architecture, of verbs that have to do with one and with both.
const THE_ARCH: (&str, &str) = (
    "--arch x86_64|aarch64",
    "its architecture; x86_64 if not given and the system is for that",
);
const ONE_ARCH: (&str, &str) = ("--arch x86_64|aarch64", "one architecture instead of both");

/// What names a system on the command line.
const SYSTEM: &str = "A SYSTEM is the stem of a file in configs/ or a path to one.";

fn help() {
    println!("Builds, boots, tests, measures and draws systems of components.\n");
    for verb in VERBS {
        let command = format!("{} {}", verb.name, verb.words);
        println!("  cargo xtask {command:16} {}", verb.about);
    }
    println!("\n`cargo xtask VERB --help` lists the options of one. {SYSTEM}");
}

impl Verb {
    fn help(&self) {
        println!("cargo xtask {} {}", self.name, self.words);
        println!("    {}", self.about);
        if !self.options.is_empty() {
            println!();
        }
        for (usage, about) in self.options {
            println!("  {usage:24} {about}");
        }
        if self.words.contains("SYSTEM") {
            println!("\n{SYSTEM}");
        }
    }
}
