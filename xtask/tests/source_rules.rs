//! Rules that the source keeps: where unsafe code and code for one architecture may be.

mod files;

use files::texts;

/// Folders that may hold unsafe code: what touches hardware, and what stands directly on the kernel.
const UNSAFE: [&str; 12] = [
    "microkernel/machine/",
    "microkernel/kernel/src/main.rs",
    "microkernel/bootstrap/",
    "l4re/sys/",
    "l4re/rt/",
    "l4re/memory/",
    "servers/sigma0/",
    "servers/moe/",
    "tests/bench/",
    "tests/harness/",
    "tests/kernel/",
    // Uses nothing of the project, so it makes its system calls itself.
    "configs/foreign/",
];

/// Programs that attack the system do what others may not.
const HOSTILE: &str = "tests/programs/";

/// All Rust files of the project, with their path from its root.
fn sources() -> Vec<(String, String)> {
    texts(&["rs"])
}

/// A file's lines without comments, numbered from 1.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    lines.map(|(index, line)| (index + 1, line.split("//").next().unwrap_or("")))
}

/// Whether a line has this word outside of quotes.
fn has_word(line: &str, word: &str) -> bool {
    let unquoted: String = line.split('"').step_by(2).collect();
    unquoted
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|found| found == word)
}

#[test]
fn unsafe_code_stays_behind_its_fence() {
    let mut outside = vec![];
    for (path, text) in sources() {
        let allowed =
            UNSAFE.iter().any(|fence| path.starts_with(fence)) || path.starts_with(HOSTILE);
        if allowed || path.starts_with("xtask/tests/") {
            continue;
        }
        let lines = code(&text).filter(|(_, line)| has_word(line, "unsafe"));
        outside.extend(lines.map(|(number, line)| format!("{path}:{number}: {}", line.trim())));
    }
    assert!(
        outside.is_empty(),
        "unsafe code outside its fence:\n{}",
        outside.join("\n")
    );
}

#[test]
fn an_architecture_is_selected_in_one_file_per_crate() {
    let mut by_crate: std::collections::BTreeMap<String, Vec<String>> = Default::default();
    for (path, text) in sources() {
        let own_folder = path.contains("/x86_64/") || path.contains("/aarch64/");
        if own_folder || path.starts_with(HOSTILE) || path.starts_with("xtask/tests/") {
            continue;
        }
        if code(&text).any(|(_, line)| has_word(line, "target_arch")) {
            // bootstrap's program is a crate of its own, beside the library, and has another selection.
            let package = match path.split_once("/src/machine/") {
                Some((package, _)) => format!("{package}, program"),
                None => path.split("/src/").next().unwrap_or(&path).to_owned(),
            };
            by_crate.entry(package).or_default().push(path);
        }
    }
    by_crate.retain(|_, files| files.len() > 1);
    assert!(
        by_crate.is_empty(),
        "architectures are selected in several files: {by_crate:#?}"
    );
}

/// The project speaks of itself: nothing of the machine it was written on.
#[test]
fn no_paths_of_somebodys_machine() {
    // Put together here, so that this file has none of them either.
    let folders = ["root", "home", "work"].map(|folder| format!("/{folder}/"));
    for (path, text) in texts(&["rs", "toml", "md", "sh", "expected"]) {
        for (number, line) in text.lines().enumerate() {
            let found = folders.iter().any(|folder| line.contains(folder));
            assert!(!found, "{path}:{}: {line}", number + 1);
        }
    }
}
