//! `cargo xtask setup`: gets everything that any verb needs.

use super::Verb;
use crate::architecture::Architecture;
use crate::arguments::Arguments;
use crate::failure::Result;
use crate::guests::{self, Guest};
use crate::setup;
use crate::workspace::Workspace;

pub(super) const VERB: Verb = Verb {
    name: "setup",
    words: "",
    about: "installs what any command needs; each also does it for itself",
    options: &[],
    run,
};

fn run(args: &[String]) -> Result<()> {
    Arguments::parse(args, VERB.options)?.no_words()?;
    setup::everything()?;
    let workspace = Workspace::load()?;
    for arch in Architecture::ALL {
        guests::file(&workspace, Guest::Linux, arch)?;
    }
    println!("Everything is there. Boot a system with `cargo xtask run hello`.");
    Ok(())
}
