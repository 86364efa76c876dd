//! The table `[test]`.

use crate::arguments::CPUS;
use crate::system::value::{Table, Value};
use crate::system::{Input, Test};
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
    test.long = table.boolean("long").is_some_and(Spanned::into_inner);
    test.virtual_time = (table.boolean("virtual_time")).is_some_and(Spanned::into_inner);
    for value in table.values("input").unwrap_or_default() {
        test.input.extend(input(&value));
    }
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
