//! Broken configuration files: each in `tests/configurations/broken/` with the message it must give.
//!
//! `BLESS=1 cargo test -p xtask` writes the messages anew; read the difference before you commit it.

use super::{System, check};
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/configurations/broken")
}

fn workspace() -> Workspace {
    Workspace::with_programs(&["hello", "kernel-ipc", "pingpong-client", "pingpong-server"])
}

/// What `xtask check` would print, with the file named as in its own folder.
fn message(path: &Path) -> String {
    let result = System::read(path).and_then(|system| check::check(&system, &workspace()));
    let message = result.map_or_else(|problems| problems.to_string(), |()| "good".into());
    message.replace(&format!("{}/", folder().display()), "") + "\n"
}

#[test]
fn every_broken_file_gives_its_message() {
    let entries = std::fs::read_dir(folder()).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    assert!(files.len() > 30);
    for path in files {
        let expected = path.with_extension("expected");
        let message = message(&path);
        let name = path.file_name().unwrap().to_str().unwrap();
        let place = format!("{name}:");
        assert!(message.starts_with(&place), "{name}: {message}");
        // Each problem says where it is, and what to do.
        for problem in message.split(&place).skip(1) {
            let mut numbers = problem.splitn(3, ':').map(str::parse::<usize>);
            assert!(matches!(numbers.next(), Some(Ok(1..))), "{name}: {problem}");
            assert!(matches!(numbers.next(), Some(Ok(1..))), "{name}: {problem}");
            let helps = problem
                .lines()
                .any(|line| line.trim_start().starts_with("= "));
            assert!(helps || problem.contains("; write "), "{name}: {problem}");
        }
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&expected, &message).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(message, expected, "{name} gives another message");
    }
}

#[test]
fn a_missing_file_is_named() {
    let message = message(&folder().join("there-is-no-such.toml"));
    assert!(
        message.starts_with("there-is-no-such.toml:1:1: cannot be read"),
        "{message}"
    );
}

/// Cuts and garbles a good file everywhere: problems, yes; panics, no.
#[test]
fn damaged_files_never_panic() {
    let good = include_str!("../../../tests/configurations/good.toml");
    let path = Path::new("good.toml");
    let try_text = |text: String| {
        let source = super::Source {
            path: path.into(),
            text,
        };
        if let Ok(system) = super::parse::system(source) {
            // Only the result of the check is of interest here, whatever it is.
            let _ = check::check(&system, &workspace()).map_err(|problems| problems.to_string());
        }
    };
    let places: Vec<usize> = (0..good.len())
        .filter(|&at| good.is_char_boundary(at))
        .collect();
    for &at in &places {
        try_text(good[..at].to_owned());
        for insert in ["\"", "[", "{", "=", "\n", "0", "é", "-", "."] {
            try_text(format!("{}{insert}{}", &good[..at], &good[at..]));
        }
    }
}

#[test]
fn the_good_file_uses_every_field_and_compiles() {
    let path = folder().join("../good.toml");
    let system = System::read(&path)
        .map_err(|problems| problems.to_string())
        .unwrap();
    check::check(&system, &workspace())
        .map_err(|problems| problems.to_string())
        .unwrap();
    let compiled = super::compile::compile(&system)
        .map_err(|failure| failure.to_string())
        .unwrap();
    let description = system_description::Description::parse(&compiled).unwrap();
    assert_eq!(description.name, "good");
    let components = description.components.iter();
    let names: Vec<&str> = components.map(|component| component.name).collect();
    assert_eq!(names, ["server", "client", "foreign"]);
    let consoles = &description.channels[1];
    let gates = consoles.clients.iter();
    let gates = gates.map(|client| (client.component, client.name, client.args.clone()));
    let expected = [
        (1, "log", vec!["client", "green"]),
        (1, "console", vec!["client", "green"]),
        (2, "log", vec!["foreign", "blue"]),
    ];
    assert!(consoles.per_client && consoles.server == 0);
    assert_eq!(gates.collect::<Vec<_>>(), expected);
    let client = &description.components[1];
    assert_eq!(client.args, ["1000", "with space"]);
    assert_eq!(
        (client.memory, client.kernel_memory, client.cpus),
        (2 << 20, 64 << 10, 0b11)
    );
    assert!(client.awaited && !client.essential);
    let channel = &description.channels[0];
    assert_eq!(
        (channel.name, channel.server_name, channel.server),
        ("ping", "serve", 0)
    );
    assert_eq!(channel.clients[0].name, "ping");
    assert_eq!(description.dataspaces[0].size, 16 << 10);
}
