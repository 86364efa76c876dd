//! `cargo xtask build`: builds kernel, servers and all programs.

use super::{ONE_ARCH, Verb};
use crate::architecture::Architecture;
use crate::arguments::Arguments;
use crate::build::{Builder, Kernel, OptionsBlock, Profile, Purpose};
use crate::failure::{Result, fail};
use crate::workspace::{Workspace, relative};

pub(super) const VERB: Verb = Verb {
    name: "build",
    words: "",
    about: "builds everything into target/brio/ARCH/, where kernel.elf is the kernel",
    options: &[
        ONE_ARCH,
        (
            "--release",
            "the kernel without assertions, as images have it",
        ),
        (
            "--options-block 5|6",
            "version of the kernel's options, for a bootstrap of L4Re",
        ),
    ],
    run,
};

fn run(args: &[String]) -> Result<()> {
    let args = Arguments::parse(args, VERB.options)?;
    args.no_words()?;
    let options_block = match args.text("--options-block") {
        None | Some("5") => OptionsBlock::V5,
        Some("6") => OptionsBlock::V6,
        Some(other) => fail!("there is no options block {other}; there are 5 and 6"),
    };
    let profile = if args.flag("--release") {
        Profile::Release
    } else {
        Profile::Checked
    };
    let workspace = Workspace::load()?;
    let archs = args
        .architecture()?
        .map_or(Architecture::ALL.to_vec(), |arch| vec![arch]);
    for arch in archs {
        let builder = Builder {
            workspace: &workspace,
            arch,
            profile,
            options_block,
        };
        builder.build(&workspace.programs(), &[Kernel::whole(Purpose::Plain)])?;
        println!("{arch}: {}", relative(&workspace.output(arch)).display());
    }
    Ok(())
}
