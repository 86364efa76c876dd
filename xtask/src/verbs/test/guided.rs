//! Readers of untrusted bytes, fed by a fuzzer that watches which code its inputs reach.
//!
//! libFuzzer works with stable Rust: the compiler's coverage pass is asked for by name.

use super::{Outcome, Report};
use crate::cargo;
use crate::failure::{Context, Result, fail};
use crate::setup;
use crate::system::{System, compile};
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PACKAGE: &str = "fuzz-targets";

/// Its programs: what is fuzzed, and how long the inputs may become.
const TARGETS: [(&str, usize); 3] = [("description", 8192), ("elf", 4096), ("virtqueue", 2048)];

/// Inputs that each gets.
const RUNS: usize = 2_000_000;

/// Counters for each edge of the control flow, and the operands of comparisons.
const FLAGS: &str = "-Cpasses=sancov-module -Ccodegen-units=1 -Cdebug-assertions \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Lines of the fuzzer's messages that are shown when it finds something.
const SHOWN_LINES: usize = 40;

pub(super) fn run(
    workspace: &Workspace,
    report: &mut Report,
    long: bool,
    selected: &dyn Fn(&str) -> bool,
) -> Result<()> {
    for (target, length) in TARGETS {
        let name = format!("guided {target}");
        if !selected(&name) {
            continue;
        }
        report.run(&name, || match long {
            true => fuzz(workspace, target, length).map(|()| Outcome::Passed),
            false => Ok(Outcome::Skipped("only with --long".into())),
        });
    }
    Ok(())
}

fn fuzz(workspace: &Workspace, target: &str, length: usize) -> Result<()> {
    let program = build(workspace, target)?;
    // What reached new code stays there: the next time begins with it.
    let corpus = workspace.build_folder("guided-corpus").join(target);
    std::fs::create_dir_all(&corpus).context(|| format!("creating {}", corpus.display()))?;
    plant(workspace, target, &corpus)?;
    println!("Fuzzing {target}: {RUNS} inputs");
    let output = Command::new(&program)
        .args([format!("-runs={RUNS}"), format!("-max_len={length}")])
        .args(["-seed=1", "-timeout=10", "-verbosity=0"])
        .arg(format!("-artifact_prefix={}-", corpus.display()))
        .arg(&corpus)
        .stdin(Stdio::null())
        .output()
        .context(|| format!("running {}", program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let messages = String::from_utf8_lossy(&output.stderr);
    let messages: Vec<&str> = messages.lines().collect();
    let last = messages.len().saturating_sub(SHOWN_LINES);
    (messages[last..].iter()).for_each(|line| println!("      {line}"));
    fail!("an input was found that fails; its file is named above")
}

/// Puts inputs into a corpus that the reader accepts: it would take long to find any.
fn plant(workspace: &Workspace, target: &str, corpus: &Path) -> Result<()> {
    let write = |name: &str, content: Vec<u8>| {
        let file = corpus.join(name);
        std::fs::write(&file, content).context(|| format!("writing {}", file.display()))
    };
    match target {
        "elf" => return write("example", fuzz_targets::example_elf()),
        "virtqueue" => return write("example", fuzz_targets::example_virtqueue()),
        _ => {}
    }
    for path in workspace.systems("configs") {
        if let Ok(system) = System::read(&path) {
            write(&system.file_name(), compile::compile(&system)?)?;
        }
    }
    Ok(())
}

/// The fuzzer's program for a target.
fn build(workspace: &Workspace, target: &str) -> Result<PathBuf> {
    setup::cxx()?;
    let host = host()?;
    let program = format!("guided-{target}");
    let folder = workspace.build_folder("guided");
    let mut command = cargo::command(workspace.root());
    command
        .args(["build", "--release", "--package", PACKAGE])
        .args(["--features", "libfuzzer", "--bin", &program])
        // With a target, the flags are not for build scripts.
        .args(["--target", &host, "--target-dir"])
        .arg(&folder)
        .env("RUSTFLAGS", FLAGS);
    if !cargo::run(command)? {
        fail!("building {program} failed (cargo's messages are above)");
    }
    Ok(folder.join(host).join("release").join(program))
}

/// What rustc calls this machine.
fn host() -> Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context(|| "running rustc")?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().find_map(|line| line.strip_prefix("host: ")) {
        Some(host) => Ok(host.to_owned()),
        None => fail!("`rustc -vV` does not say what it runs on"),
    }
}
