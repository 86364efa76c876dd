//! `cargo xtask check`: finds what is wrong with systems before they boot.

use super::Verb;
use super::run::load;
use crate::arguments::Arguments;
use crate::failure::{Result, fail};
use crate::size;
use crate::workspace::Workspace;

pub(super) const VERB: Verb = Verb {
    name: "check",
    words: "[SYSTEM…]",
    about: "finds what is wrong with systems, all of configs/ if none is named",
    options: &[],
    run,
};

fn run(args: &[String]) -> Result<()> {
    let args = Arguments::parse(args, VERB.options)?;
    let workspace = Workspace::load()?;
    let mut names = args.words().to_vec();
    if names.is_empty() {
        let all = workspace.systems("configs");
        names = all
            .iter()
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
    }
    let mut bad = 0;
    for name in &names {
        match load(&workspace, name) {
            Ok(system) => println!(
                "{}: good; components {}, channels {}, memory {}",
                system.source.path.display(),
                system.components.len(),
                system.channels.len(),
                size::show(*system.ram.get_ref()),
            ),
            Err(problems) => {
                eprintln!("{problems}");
                bad += 1;
            }
        }
    }
    match bad {
        0 => Ok(()),
        1 => fail!("1 of {} systems cannot boot", names.len()),
        _ => fail!("{bad} of {} systems cannot boot", names.len()),
    }
}
