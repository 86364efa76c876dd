//! What the documentation says of the source is there: links, names of files, and examples, which are pieces of
//! files that are built and run.

mod files;

use files::{root, texts};
use std::path::{Component, Path, PathBuf};

/// A document's lines outside of code blocks, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((index + 1, line))
    })
}

/// The names by which links find a document's headings.
fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).filter_map(|(_, line)| line.strip_prefix('#'));
    let name = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(name).collect()
}

/// A path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(normal.pop()),
            part => normal.push(part),
        }
    }
    normal
}

#[test]
fn links_lead_somewhere() {
    let documents = texts(&["md"]);
    let mut broken = vec![];
    for (path, text) in &documents {
        for (number, line) in prose(text) {
            for link in line.split("](").skip(1) {
                let link = link.split(')').next().unwrap_or_default();
                if link.starts_with("https://") {
                    continue;
                }
                let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
                let target = match file {
                    "" => PathBuf::from(path),
                    file => normal(&Path::new(path).with_file_name("").join(file)),
                };
                let has_anchor = || {
                    let mut documents = documents.iter();
                    let document = documents.find(|(path, _)| Path::new(path) == target);
                    document.is_some_and(|(_, text)| anchors(text).iter().any(|a| a == anchor))
                };
                if !root().join(&target).exists() || !anchor.is_empty() && !has_anchor() {
                    broken.push(format!("{path}:{number}: {link}"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

/// Whether the file or folder is in the project, or at the end of the path of one that is.
fn is_there(name: &str, sources: &[(String, String)]) -> bool {
    let tail = format!("/{name}");
    root().join(name).exists()
        || sources
            .iter()
            .any(|(path, _)| path.ends_with(&tail) || path.contains(&format!("{tail}/")))
}

#[test]
fn source_files_that_the_text_names_exist() {
    let sources = texts(&["rs", "toml", "py", "ld"]);
    let mut missing = vec![];
    for (path, text) in texts(&["md"]) {
        for (number, line) in prose(&text) {
            for name in line.split('`').skip(1).step_by(2) {
                let is_source = name.contains('/') && name.ends_with(".rs")
                    || [
                        "xtask/",
                        "microkernel/",
                        "l4re/",
                        "servers/",
                        "configs/",
                        "tests/",
                    ]
                    .iter()
                    .any(|folder| name.starts_with(folder));
                let is_path = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
                // What is in capitals or has a `*` stands for many.
                let stands_for_many = name
                    .split(['/', '.'])
                    .any(|part| part.len() > 1 && part.chars().all(|c| c.is_ascii_uppercase()));
                if is_source
                    && name.chars().all(is_path)
                    && !stands_for_many
                    && !is_there(name.trim_end_matches('/'), &sources)
                {
                    missing.push(format!("{path}:{number}: {name}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "no such files:\n{}", missing.join("\n"));
}

#[test]
fn every_system_to_try_is_in_the_list() {
    let list = std::fs::read_to_string(root().join("configs/README.md")).unwrap();
    for (path, _) in texts(&["toml"]) {
        let name = path
            .strip_prefix("configs/")
            .and_then(|name| name.strip_suffix(".toml"));
        if let Some(name) = name.filter(|name| !name.contains('/')) {
            assert!(
                list.contains(&format!("`{name}`")),
                "configs/README.md lacks {name}"
            );
        }
    }
}

/// A code block that names a file after its language is made of pieces of that file, in its order; a line with `…`
/// stands for what is left out.
#[test]
fn examples_are_pieces_of_the_files_that_they_name() {
    let mut count = 0;
    for (path, text) in texts(&["md"]) {
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some(language) = line.strip_prefix("```") else {
                continue;
            };
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let Some((_, file)) = language.split_once(' ') else {
                continue;
            };
            let source = std::fs::read_to_string(root().join(file));
            let source = source.unwrap_or_else(|error| panic!("{path}: {file}: {error}"));
            let mut rest = source.as_str();
            for piece in block.split(|line| line.trim() == "…") {
                let piece = piece.join("\n");
                let Some(at) = rest.find(&piece) else {
                    panic!("{path}: {file} does not have this, or not here:\n{piece}");
                };
                rest = &rest[at + piece.len()..];
            }
            count += 1;
        }
    }
    assert!(count > 0, "no example names its file");
}
