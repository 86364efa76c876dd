//! The tables `[component.NAME]`.

use super::file::{files, program};
use crate::system::Component;
use crate::system::value::Table;
use system_description::{CapabilityKind, Colour, PRIORITY_MAX, Restart, Runtime};
use toml::Spanned;

/// What a component has when its file does not say.
mod default {
    pub(super) const MEMORY: u64 = 4 << 20;
    pub(super) const KERNEL_MEMORY: u64 = 256 << 10;
    pub(super) const PRIORITY: u8 = 10;
    pub(super) const RESTART_LIMIT: u32 = 5;
}

pub(super) fn component(
    index: usize,
    name: Spanned<String>,
    table: Table<'_, '_, '_>,
) -> Option<Component> {
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
