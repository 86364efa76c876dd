//! The table of what of the ABI is tested names tests that exist, and every operation.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// The tests of a topic in `tests/kernel/`, as its suite names them.
fn suite(topic: &str) -> BTreeSet<String> {
    // One for all architectures, or one for each.
    let lists = ["main.rs", "x86_64/mod.rs", "aarch64/mod.rs"].map(|file| {
        let program = read(&format!("tests/kernel/{topic}/src/{file}"));
        let tests = program.split("suite![").nth(1).unwrap_or_default();
        tests.split("];").next().unwrap_or_default().to_owned()
    });
    lists
        .join(",")
        .split(',')
        .map(|test| test.trim().to_owned())
        .filter(|test| !test.is_empty())
        .collect()
}

/// Whether the kernel's host tests have `kernel::MODULE::…::NAME`.
fn is_host_test(path: &str) -> bool {
    let Some((module, name)) = path.rsplit_once("::") else {
        return false;
    };
    let file = module.replacen("kernel::", "microkernel/kernel/src/", 1);
    let text = read(&format!("{}.rs", file.replace("::", "/")));
    text.contains(&format!("fn {name}("))
}

/// What stands between backquotes in a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_that_the_table_names_exists() {
    let page = read("docs/abi/coverage.md");
    let mut topic = String::new();
    let mut count = 0;
    let mut missing = vec![];
    for line in page.lines() {
        if line.starts_with("## ") {
            let folder = quoted(line).find_map(|text| text.strip_prefix("tests/kernel/"));
            topic = folder.unwrap_or_default().to_owned();
        }
        // Only the last column of a table names tests.
        let Some(tests) = line
            .strip_suffix('|')
            .and_then(|row| row.rsplit('|').next())
        else {
            continue;
        };
        for test in quoted(tests).filter(|test| !test.starts_with("tests/")) {
            let exists = match test.split_once(' ') {
                Some((other, name)) => suite(other).contains(name),
                None if test.starts_with("kernel::") => is_host_test(test),
                None => suite(&topic).contains(test),
            };
            count += 1;
            if !exists {
                missing.push(format!("{topic}: {test}"));
            }
        }
    }
    assert!(count > 200, "only {count} tests are named");
    assert!(missing.is_empty(), "there are no such tests: {missing:#?}");
}

/// Files of the ABI crate with operations of the kernel's objects.
const KERNEL_PROTOCOLS: [&str; 12] = [
    "factory",
    "task",
    "thread",
    "ipc_gate",
    "irq",
    "icu",
    "semaphore",
    "scheduler",
    "log",
    "platform_control",
    "debugger",
    "debugger/operations",
];

/// The operations that a file of the ABI crate declares, as Rust names them; and what a factory makes,
/// each of which is one.
fn operations(protocol: &str) -> Vec<String> {
    let text = read(&format!("microkernel/abi/src/protocol/{protocol}.rs"));
    let module = protocol.split('/').next().unwrap_or_default();
    let mut names = vec![];
    for declaration in text.split("pub enum ").skip(1) {
        let (owner, declaration) = declaration.split_once(" {").unwrap_or_default();
        if !owner.contains("Opcode") && owner != "ObjectType" {
            continue;
        }
        let declaration = declaration.split('}').next().unwrap_or_default();
        let lines = declaration.lines().map(str::trim);
        let variants = lines.filter(|line| !line.starts_with("//"));
        let variants = variants.filter_map(|line| line.split_once(" = "));
        names.extend(variants.map(|(name, _)| format!("{module}::{owner}::{name}")));
    }
    names
}

#[test]
fn the_table_has_every_operation_of_the_kernel() {
    let page = read("docs/abi/coverage.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: BTreeSet<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    let operations: Vec<String> = (KERNEL_PROTOCOLS.iter())
        .flat_map(|protocol| operations(protocol))
        .collect();
    assert!(operations.len() > 70, "only {operations:?}");
    let missing = operations
        .iter()
        .filter(|name| !listed.contains(name.as_str()));
    let missing: Vec<&String> = missing.collect();
    assert!(missing.is_empty(), "without a row: {missing:#?}");
}
