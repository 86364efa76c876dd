//! Builds, boots, tests, measures and draws systems: `cargo xtask help` lists the verbs.
//!
//! `verbs/` has one file per verb. Below them: `system/` reads, checks and compiles configuration files,
//! `build` runs cargo, `boot_image` packs, `l4re_image` changes what L4Re packed, `qemu` runs, `console`, `symbols` and `capture` read what the
//! machine prints, `setup` gets what is missing.
#![forbid(unsafe_code)]
#![allow(
    unreachable_pub,
    reason = "in a program, `pub` means: for the other modules"
)]

mod architecture;
mod arguments;
mod bochs;
mod boot_image;
mod build;
mod capture;
mod cargo;
mod code_lines;
mod console;
mod failure;
mod graph;
mod guests;
mod iso;
mod l4re_image;
mod qemu;
mod setup;
mod size;
mod sources;
mod suggest;
mod symbols;
mod system;
mod tcb;
mod temporary;
mod terminal;
mod trace;
mod verbs;
mod workspace;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match verbs::dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.status)
        }
    }
}
