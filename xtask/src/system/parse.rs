//! From the file's text to a [`System`]. Names are not looked up here; that is `check`'s part.

use super::source::{Problem, Problems, Source};
use super::value::{Reader, Table, Value, join};
use super::{
    Channel, Component, Dataspace, File, FileContent, Grant, Input, Program, System, Test,
};
use crate::architecture::Architecture;
use std::path::Path;
use system_description::{
    CAPABILITY_NAME_MAX, CapabilityKind, Colour, NAME_MAX, PRIORITY_MAX, Restart, Rights, Runtime,
};
use toml::Spanned;
use toml::de::DeTable;

/// What a component has when its file does not say.
mod default {
    pub(super) const RAM: u64 = 256 << 20;
    pub(super) const MEMORY: u64 = 4 << 20;
    pub(super) const KERNEL_MEMORY: u64 = 256 << 10;
    pub(super) const PRIORITY: u8 = 10;
    pub(super) const RESTART_LIMIT: u32 = 5;
}

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

fn syntax(source: &Source, error: &toml::de::Error) -> Problem {
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
        .filter_map(|(i, (name, table))| component(i, name, table));
    let components: Vec<Component> = components.collect();
    let channels = named(&top, "channel")
        .into_iter()
        .filter_map(|(name, table)| channel(name, table));
    let channels = channels.collect();
    let dataspaces = named(&top, "dataspace").into_iter();
    let dataspaces = dataspaces
        .filter_map(|(name, table)| dataspace(name, table))
        .collect();
    let test = test(top.table("test", "[test]"));

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
            .unwrap_or_else(|| Spanned::new(start(), default::RAM)),
        cpus: table.number("cpus", 1..=64).map_or(1, Spanned::into_inner),
        kernel_memory: table.size("kernel_memory"),
        root: table
            .value("root")
            .and_then(|value| program(reader, &value)),
        files: files(reader, &table, "files"),
        components,
        channels,
        dataspaces,
        test,
    };
    table.finish();
    top.finish();
    Some(system)
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

const NAME_RULE: &str = "names have 1 to 32 letters, digits, `-`, `_` and `.`, a letter first";

fn is_name(name: &str, max: usize) -> bool {
    let tail = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name.len() <= max
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(tail)
}

fn component(index: usize, name: Spanned<String>, table: Table<'_, '_, '_>) -> Option<Component> {
    let reader = table.reader;
    let start = || table.span.clone();
    let program = match table.value("program") {
        Some(value) => program(reader, &value),
        None => {
            let message = format!("component `{}` has no program", name.get_ref());
            let help = "add `program = \"PACKAGE\"` or `program = { file = \"PATH\" }`";
            reader.problem_with_help(&name.span(), message, help);
            None
        }
    };
    let cpus = match table.numbers("cpus", 0..=63) {
        Some(cpus) if !cpus.is_empty() => cpus.iter().fold(0, |set, cpu| set | 1 << cpu.get_ref()),
        _ => u64::MAX,
    };
    let component = Component {
        args: table.strings("args").unwrap_or_default(),
        rom: files(reader, &table, "rom"),
        capabilities: capabilities(&table),
        memory: table
            .size("memory")
            .unwrap_or_else(|| Spanned::new(start(), default::MEMORY)),
        kernel_memory: table
            .size("kernel_memory")
            .unwrap_or_else(|| Spanned::new(start(), default::KERNEL_MEMORY)),
        cpus,
        priority: priority(&table),
        colour: colour(&table).unwrap_or(Colour::ALL[(index + 1) % Colour::ALL.len()]),
        runtime: runtime(&table),
        restart: restart(&table),
        essential: table.boolean("essential").is_none_or(Spanned::into_inner),
        // Last, because a missing program must not hide problems of the other fields.
        program: match program {
            Some(program) => program,
            None => {
                table.finish();
                return None;
            }
        },
        name,
    };
    table.finish();
    Some(component)
}

fn priority(table: &Table<'_, '_, '_>) -> u8 {
    let range = 1..=u64::from(PRIORITY_MAX);
    let priority = table.number_because("priority", range, "; those above are moe's and ned's");
    // The range is that of the type, so the default stands for "not given" and "wrong" only.
    priority
        .and_then(|priority| u8::try_from(priority.into_inner()).ok())
        .unwrap_or(default::PRIORITY)
}

fn colour(table: &Table<'_, '_, '_>) -> Option<Colour> {
    let name = table.string("colour")?;
    let colour = Colour::ALL
        .into_iter()
        .find(|colour| colour.name() == name.get_ref());
    if colour.is_none() {
        let names = Colour::ALL.map(Colour::name);
        table
            .reader
            .unknown(&name.span(), "colour", name.get_ref(), &names);
    }
    colour
}

fn runtime(table: &Table<'_, '_, '_>) -> Spanned<Runtime> {
    let Some(name) = table.string("runtime") else {
        return Spanned::new(table.span.clone(), Runtime::Native);
    };
    let runtime = match name.get_ref().as_str() {
        "native" => Runtime::Native,
        "l4re" => Runtime::L4re,
        other => {
            table
                .reader
                .unknown(&name.span(), "runtime", other, &["native", "l4re"]);
            Runtime::Native
        }
    };
    Spanned::new(name.span(), runtime)
}

fn restart(table: &Table<'_, '_, '_>) -> Spanned<Restart> {
    let Some(value) = table.value("restart") else {
        return Spanned::new(table.span.clone(), Restart::Never);
    };
    let at = |restart| Spanned::new(value.span(), restart);
    if let Some(name) = value.string() {
        return at(match name.get_ref().as_str() {
            "never" => Restart::Never,
            "on-failure" => Restart::OnFailure {
                limit: default::RESTART_LIMIT,
            },
            "always" => Restart::Always,
            other => {
                let known = ["never", "on-failure", "always"];
                table
                    .reader
                    .unknown(&name.span(), "restart policy", other, &known);
                Restart::Never
            }
        });
    }
    let Some(policy) = value.table("restart") else {
        value.expected("\"never\", \"always\", \"on-failure\" or { on-failure = LIMIT }");
        return at(Restart::Never);
    };
    let limit = policy.number("on-failure", 1..=1_000_000);
    policy.finish();
    at(limit.map_or(Restart::Never, |limit| Restart::OnFailure {
        limit: *limit.get_ref() as u32,
    }))
}

/// Authority that stays with moe and ned, and what a component has instead.
const FORBIDDEN: [(&str, &str); 9] = [
    (
        "scheduler",
        "it could give any priority; every component has a proxy bounded by `priority` and `cpus`",
    ),
    (
        "icu",
        "it reaches every interrupt and the power switch; console input comes with \"console\"",
    ),
    (
        "vlog",
        "it could write lines in the name of others; every component has a log with its tag",
    ),
    (
        "factory",
        "it has all kernel memory; every component has one bounded by `kernel_memory`",
    ),
    (
        "sigma0",
        "it hands out physical memory; every component has an allocator bounded by `memory`",
    ),
    (
        "platform-control",
        "it turns the machine off; name the component in `ends_when`",
    ),
    ("iommu", "it opens all memory to devices"),
    ("jdb", "it can look into every task"),
    ("io-ports", "they reach any device"),
];

fn capabilities(table: &Table<'_, '_, '_>) -> Vec<(Spanned<String>, CapabilityKind)> {
    let names = table.strings("capabilities").unwrap_or_default();
    let kind = |name: Spanned<String>| {
        if name.get_ref() == "console" {
            return Some((name, CapabilityKind::Console));
        }
        match FORBIDDEN
            .iter()
            .find(|(forbidden, _)| forbidden == name.get_ref())
        {
            Some((forbidden, why)) => {
                let message = format!("no component may hold `{forbidden}`");
                table.reader.problem_with_help(&name.span(), message, why);
            }
            None => table
                .reader
                .unknown(&name.span(), "capability", name.get_ref(), &["console"]),
        }
        None
    };
    names.into_iter().filter_map(kind).collect()
}

fn program(reader: &Reader<'_>, value: &Value<'_, '_, '_>) -> Option<Program> {
    if let Some(package) = value.string() {
        return Some(Program::Package(package));
    }
    let Some(table) = value.table("`program`") else {
        value.expected("the name of a package or { file = \"PATH\" }");
        return None;
    };
    file_table(reader, table).map(Program::File)
}

/// A list of files: paths, or tables that say more.
fn files(reader: &Reader<'_>, table: &Table<'_, '_, '_>, field: &'static str) -> Vec<File> {
    let file = |value: Value<'_, '_, '_>| {
        if let Some(path) = value.string() {
            return path_file(reader, &path, None);
        }
        let Some(table) = value.table(format!("an entry of `{field}`")) else {
            value.expected("a path, { file = \"PATH\" } or { program = \"PACKAGE\" }");
            return None;
        };
        file_table(reader, table)
    };
    table
        .values(field)
        .unwrap_or_default()
        .into_iter()
        .filter_map(file)
        .collect()
}

fn file_table(reader: &Reader<'_>, table: Table<'_, '_, '_>) -> Option<File> {
    let name = table.string("name");
    let (path, package) = (table.string("file"), table.string("program"));
    let span = table.span.clone();
    table.finish();
    match (path, package) {
        (Some(path), None) => path_file(reader, &path, name),
        (None, Some(package)) => {
            let name = name.unwrap_or(package.clone());
            module_name(reader, &name);
            let content = FileContent::Package(package.get_ref().clone());
            Some(File {
                name: name.into_inner(),
                content,
                span: package.span(),
            })
        }
        _ => {
            let help = "write { file = \"PATH\" } or { program = \"PACKAGE\" }";
            reader.problem_with_help(&span, "neither one file nor one program", help);
            None
        }
    }
}

fn path_file(
    reader: &Reader<'_>,
    path: &Spanned<String>,
    name: Option<Spanned<String>>,
) -> Option<File> {
    let name = name.or_else(|| {
        let name = Path::new(path.get_ref()).file_name()?.to_str()?;
        Some(Spanned::new(path.span(), name.to_owned()))
    });
    let Some(name) = name else {
        reader.problem(
            &path.span(),
            format_args!("`{}` is not the path of a file", path.get_ref()),
        );
        return None;
    };
    module_name(reader, &name);
    let content = FileContent::Path(path.get_ref().clone());
    Some(File {
        name: name.into_inner(),
        content,
        span: path.span(),
    })
}

fn module_name(reader: &Reader<'_>, name: &Spanned<String>) {
    if !is_name(name.get_ref(), NAME_MAX) {
        let message = format!("`{}` cannot be a boot module's name", name.get_ref());
        reader.problem_with_help(
            &name.span(),
            message,
            format_args!("{NAME_RULE}; give one with `name`"),
        );
    }
}

fn channel(name: Spanned<String>, table: Table<'_, '_, '_>) -> Option<Channel> {
    let reader = table.reader;
    let server = match table.value("server") {
        Some(value) => server(&name, &value, reader),
        None => {
            let message = format!("channel `{}` has no server", name.get_ref());
            let help = "add `server = \"NAME OF A COMPONENT\"`, the one that answers";
            reader.problem_with_help(&name.span(), message, help);
            None
        }
    };
    let per_client = table.boolean("per_client").is_some_and(Spanned::into_inner);
    let clients = grants(&name, &table, "clients", &CHANNEL_RIGHTS);
    table.finish();
    let (server, server_name) = server?;
    Some(Channel {
        name,
        server,
        server_name,
        per_client,
        clients,
    })
}

/// A channel's server and the name under which it knows the channel.
fn server(
    channel: &Spanned<String>,
    value: &Value<'_, '_, '_>,
    reader: &Reader<'_>,
) -> Option<(Spanned<String>, Spanned<String>)> {
    if let Some(server) = value.string() {
        return Some((server, capability_name(reader, channel.clone())));
    }
    let Some(table) = value.table("`server`") else {
        let message = format!("channel `{}` does not have one server", channel.get_ref());
        let help = "a channel has exactly one server, as a string; make a channel per server";
        reader.problem_with_help(&value.span(), message, help);
        return None;
    };
    let (component, name) = (table.string("component"), table.string("as"));
    let span = table.span.clone();
    table.finish();
    if component.is_none() {
        reader.problem_with_help(
            &span,
            "which component?",
            "write { component = \"NAME\", as = \"NAME\" }",
        );
    }
    Some((
        component?,
        capability_name(reader, name.unwrap_or(channel.clone())),
    ))
}

fn dataspace(name: Spanned<String>, table: Table<'_, '_, '_>) -> Option<Dataspace> {
    let reader = table.reader;
    let size = table.size("size");
    if size.is_none() && table.key("size") == table.span {
        let message = format!("dataspace `{}` has no size", name.get_ref());
        reader.problem_with_help(&name.span(), message, "add for example `size = \"16K\"`");
    }
    let users = grants(&name, &table, "users", &DATASPACE_RIGHTS);
    table.finish();
    Some(Dataspace {
        name,
        size: size?,
        users,
    })
}

const CHANNEL_RIGHTS: [(char, Rights); 3] = [
    ('r', Rights::READ),
    ('w', Rights::WRITE),
    ('s', Rights::SPECIAL),
];
const DATASPACE_RIGHTS: [(char, Rights); 3] = [
    ('r', Rights::READ),
    ('w', Rights::WRITE),
    ('x', Rights::EXECUTE),
];

/// The table `field = { COMPONENT = "RIGHTS", … }`.
fn grants(
    resource: &Spanned<String>,
    table: &Table<'_, '_, '_>,
    field: &'static str,
    letters: &[(char, Rights)],
) -> Vec<Grant> {
    let reader = table.reader;
    let Some(entries) = table.table(field, &format!("{field} = {{ COMPONENT = \"RIGHTS\" }}"))
    else {
        if table.key(field) == table.span {
            let message = format!("nobody uses `{}`", resource.get_ref());
            let help = format!("add `{field} = {{ COMPONENT = \"rw\" }}`, or remove the table");
            reader.problem_with_help(&resource.span(), message, help);
        }
        return vec![];
    };
    let grant = |(component, value): (Spanned<String>, Value<'_, '_, '_>)| {
        if let Some(text) = value.string() {
            let rights = rights(reader, &text, letters)?;
            let name = capability_name(reader, resource.clone());
            return Some(Grant {
                component,
                rights,
                name,
                args: vec![],
            });
        }
        let Some(grant) = value.table(format!("`{field}.{}`", component.get_ref())) else {
            value.expected(
                "rights such as \"rw\", or { rights = \"rw\", as = \"NAME\", args = [] }",
            );
            return None;
        };
        let text = grant
            .string("rights")
            .unwrap_or_else(|| Spanned::new(value.span(), "r".into()));
        let name = capability_name(reader, grant.string("as").unwrap_or(resource.clone()));
        let args = grant.strings("args").unwrap_or_default();
        grant.finish();
        Some(Grant {
            component,
            rights: rights(reader, &text, letters)?,
            name,
            args,
        })
    };
    entries.entries().filter_map(grant).collect()
}

fn rights(
    reader: &Reader<'_>,
    text: &Spanned<String>,
    letters: &[(char, Rights)],
) -> Option<Spanned<Rights>> {
    let right = |letter| {
        letters
            .iter()
            .find(|&&(known, _)| known == letter)
            .map(|&(_, right)| right)
    };
    let rights = text
        .get_ref()
        .chars()
        .try_fold(Rights::READ, |all, letter| Some(all.union(right(letter)?)));
    match rights {
        Some(rights) if text.get_ref().contains('r') => Some(Spanned::new(text.span(), rights)),
        _ => {
            let letters: Vec<String> = letters
                .iter()
                .map(|(letter, _)| letter.to_string())
                .collect();
            let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
            let message = format!("`{}` does not name rights", text.get_ref());
            let help = format!("rights are `r` alone or with others of {}", join(&letters));
            reader.problem_with_help(&text.span(), message, help);
            None
        }
    }
}

/// The name by which a program finds a capability: short, because L4Re's environment is.
fn capability_name(reader: &Reader<'_>, name: Spanned<String>) -> Spanned<String> {
    if !is_name(name.get_ref(), CAPABILITY_NAME_MAX) {
        let message = format!("`{}` cannot be the name of a capability", name.get_ref());
        let help = format!(
            "it can have {CAPABILITY_NAME_MAX} letters, digits, `-`, `_` and `.`; \
             give the component another with `as = \"NAME\"`"
        );
        reader.problem_with_help(&name.span(), message, help);
    }
    name
}

fn test(table: Option<Table<'_, '_, '_>>) -> Test {
    let mut test = Test::default();
    let Some(table) = table else { return test };
    let texts = |texts: Option<Vec<Spanned<String>>>| {
        texts
            .unwrap_or_default()
            .into_iter()
            .map(Spanned::into_inner)
            .collect()
    };
    let numbers = |numbers: Option<Vec<Spanned<u64>>>, default| match numbers {
        Some(numbers) if !numbers.is_empty() => {
            numbers.into_iter().map(Spanned::into_inner).collect()
        }
        _ => default,
    };
    test.expect = texts(table.strings("expect"));
    test.forbid = texts(table.strings("forbid"));
    test.exit = table.number("exit", 0..=255).map_or(0, Spanned::into_inner);
    test.panic = table.string("panic").map(Spanned::into_inner);
    test.timeout = table
        .number("timeout", 1..=3600)
        .map_or(test.timeout, Spanned::into_inner);
    test.smp = numbers(table.numbers("smp", 1..=64), test.smp);
    test.gic = numbers(table.numbers("gic", 2..=3), test.gic);
    test.long = table.boolean("long").is_some_and(Spanned::into_inner);
    for value in table.values("input").unwrap_or_default() {
        test.input.extend(input(&value));
    }
    table.finish();
    test
}

fn input(value: &Value<'_, '_, '_>) -> Option<Input> {
    if let Some(text) = value.string() {
        return Some(Input {
            after: String::new(),
            text: text.into_inner(),
        });
    }
    let Some(table) = value.table("`input`") else {
        value.expected("a text, or { after = \"TEXT OF A LINE\", text = \"WHAT IS TYPED\" }");
        return None;
    };
    let (after, text) = (table.string("after"), table.string("text"));
    table.finish();
    Some(Input {
        after: after.map_or(String::new(), Spanned::into_inner),
        text: text?.into_inner(),
    })
}
