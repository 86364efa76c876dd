//! The table `[test]`.

use crate::architecture::Architecture;
use crate::arguments::CPUS;
use crate::system::value::{Table, Value};
use crate::system::{Input, Lines, Most, Test};
use toml::Spanned;

pub(super) fn test(table: Option<Table<'_, '_, '_>>) -> Test {
    let mut test = Test::default();
    let Some(table) = table else { return test };
    expectations(&table, &mut test);
    test.exit = table.number("exit", 0..=255).map_or(0, Spanned::into_inner);
    test.panic = table.string("panic").map(Spanned::into_inner);
    let processors = table.strings("processors").unwrap_or_default();
    if !processors.is_empty() {
        test.processors = processors.into_iter().map(Spanned::into_inner).collect();
    }
    table.finish();
    test
}

/// Everything but how the system ends.
pub(in crate::system) fn expectations(table: &Table<'_, '_, '_>, test: &mut Test) {
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
    test.timeout = table
        .number("timeout", 1..=86_400)
        .map_or(test.timeout, Spanned::into_inner);
    test.smp = numbers(table.numbers("smp", CPUS), vec![1]);
    test.gic = numbers(table.numbers("gic", 2..=3), vec![3]);
    test.reboots = (table.boolean("reboots")).is_some_and(Spanned::into_inner);
    test.long = table.boolean("long").is_some_and(Spanned::into_inner);
    test.virtual_time = (table.boolean("virtual_time")).is_some_and(Spanned::into_inner);
    let components = table.table("components", "[test.components]");
    for (name, value) in components.iter().flat_map(Table::entries) {
        lines(&name, &value, &mut test.components);
    }
    for value in table.values("input").unwrap_or_default() {
        test.input.extend(input(&value));
    }
    if let Some(nanoseconds) = table.number("instruction_time", 1..=1024) {
        let power = nanoseconds.get_ref().ilog2();
        if 1 << power != *nanoseconds.get_ref() {
            let help = "write 1, 2, 4, 8 or another power of two";
            let message = "`instruction_time` is none that can be emulated";
            table
                .reader
                .problem_with_help(&nanoseconds.span(), message, help);
        }
        test.instruction_time = power;
    }
    for value in table.values("most").unwrap_or_default() {
        test.most.extend(most(&value));
    }
}

/// What lines of the component must contain: the same on both architectures, or not.
fn lines(component: &Spanned<String>, value: &Value<'_, '_, '_>, all: &mut Vec<Lines>) {
    let mut add = |arch, texts: Option<Vec<Spanned<String>>>| {
        let texts = texts.into_iter().flatten();
        all.push(Lines {
            component: component.get_ref().clone(),
            arch,
            texts: texts.map(Spanned::into_inner).collect(),
        });
    };
    match value.table(format!("`{}`", component.get_ref())) {
        Some(table) => {
            for arch in Architecture::ALL {
                add(Some(arch), table.strings(arch.name()));
            }
            table.finish();
        }
        None => add(None, value.strings()),
    }
}

fn most(value: &Value<'_, '_, '_>) -> Option<Most> {
    let Some(table) = value.table("`most`") else {
        value.expected("{ after = \"TEXT BEFORE A NUMBER\", number = THE MOST THAT IT MAY BE }");
        return None;
    };
    let (after, number) = (table.string("after"), table.number("number", 0..=u64::MAX));
    if after.is_none() || number.is_none() {
        let help = "write { after = \"TEXT BEFORE A NUMBER\", number = THE MOST THAT IT MAY BE }";
        let reader = table.reader;
        reader.problem_with_help(&table.span, "`most` does not say which number", help);
    }
    table.finish();
    Some(Most {
        after: after?.into_inner(),
        number: number?.into_inner(),
    })
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
