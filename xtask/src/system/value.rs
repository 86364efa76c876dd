//! Typed access to TOML tables that collects problems instead of stopping at the first.
//!
//! Every access to a field marks it as known; [`Table::finish`] then reports the others. So the code that
//! reads a table is also the list of what may be in it.

use super::source::{Problem, Source, Span};
use crate::size;
use crate::suggest::nearest;
use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where problems of one file are collected.
pub struct Reader<'s> {
    pub source: &'s Source,
    problems: RefCell<Vec<Problem>>,
}

impl<'s> Reader<'s> {
    pub fn new(source: &'s Source) -> Self {
        Self {
            source,
            problems: RefCell::default(),
        }
    }

    pub fn problem(&self, span: &Span, message: impl Display) {
        self.problems
            .borrow_mut()
            .push(self.source.problem(span, message, None));
    }

    pub fn problem_with_help(&self, span: &Span, message: impl Display, help: impl Display) {
        let problem = self.source.problem(span, message, Some(help.to_string()));
        self.problems.borrow_mut().push(problem);
    }

    /// A name that is not one of `known`.
    pub fn unknown(&self, span: &Span, what: &str, name: &str, known: &[&str]) {
        let help = match nearest(name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => format!("there is no {what} yet"),
            None if known.len() == 1 => format!("there is {}", join(known)),
            None => format!("there are {}", join(known)),
        };
        self.problem_with_help(span, format_args!("unknown {what} `{name}`"), help);
    }

    fn wrong_type(&self, what: &str, expected: &str, value: &Spanned<DeValue<'_>>) {
        let found = value.get_ref().type_str();
        let article = |word: &str| {
            if word.starts_with(['a', 'i', 'o']) {
                "an"
            } else {
                "a"
            }
        };
        let message = format!("{what} is {} {found}, not {expected}", article(found));
        self.problem_with_help(&value.span(), message, format_args!("write {expected}"));
    }

    fn in_range(
        &self,
        what: &str,
        span: &Span,
        number: i128,
        range: &RangeInclusive<u64>,
        reason: &str,
    ) -> Option<Spanned<u64>> {
        match u64::try_from(number) {
            Ok(number) if range.contains(&number) => Some(Spanned::new(span.clone(), number)),
            _ => {
                let help = format!(
                    "it can be from {} to {}{reason}",
                    range.start(),
                    range.end()
                );
                self.problem_with_help(span, format_args!("{what} is {number}"), help);
                None
            }
        }
    }

    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems
    }
}

/// The names as a sentence has them: `a`, `b` and `c`.
pub fn join(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => "nothing".into(),
    }
}

/// One table of the file.
pub struct Table<'r, 's, 't> {
    pub reader: &'r Reader<'s>,
    /// How messages call it: `[component.server]`.
    pub title: String,
    pub span: Span,
    entries: &'t DeTable<'t>,
    known: RefCell<Vec<&'static str>>,
}

impl<'r, 's, 't> Table<'r, 's, 't> {
    pub fn new(
        reader: &'r Reader<'s>,
        title: String,
        span: Span,
        entries: &'t DeTable<'t>,
    ) -> Self {
        Self {
            reader,
            title,
            span,
            entries,
            known: RefCell::default(),
        }
    }

    fn get(&self, field: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.known.borrow_mut().push(field);
        self.entries.get(field)
    }

    fn typed<T>(
        &self,
        field: &'static str,
        expected: &str,
        convert: impl FnOnce(&'t DeValue<'t>) -> Option<T>,
    ) -> Option<Spanned<T>> {
        let value = self.get(field)?;
        let converted = convert(value.get_ref());
        if converted.is_none() {
            self.reader
                .wrong_type(&format!("`{field}`"), expected, value);
        }
        Some(Spanned::new(value.span(), converted?))
    }

    pub fn string(&self, field: &'static str) -> Option<Spanned<String>> {
        self.typed(field, "a string", |value| value.as_str().map(str::to_owned))
    }

    pub fn boolean(&self, field: &'static str) -> Option<Spanned<bool>> {
        self.typed(field, "`true` or `false`", DeValue::as_bool)
    }

    /// A whole number within `range`.
    pub fn number(&self, field: &'static str, range: RangeInclusive<u64>) -> Option<Spanned<u64>> {
        self.number_because(field, range, "")
    }

    /// The same, with the reason for the range as a part of the sentence that names it.
    pub fn number_because(
        &self,
        field: &'static str,
        range: RangeInclusive<u64>,
        reason: &str,
    ) -> Option<Spanned<u64>> {
        let expected = format!("a number from {} to {}", range.start(), range.end());
        let number = self.typed(field, &expected, integer)?;
        let (span, number) = (number.span(), number.into_inner());
        self.reader
            .in_range(&format!("`{field}`"), &span, number, &range, reason)
    }

    /// A size of memory, as a string with a unit or as a number of bytes.
    pub fn size(&self, field: &'static str) -> Option<Spanned<u64>> {
        let expected = "a size such as \"64K\" or \"1M\"";
        let text = self.typed(field, expected, |value| match value {
            DeValue::String(text) => Some(text.to_string()),
            value => integer(value).map(|number| number.to_string()),
        })?;
        match size::parse(text.get_ref()) {
            Ok(bytes) => Some(Spanned::new(text.span(), bytes)),
            Err(error) => {
                self.reader
                    .problem(&text.span(), format_args!("`{field}`: {error}"));
                None
            }
        }
    }

    /// An array of strings; a single string counts as an array of one.
    pub fn strings(&self, field: &'static str) -> Option<Vec<Spanned<String>>> {
        self.value(field)?.strings()
    }

    /// An array of whole numbers within `range`.
    pub fn numbers(
        &self,
        field: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<Vec<Spanned<u64>>> {
        let number = |value: Value<'r, 's, 't>| match integer(value.value.get_ref()) {
            Some(number) => self
                .reader
                .in_range(&value.title, &value.span(), number, &range, ""),
            None => {
                value.expected(&format!(
                    "a number from {} to {}",
                    range.start(),
                    range.end()
                ));
                None
            }
        };
        Some(self.values(field)?.into_iter().filter_map(number).collect())
    }

    /// A field of several possible types.
    pub fn value(&self, field: &'static str) -> Option<Value<'r, 's, 't>> {
        let value = self.get(field)?;
        Some(Value {
            reader: self.reader,
            title: format!("`{field}`"),
            value,
        })
    }

    /// An array of such; a single value counts as an array of one.
    pub fn values(&self, field: &'static str) -> Option<Vec<Value<'r, 's, 't>>> {
        Some(self.value(field)?.values())
    }

    /// A table in this table.
    pub fn table(&self, field: &'static str, title: &str) -> Option<Table<'r, 's, 't>> {
        let value = self.get(field)?;
        let key = self
            .entries
            .get_key_value(field)
            .map_or(value.span(), |(key, _)| key.span());
        match value.get_ref() {
            DeValue::Table(entries) => Some(Table::new(self.reader, title.into(), key, entries)),
            _ => {
                self.reader
                    .wrong_type(&format!("`{field}`"), &format!("a table {title}"), value);
                None
            }
        }
    }

    /// All entries, whatever their names: for tables whose keys are names of the user's.
    pub fn entries(
        &self,
    ) -> impl Iterator<Item = (Spanned<String>, Value<'r, 's, 't>)> + use<'r, 's, 't> {
        let reader = self.reader;
        self.entries.iter().map(move |(key, value)| {
            let name = key.get_ref().to_string();
            let value = Value {
                reader,
                title: format!("`{name}`"),
                value,
            };
            (Spanned::new(key.span(), name), value)
        })
    }

    /// The span of a field's key, to point at the field itself.
    pub fn key(&self, field: &str) -> Span {
        self.entries
            .get_key_value(field)
            .map_or(self.span.clone(), |(key, _)| key.span())
    }

    /// Reports the fields that nobody asked for.
    pub fn finish(self) {
        let known = self.known.into_inner();
        for key in self
            .entries
            .keys()
            .filter(|key| !known.contains(&key.get_ref().as_ref()))
        {
            let what = format!("field of {}:", self.title);
            self.reader
                .unknown(&key.span(), &what, key.get_ref(), &known);
        }
    }
}

/// A value of any type.
pub struct Value<'r, 's, 't> {
    reader: &'r Reader<'s>,
    title: String,
    value: &'t Spanned<DeValue<'t>>,
}

impl<'r, 's, 't> Value<'r, 's, 't> {
    pub fn span(&self) -> Span {
        self.value.span()
    }

    pub fn string(&self) -> Option<Spanned<String>> {
        let text = self.value.get_ref().as_str()?;
        Some(Spanned::new(self.value.span(), text.to_owned()))
    }

    pub fn table(&self, title: impl Into<String>) -> Option<Table<'r, 's, 't>> {
        let entries = self.value.get_ref().as_table()?;
        Some(Table::new(
            self.reader,
            title.into(),
            self.value.span(),
            entries,
        ))
    }

    /// The values of an array; a single value counts as an array of one.
    fn values(&self) -> Vec<Self> {
        let title = format!("an entry of {}", self.title);
        let make = |value| Self {
            reader: self.reader,
            title: title.clone(),
            value,
        };
        match self.value.get_ref() {
            DeValue::Array(array) => array.iter().map(make).collect(),
            _ => vec![make(self.value)],
        }
    }

    /// An array of strings; a single string counts as an array of one.
    pub fn strings(&self) -> Option<Vec<Spanned<String>>> {
        let text = |value: Self| {
            let text = value.string();
            if text.is_none() {
                value.expected("a string");
            }
            text
        };
        Some(self.values().into_iter().filter_map(text).collect())
    }

    /// Reports that the value is not what it should be.
    pub fn expected(&self, expected: &str) {
        self.wrong_type(&self.title, expected);
    }

    fn wrong_type(&self, what: &str, expected: &str) {
        self.reader.wrong_type(what, expected, self.value);
    }
}

fn integer(value: &DeValue<'_>) -> Option<i128> {
    let integer = value.as_integer()?;
    i128::from_str_radix(integer.as_str(), integer.radix()).ok()
}
