//! The kernel, and readers of untrusted bytes, fed by a fuzzer that watches which code its inputs
//! reach.
//!
//! libFuzzer works with stable Rust: the compiler's coverage pass is asked for by name. The kernel's
//! own tests are the program that it drives there, for they have the machine that the kernel needs.

use super::{Outcome, Report};
use crate::cargo;
use crate::failure::{Context, Result, fail};
use crate::setup;
use crate::system::{System, compile};
use crate::workspace::Workspace;
use fuzz::Choices;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// What is fuzzed.
struct Target {
    name: &'static str,
    /// How cargo makes and starts its program.
    cargo: &'static str,
    /// How many inputs it gets, and how many bytes they may have.
    runs: usize,
    length: usize,
}

const TARGETS: [Target; 8] = [
    Target {
        name: "description",
        cargo: "run -p fuzz-targets -F libfuzzer --bin guided-description",
        runs: 2_000_000,
        length: 8192,
    },
    Target {
        name: "elf",
        cargo: "run -p fuzz-targets -F libfuzzer --bin guided-elf",
        runs: 2_000_000,
        length: 4096,
    },
    Target {
        name: "virtqueue",
        cargo: "run -p fuzz-targets -F libfuzzer --bin guided-virtqueue",
        runs: 2_000_000,
        length: 2048,
    },
    Target {
        name: "block",
        cargo: "run -p fuzz-targets -F libfuzzer --bin guided-block",
        runs: 1_000_000,
        length: 4096,
    },
    Target {
        name: "switch",
        cargo: "run -p fuzz-targets -F libfuzzer --bin guided-switch",
        runs: 300_000,
        length: 2048,
    },
    Target {
        name: "guest-pc",
        cargo: "run -p fuzz-targets -F libfuzzer --bin guided-guest-pc",
        runs: 1_000_000,
        length: 2048,
    },
    Target {
        name: "guest-arm",
        cargo: "run -p fuzz-targets -F libfuzzer --bin guided-guest-arm",
        runs: 1_000_000,
        length: 2048,
    },
    Target {
        name: "kernel",
        cargo: "test -p kernel --lib",
        runs: 100_000,
        length: 4096,
    },
];

/// Counters for each edge of the control flow, and the operands of comparisons.
const FLAGS: &str = "--cfg guided -Cpasses=sancov-module -Ccodegen-units=1 -Cdebug-assertions \
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
    for target in &TARGETS {
        let name = format!("guided {}", target.name);
        if !selected(&name) {
            continue;
        }
        report.run(&name, || match long {
            true => fuzz(workspace, target).map(|()| Outcome::Passed),
            false => Ok(Outcome::Skipped("only with --long".into())),
        });
    }
    Ok(())
}

fn fuzz(workspace: &Workspace, target: &Target) -> Result<()> {
    setup::cxx()?;
    let Target {
        name, runs, length, ..
    } = target;
    // First build, with cargo's own progress.
    let nothing = ["-runs=0".into(), "-verbosity=0".into()];
    if !cargo::run(command(workspace, target, &nothing)?)? {
        fail!("building what fuzzes {name} failed (cargo's messages are above)");
    }
    // What reached new code stays there: the next time begins with it.
    let corpus = workspace.build_folder("guided-corpus").join(name);
    std::fs::create_dir_all(&corpus).context(|| format!("creating {}", corpus.display()))?;
    plant(workspace, name, &corpus)?;
    println!("Fuzzing {name}: {runs} inputs");
    let arguments = [
        format!("-runs={runs}"),
        format!("-max_len={length}"),
        "-seed=1".into(),
        "-timeout=600".into(),
        format!("-artifact_prefix={}-", corpus.display()),
        corpus.display().to_string(),
    ];
    let mut child = command(workspace, target, &arguments)?
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context(|| "running cargo")?;
    let mut progress = Progress::new(*runs);
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr)
            .split(b'\n')
            .map_while(|line| line.ok())
        {
            if let Some(done) = progress.line(&String::from_utf8_lossy(&line)) {
                println!("      input {done} of {runs}");
            }
        }
    }
    if (child.wait().context(|| "waiting for cargo")?).success() {
        return Ok(());
    }
    let messages = progress.messages;
    let last = messages.len().saturating_sub(SHOWN_LINES);
    (messages[last..].iter()).for_each(|line| println!("      {line}"));
    fail!("an input was found that fails; its file is named above")
}

/// What libFuzzer's lines say. Those with a number at their start tell how many inputs there were: at
/// each that reaches new code, and whenever there were twice as many.
struct Progress {
    /// So many inputs are a step of progress.
    step: usize,
    /// How many there will have been when the next step is done.
    next: usize,
    /// All other lines.
    messages: Vec<String>,
}

impl Progress {
    fn new(runs: usize) -> Self {
        let step = (runs / 100).max(1);
        Self {
            step,
            next: step,
            messages: vec![],
        }
    }

    /// How many inputs there were, if a further step is done.
    fn line(&mut self, line: &str) -> Option<usize> {
        let number = line.strip_prefix('#').and_then(|rest| {
            let (number, _) = rest.split_once('\t')?;
            number.parse::<usize>().ok()
        });
        match number {
            Some(done) if done >= self.next => {
                self.next = (done / self.step + 1) * self.step;
                Some(done)
            }
            Some(_) => None,
            None => {
                self.messages.push(line.to_owned());
                None
            }
        }
    }
}

/// Puts inputs into a corpus that the target accepts: it would take long to find any.
fn plant(workspace: &Workspace, target: &str, corpus: &Path) -> Result<()> {
    let write = |name: &str, content: Vec<u8>| {
        let file = corpus.join(name);
        std::fs::write(&file, content).context(|| format!("writing {}", file.display()))
    };
    match target {
        "elf" => return write("example", fuzz_targets::example_elf()),
        "guest-pc" | "guest-arm" => return write("example", fuzz_targets::example_guest()),
        "block" => return write("example", fuzz_targets::example_block()),
        "switch" => return write("example", fuzz_targets::example_switch()),
        "virtqueue" => return write("example", fuzz_targets::example_virtqueue()),
        // Any bytes are system calls. Short inputs hide nothing, long ones get far.
        "kernel" => {
            return (1..=12).try_for_each(|seed| {
                let mut choices = Choices::seeded(seed, 0);
                let words = (0..8 << (seed % 6)).flat_map(|_| choices.word().to_le_bytes());
                write(&format!("seed-{seed}"), words.collect())
            });
        }
        _ => {}
    }
    for path in workspace.systems("configs") {
        if let Ok(system) = System::read(&path) {
            write(&system.file_name(), compile::compile(&system)?)?;
        }
    }
    Ok(())
}

/// Builds the program of a target, and starts it with these arguments.
fn command(workspace: &Workspace, target: &Target, arguments: &[String]) -> Result<Command> {
    let mut command = cargo::command(workspace.root());
    command
        .args(target.cargo.split_whitespace())
        // With a target, the flags are not for build scripts.
        .args(["--release", "--target", &host()?, "--target-dir"])
        .arg(workspace.build_folder("guided"))
        .arg("--")
        .args(arguments)
        .env("RUSTFLAGS", FLAGS);
    Ok(command)
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

#[cfg(test)]
mod tests {
    use super::Progress;

    #[test]
    fn progress_is_told_in_steps_and_the_other_lines_are_kept() {
        let mut progress = Progress::new(1000);
        let lines = [
            "INFO: Seed: 1",
            "#2\tINITED cov: 3 ft: 3 corp: 1/1b exec/s: 0 rss: 30Mb",
            "#11\tNEW    cov: 5 ft: 5 corp: 2/3b",
            "#19\tREDUCE cov: 5 ft: 5 corp: 2/3b",
            "#256\tpulse  cov: 5 ft: 5 corp: 2/3b",
            "#0 0x55 in main",
            "#1000\tDONE   cov: 5 ft: 5 corp: 2/3b",
        ];
        let told: Vec<usize> = lines
            .iter()
            .filter_map(|line| progress.line(line))
            .collect();
        assert_eq!(told, [11, 256, 1000]);
        assert_eq!(progress.messages, ["INFO: Seed: 1", "#0 0x55 in main"]);
    }
}
