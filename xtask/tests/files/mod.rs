//! The project's files, for tests that look at all of them.

use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files with these endings, with their path from the project's root.
pub(crate) fn texts(endings: &[&str]) -> Vec<(String, String)> {
    let mut files = vec![];
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() {
                if name != "target" && !name.to_string_lossy().starts_with('.') {
                    folders.push(path);
                }
            } else if (path.extension()).is_some_and(|ending| endings.iter().any(|e| ending == *e))
            {
                let short = path
                    .strip_prefix(root())
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                // One of them is not text on purpose.
                let text = std::fs::read(&path).unwrap();
                files.push((short, String::from_utf8_lossy(&text).into_owned()));
            }
        }
    }
    files
}
