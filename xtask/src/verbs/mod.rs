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

use crate::failure::{Result, fail};
use crate::suggest::suggestion;

/// One verb.
struct Verb {
    name: &'static str,
    usage: &'static str,
    about: &'static str,
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
    let Some((name, rest)) = args.split_first() else {
        help();
        return Ok(());
    };
    if ["help", "--help", "-h"].contains(&name.as_str()) {
        help();
        return Ok(());
    }
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else {
        let names: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
        fail!(
            "unknown command `{name}`{} (`cargo xtask help` lists them)",
            suggestion(name, &names)
        );
    };
    if rest.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!(
            "cargo xtask {} {}\n    {}",
            verb.name, verb.usage, verb.about
        );
        return Ok(());
    }
    (verb.run)(rest)
}

fn help() {
    println!("Builds, boots, tests and draws Brio systems.\n");
    for verb in VERBS {
        println!(
            "  cargo xtask {} {}\n      {}",
            verb.name, verb.usage, verb.about
        );
    }
    println!("\nA SYSTEM is the stem of a file in configs/ or a path to one.");
}
