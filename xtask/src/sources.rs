//! Which files a program was made of, as the compiler noted them (dep-info).

use crate::failure::{Context, Result, fail};
use crate::workspace::Workspace;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A Rust file that was compiled into a program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceFile {
    pub path: PathBuf,
    /// The package that it belongs to, with its version if that is not the workspace's.
    pub package: String,
    /// Whether the package is the workspace's own.
    pub is_own: bool,
}

/// The files of a program that cargo has just built, telling of it in `messages`.
///
/// cargo's list beside the program has all files of the workspace; those of other crates are in the lists
/// that the compiler left for each of them. Build scripts and procedural macros run before the program
/// and are no part of it.
pub fn of_program(
    workspace: &Workspace,
    program: &Path,
    messages: &str,
) -> Result<Vec<SourceFile>> {
    let mut files = BTreeSet::new();
    for path in listed(&program.with_extension("d"))? {
        let Some((folder, package)) = workspace.package_of(&path) else {
            continue;
        };
        if path
            .strip_prefix(folder)
            .is_ok_and(|inner| inner != "build.rs")
        {
            files.insert(SourceFile {
                package: package.to_owned(),
                path,
                is_own: true,
            });
        }
    }
    for (package, list) in crates(messages) {
        files.extend(listed(&list)?.into_iter().map(|path| SourceFile {
            path,
            package: package.clone(),
            is_own: false,
        }));
    }
    if files.is_empty() {
        fail!("{} names no source files", program.display());
    }
    Ok(files.into_iter().collect())
}

/// The Rust files that a list names.
fn listed(list: &Path) -> Result<Vec<PathBuf>> {
    let text = std::fs::read_to_string(list).context(|| format!("reading {}", list.display()))?;
    Ok(parse(&text))
}

/// Rules as `make` has them: what is made, a colon, the files, with `\ ` for a space in a name.
fn parse(text: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = vec![];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((_, names)) = line.split_once(": ") else {
            continue;
        };
        for name in names.replace("\\ ", "\0").split_whitespace() {
            let path = PathBuf::from(name.replace('\0', " "));
            if path.extension().is_some_and(|ending| ending == "rs") && !files.contains(&path) {
                files.push(path);
            }
        }
    }
    files
}

/// The libraries from elsewhere among what cargo built, with the compiler's lists for them.
fn crates(messages: &str) -> Vec<(String, PathBuf)> {
    let artifact = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let id = message["package_id"].as_str()?;
        let is_library = (message["target"]["kind"].as_array()?.iter())
            .any(|kind| ["lib", "rlib"].iter().any(|name| kind == name));
        if message["reason"] != "compiler-artifact" || !is_library || id.starts_with("path+") {
            return None;
        }
        let mut built = message["filenames"]
            .as_array()?
            .iter()
            .filter_map(Value::as_str);
        let library = Path::new(built.find(|name| name.ends_with(".rlib"))?);
        let stem = library.file_stem()?.to_str()?.strip_prefix("lib")?;
        let package = id.rsplit(['#', '/']).next()?.replace('@', " ");
        // What runs on the host is not below a folder of the target's name.
        let is_of_target = library
            .ancestors()
            .nth(3)?
            .file_name()?
            .to_str()?
            .contains("-none");
        is_of_target.then(|| (package, library.with_file_name(format!("{stem}.d"))))
    };
    messages.lines().filter_map(artifact).collect()
}

#[cfg(test)]
mod tests {
    use super::{crates, parse};
    use std::path::PathBuf;

    #[test]
    fn lists_are_read_as_make_writes_them() {
        let text = "/t/deps/a.d: src/lib.rs src/my\\ file.rs src/kernel.ld\n\n\
                    /t/deps/liba.rlib: src/lib.rs src/b.rs\nsrc/lib.rs:\n# env-dep:X=1: y.rs\n";
        let expected = ["src/lib.rs", "src/my file.rs", "src/b.rs"].map(PathBuf::from);
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn only_libraries_of_others_that_are_linked_in_are_crates() {
        let message = |id: &str, kind: &str, file: &str| {
            format!(
                "{{\"reason\":\"compiler-artifact\",\"package_id\":\"{id}\",\
                 \"target\":{{\"kind\":[\"{kind}\"]}},\"filenames\":[\"{file}\"]}}"
            )
        };
        let of_target = "/t/x86_64-unknown-none/checked/deps/libspin-12.rlib";
        let messages = [
            message("registry+x#spin@0.9.8", "lib", of_target),
            message(
                "registry+x#macro@1.0.0",
                "proc-macro",
                "/t/checked/deps/libmacro-1.so",
            ),
            message(
                "registry+x#autocfg@1.0.0",
                "lib",
                "/t/checked/deps/libautocfg-1.rlib",
            ),
            message(
                "registry+x#spin@0.9.8",
                "custom-build",
                "/t/checked/build/spin-1/build",
            ),
            message("path+file:///p#l4-abi@0.1.0", "lib", of_target),
            "{\"reason\":\"build-finished\",\"success\":true}".into(),
        ];
        let list = PathBuf::from(of_target).with_file_name("spin-12.d");
        assert_eq!(crates(&messages.join("\n")), [("spin 0.9.8".into(), list)]);
    }
}
