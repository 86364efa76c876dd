//! From the file's text to a [`System`]. Names are not looked up here; that is `check`'s part.
//!
//! One file per table: `component`, `channel` (and dataspaces), `test`; `file` for programs and files;
//! `console` what one line of `[system]` says about all components.

mod channel;
mod component;
mod console;
mod file;
pub(super) mod test;

use super::source::{Problem, Problems, Source};
use super::value::{Reader, Table, Value};
use super::{Channel, Component, System};
use crate::architecture::Architecture;
use crate::arguments::CPUS;
use crate::build::{KERNEL_PARTS, Kernel, Purpose};
use system_description::NAME_MAX;
use toml::Spanned;
use toml::de::DeTable;

/// Memory of the machine in bytes, unless the file says otherwise.
const DEFAULT_RAM: u64 = 256 << 20;

pub(super) fn system(source: Source) -> Result<System, Problems> {
    let (result, problems) = {
        let document = DeTable::parse(&source.text)
            .map_err(|error| Problems(vec![syntax(&source, &error)]))?;
        let reader = Reader::new(&source);
        let system = read(&reader, document.get_ref());
        (system, reader.into_problems())
    };
    match result {
        Some(system) if problems.is_empty() => Ok(System { source, ..system }),
        _ => Err(Problems(problems)),
    }
}

pub(super) fn syntax(source: &Source, error: &toml::de::Error) -> Problem {
    let message = error.message();
    let help = if message.contains("duplicate key") {
        "a name can be used once; a component or channel is described in one place"
    } else {
        "the file is not valid TOML here; strings need quotes, tables `[brackets]`"
    };
    source.problem(&error.span().unwrap_or(0..0), message, Some(help.into()))
}

fn read(reader: &Reader<'_>, document: &DeTable<'_>) -> Option<System> {
    let top = Table::new(reader, "the file".into(), 0..0, document);
    let name = reader
        .source
        .path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if !is_name(&name, NAME_MAX) {
        reader.problem_with_help(
            &(0..0),
            format_args!("`{name}` cannot be a system's name"),
            NAME_RULE,
        );
    }

    let components = named(&top, "component").into_iter();
    let components = components
        .enumerate()
        .filter_map(|(i, (name, table))| component::component(i, name, table));
    let mut components: Vec<Component> = components.collect();
    let channels = named(&top, "channel")
        .into_iter()
        .filter_map(|(name, table)| channel::channel(name, table));
    let mut channels: Vec<Channel> = channels.collect();
    let dataspaces = named(&top, "dataspace").into_iter();
    let dataspaces = dataspaces
        .filter_map(|(name, table)| channel::dataspace(name, table))
        .collect();
    let test = test::test(top.table("test", "[test]"));

    let Some(table) = top.table("system", "[system]") else {
        if document.get("system").is_none() {
            let help = "add one: `[system]` with `ends_when = \"NAME OF A COMPONENT\"`";
            reader.problem_with_help(&(0..0), "the `[system]` table is missing", help);
        }
        top.finish();
        return None;
    };
    let archs = match table.strings("archs") {
        Some(names) => names.iter().filter_map(|name| arch(reader, name)).collect(),
        None => Architecture::ALL.to_vec(),
    };
    if let Some(console) = table.string("console") {
        channels.extend(console::share(&console, &mut components));
    }
    let start = || table.span.clone();
    let system = System {
        source: Source {
            path: Default::default(),
            text: String::new(),
        },
        name,
        archs,
        ends_when: table.strings("ends_when").unwrap_or_default(),
        verbose: table.boolean("verbose").is_some_and(Spanned::into_inner),
        ram: table
            .size("memory")
            .unwrap_or_else(|| Spanned::new(start(), DEFAULT_RAM)),
        cpus: table.number("cpus", CPUS).map_or(1, Spanned::into_inner),
        kernel_memory: table.size("kernel_memory"),
        isolate: table.boolean("isolate").map(Spanned::into_inner),
        kernel: kernel(reader, &table),
        root: table
            .value("root")
            .and_then(|value| file::program(reader, &value)),
        root_args: table.strings("root_args").unwrap_or_default(),
        files: file::files(reader, &table, "files"),
        components,
        channels,
        dataspaces,
        test,
    };
    table.finish();
    top.finish();
    Some(system)
}

/// The kernel with what it has beyond a release, and without what the system does not need.
fn kernel(reader: &Reader<'_>, table: &Table<'_, '_, '_>) -> Kernel {
    let mut kernel = Kernel::whole(match table.boolean("debugger").map(Spanned::into_inner) {
        Some(true) => Purpose::Debugger,
        Some(false) | None => Purpose::Plain,
    });
    for name in table.strings("kernel_without").unwrap_or_default() {
        let part = KERNEL_PARTS.iter().position(|part| part == name.get_ref());
        match part {
            Some(part) => kernel.without[part] = true,
            None => reader.unknown(
                &name.span(),
                "part of the kernel",
                name.get_ref(),
                &KERNEL_PARTS,
            ),
        }
    }
    kernel
}

fn arch(reader: &Reader<'_>, name: &Spanned<String>) -> Option<Architecture> {
    let names = Architecture::ALL.map(Architecture::name);
    let arch = Architecture::from_name(name.get_ref()).ok();
    if arch.is_none() {
        reader.unknown(&name.span(), "architecture", name.get_ref(), &names);
    }
    arch
}

/// The tables `[kind.NAME]`.
fn named<'r, 's, 't>(
    top: &Table<'r, 's, 't>,
    kind: &'static str,
) -> Vec<(Spanned<String>, Table<'r, 's, 't>)> {
    let Some(tables) = top.table(kind, &format!("[{kind}.NAME]")) else {
        return vec![];
    };
    let table = |(name, value): (Spanned<String>, Value<'r, 's, 't>)| {
        if !is_name(name.get_ref(), NAME_MAX) {
            let message = format!("`{}` cannot be a {kind}'s name", name.get_ref());
            top.reader
                .problem_with_help(&name.span(), message, NAME_RULE);
        }
        let title = format!("[{kind}.{}]", name.get_ref());
        let Some(mut table) = value.table(title.as_str()) else {
            value.expected(&format!("a table {title}"));
            return None;
        };
        table.span = name.span();
        Some((name, table))
    };
    tables.entries().filter_map(table).collect()
}

const NAME_RULE: &str = "names have 1 to 32 letters, digits, `-`, `+`, `_` and `.`, a letter first";

fn is_name(name: &str, max: usize) -> bool {
    let tail = |c: char| c.is_ascii_alphanumeric() || "-+_.".contains(c);
    name.len() <= max
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(tail)
}
