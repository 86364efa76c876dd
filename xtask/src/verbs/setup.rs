//! `cargo xtask setup`: gets everything that any verb needs.

use super::Verb;
use crate::arguments::Arguments;
use crate::failure::Result;
use crate::setup;

pub(super) const VERB: Verb = Verb {
    name: "setup",
    usage: "",
    about: "installs what is missing; the other commands do it too, each for itself",
    run,
};

fn run(args: &[String]) -> Result<()> {
    Arguments::parse(args, &[], &[])?.no_words()?;
    setup::everything()?;
    println!("Everything is there. Boot a system with `cargo xtask run hello`.");
    Ok(())
}
