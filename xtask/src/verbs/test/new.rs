//! `xtask new` in a copy of the workspace: what it makes must be a program and a system that pass `xtask check`.
//!
//! It is not booted here: the files are those of the example `hello` under another name, which every test run boots.

use super::{Outcome, Report};
use crate::failure::{Context, Result, fail};
use crate::temporary::Temporary;
use crate::verbs::test::xtask;
use crate::workspace::Workspace;
use std::path::Path;
use std::process::Command;

const NAME: &str = "new program and system";
/// What is made.
const APP: &str = "my-first-app";

pub(super) fn run(workspace: &Workspace, report: &mut Report, selected: &dyn Fn(&str) -> bool) {
    if selected(NAME) {
        report.run(NAME, || make(workspace).map(|()| Outcome::Passed));
    }
}

fn make(workspace: &Workspace) -> Result<()> {
    let copy = Temporary::new("new")?;
    copy_sources(workspace.root(), copy.path())?;
    let xtask = |arguments: &[&str]| {
        let mut command = xtask(workspace)?;
        command
            .args(arguments)
            .current_dir(copy.path())
            .env("CARGO_MANIFEST_DIR", copy.path().join("xtask"));
        said(command)
    };
    xtask(&["new", APP])?;
    let checked = xtask(&["check", APP])?;
    if !checked.contains(APP) {
        fail!("`xtask check {APP}` says: {checked}");
    }
    let main = copy
        .path()
        .join(format!("configs/programs/{APP}/src/main.rs"));
    if !main.exists() {
        fail!("there is no {}", main.display());
    }
    // What is there stays as it is.
    match xtask(&["new", APP]) {
        Ok(_) => fail!("`xtask new {APP}` can be done twice"),
        Err(_) => Ok(()),
    }
}

/// Copies what belongs to the sources: the files that git knows or would offer to add.
fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    let mut list = Command::new("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    list.current_dir(from);
    for file in said(list)?.lines() {
        let (source, copy) = (from.join(file), to.join(file));
        // A file that was removed is still in git's list.
        if !source.exists() {
            continue;
        }
        if let Some(folder) = copy.parent() {
            std::fs::create_dir_all(folder).context(|| format!("creating {}", folder.display()))?;
        }
        std::fs::copy(&source, &copy).context(|| format!("copying {}", source.display()))?;
    }
    Ok(())
}

/// Runs a program that must succeed; its standard output.
fn said(mut command: Command) -> Result<String> {
    let output = command
        .output()
        .context(|| format!("running {command:?}"))?;
    if !output.status.success() {
        fail!(
            "{command:?} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
