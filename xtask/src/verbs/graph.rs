//! `cargo xtask graph`: draws systems.

use super::Verb;
use super::run::load;
use crate::arguments::Arguments;
use crate::boot_image::write_file;
use crate::failure::{Result, fail};
use crate::graph;
use crate::workspace::{Workspace, relative};
use std::path::PathBuf;

pub(super) const VERB: Verb = Verb {
    name: "graph",
    words: "SYSTEM…",
    about: "draws systems: components, channels and rights",
    options: &[("-o FILE", "where to draw it, as SVG")],
    run,
};

fn run(args: &[String]) -> Result<()> {
    let args = Arguments::parse(args, VERB.options)?;
    let workspace = Workspace::load()?;
    let output = args.text("-o").map(PathBuf::from);
    match args.words() {
        [] => fail!("a SYSTEM is missing; see `cargo xtask help`"),
        [_, _, ..] if output.is_some() => {
            fail!("-o names one file; draw one system at a time with it")
        }
        names => {
            for name in names {
                let system = load(&workspace, name)?;
                let default = || {
                    workspace
                        .built_folder()
                        .join("graphs")
                        .join(system.file_name() + ".svg")
                };
                let path = output.clone().unwrap_or_else(default);
                write_file(&path, graph::draw(&system).as_bytes())?;
                println!("{}", relative(&path).display());
            }
            Ok(())
        }
    }
}
