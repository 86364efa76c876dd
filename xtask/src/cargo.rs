//! Running cargo.

use crate::failure::{Context, Result};
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::Path;
use std::process::{Command, Stdio};

/// The cargo that runs xtask, in `folder`.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command.current_dir(folder);
    command
}

/// Runs cargo with its messages on standard error, but for those that only say that all is done: there
/// would be several of them. Whether it succeeded.
pub fn run(mut command: Command) -> Result<bool> {
    if std::io::stderr().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut cargo = command
        .stderr(Stdio::piped())
        .spawn()
        .context(|| "running cargo")?;
    if let Some(stderr) = cargo.stderr.take() {
        let done = |line: &String| line.contains("Finished") || line.contains("Executable");
        let lines = BufReader::new(stderr)
            .lines()
            .map_while(std::result::Result::ok);
        lines
            .filter(|line| !done(line))
            .for_each(|line| eprintln!("{line}"));
    }
    Ok(cargo.wait().context(|| "waiting for cargo")?.success())
}
