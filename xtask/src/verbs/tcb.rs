//! `cargo xtask tcb`: how many lines each component of a system has to trust.

use super::run::load;
use super::{THE_ARCH, Verb};
use crate::architecture::Architecture;
use crate::arguments::Arguments;
use crate::boot_image::write_file;
use crate::build::{Builder, OptionsBlock, Profile};
use crate::code_lines::Lines;
use crate::failure::{Result, fail};
use crate::system::System;
use crate::tcb::chart::{self, grouped};
use crate::tcb::{Base, Counter, Part};
use crate::workspace::{Workspace, relative};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

pub(super) const VERB: Verb = Verb {
    name: "tcb",
    words: "SYSTEM…",
    about: "counts the lines of code that each component has to trust",
    options: &[
        THE_ARCH,
        (
            "--explain COMPONENT",
            "lists the files that one component trusts, instead of the table",
        ),
        ("--max LINES", "fails if a component trusts more own lines"),
        ("--csv FILE", "writes the figures"),
        (
            "-o FILE",
            "where to draw them beside those of other systems, as SVG",
        ),
    ],
    run,
};

fn run(args: &[String]) -> Result<()> {
    let args = Arguments::parse(args, VERB.options)?;
    if args.words().is_empty() {
        fail!("a SYSTEM is missing; see `cargo xtask help`");
    }
    let most: Option<usize> = args.number("--max")?;
    let workspace = Workspace::load()?;
    let systems: Vec<System> = (args.words().iter())
        .map(|name| load(&workspace, name))
        .collect::<Result<_>>()?;
    let explained = args.text("--explain");
    if let Some(component) = explained {
        let components = systems.iter().flat_map(|system| &system.components);
        let roots = systems.iter().filter_map(|system| system.root.as_ref());
        let names: Vec<String> = components
            .map(|component| component.name.get_ref().clone())
            .chain(roots.map(|root| root.module().name))
            .collect();
        if !names.iter().any(|name| name == component) {
            fail!(
                "no component is called `{component}`; there are {}",
                names.join(", ")
            );
        }
    }
    let arch = args.architecture()?.unwrap_or(Architecture::DEFAULT);
    let mut counter = Counter::new(Builder {
        workspace: &workspace,
        arch,
        profile: Profile::Checked,
        options_block: OptionsBlock::V5,
    });
    let mut bases = vec![];
    for system in &systems {
        bases.extend(counter.count(system)?);
    }
    if let Some(component) = explained {
        let named = bases.iter().filter(|base| base.component == component);
        named.for_each(|base| print!("{}", explanation(base, workspace.root())));
    } else {
        print!("{}", table(&bases));
    }
    if let Some(path) = args.text("--csv") {
        write_file(Path::new(path), csv(&bases).as_bytes())?;
    }
    let default = || {
        let folder = workspace.output(arch).join("tcb");
        folder.join(format!("{}.svg", bases[0].system))
    };
    let chart = args.text("-o").map_or_else(default, PathBuf::from);
    write_file(&chart, chart::draw(&bases).as_bytes())?;
    println!("{}", relative(&chart).display());
    most.map_or(Ok(()), |most| judge(&bases, most))
}

/// Fails if a component trusts more own lines than `most`, or what cannot be counted.
fn judge(bases: &[Base], most: usize) -> Result<()> {
    for base in bases {
        let (name, own) = (&base.component, base.lines(true, None).all);
        if let [foreign, ..] = base.foreign.as_slice() {
            fail!("`{name}` trusts {foreign}, whose lines cannot be counted");
        }
        if own > most {
            fail!("`{name}` trusts {own} lines, more than {most}; `--explain {name}` lists them");
        }
    }
    Ok(())
}

/// One row a component: own lines of each part, then sums.
fn table(bases: &[Base]) -> String {
    let mut text = format!("{:<24}", "component");
    let parts = Part::ALL.map(Part::name);
    for title in parts
        .into_iter()
        .chain(["own", "unsafe", "asm", "crates", "unsafe", "asm"])
    {
        let _ = write!(text, " {title:>9}");
    }
    text.push('\n');
    for base in bases {
        let _ = write!(text, "{:<24}", base.component);
        for part in Part::ALL {
            let _ = write!(text, " {:>9}", grouped(base.lines(true, Some(part)).all));
        }
        for is_own in [true, false] {
            let lines = base.lines(is_own, None);
            for number in [lines.all, lines.unsafe_code, lines.assembler] {
                let _ = write!(text, " {:>9}", grouped(number));
            }
        }
        text.push('\n');
        for foreign in &base.foreign {
            let _ = writeln!(text, "    and {foreign}, which cannot be counted");
        }
    }
    text
}

/// One line for each part of each component.
fn csv(bases: &[Base]) -> String {
    let mut text = "system,architecture,component,part,own,own_unsafe,own_assembler,\
                    crates,crates_unsafe,crates_assembler\n"
        .to_owned();
    for base in bases {
        for part in Part::ALL {
            let (own, crates) = (base.lines(true, Some(part)), base.lines(false, Some(part)));
            let numbers = [own, crates]
                .map(|lines| format!("{},{},{}", lines.all, lines.unsafe_code, lines.assembler));
            let _ = writeln!(
                text,
                "{},{},{},{},{}",
                base.system,
                base.arch,
                base.component,
                part.name(),
                numbers.join(",")
            );
        }
    }
    text
}

/// The files of a component, by part and package.
fn explanation(base: &Base, root: &Path) -> String {
    let mut text = format!("{} of {} on {}\n", base.component, base.system, base.arch);
    let row = |text: &mut String, indent: usize, name: &str, lines: Lines| {
        let _ = writeln!(
            text,
            "{:indent$}{name:<width$} {:>7} {:>7} {:>7}",
            "",
            lines.all,
            lines.unsafe_code,
            lines.assembler,
            width = 64 - indent
        );
    };
    let _ = writeln!(
        text,
        "{:<64} {:>7} {:>7} {:>7}",
        "", "lines", "unsafe", "asm"
    );
    for part in Part::ALL {
        for is_own in [true, false] {
            let mut packages: BTreeMap<&str, Vec<_>> = BTreeMap::new();
            for trusted in &base.files {
                if trusted.part == part && trusted.file.is_own == is_own {
                    packages
                        .entry(&trusted.file.package)
                        .or_default()
                        .push(trusted);
                }
            }
            for (package, files) in packages {
                let mut sum = Lines::default();
                files.iter().for_each(|trusted| sum += trusted.lines);
                let origin = if is_own {
                    ""
                } else {
                    ", a crate from elsewhere"
                };
                row(
                    &mut text,
                    0,
                    &format!("{}: {package}{origin}", part.name()),
                    sum,
                );
                for trusted in files {
                    let path = &trusted.file.path;
                    let short = path.strip_prefix(root).unwrap_or(path);
                    // Of a crate's path, what is inside of the crate.
                    let short = short.to_string_lossy();
                    let short = short.rsplit_once("/src/").filter(|_| !is_own);
                    let name = match short {
                        Some((_, inner)) => format!("src/{inner}"),
                        None => path
                            .strip_prefix(root)
                            .unwrap_or(path)
                            .display()
                            .to_string(),
                    };
                    row(&mut text, 4, &name, trusted.lines);
                }
            }
        }
    }
    row(&mut text, 0, "own", base.lines(true, None));
    row(&mut text, 0, "crates", base.lines(false, None));
    for foreign in &base.foreign {
        let _ = writeln!(text, "and {foreign}, which cannot be counted");
    }
    text
}
