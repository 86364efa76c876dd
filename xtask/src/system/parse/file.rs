//! Programs and files: what becomes a boot module.

use super::{NAME_RULE, is_name};
use crate::guests::Guest;
use crate::system::value::{Reader, Table, Value};
use crate::system::{File, FileContent, Program};
use std::path::Path;
use system_description::NAME_MAX;
use toml::Spanned;

pub(super) fn program(reader: &Reader<'_>, value: &Value<'_, '_, '_>) -> Option<Program> {
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
pub(super) fn files(
    reader: &Reader<'_>,
    table: &Table<'_, '_, '_>,
    field: &'static str,
) -> Vec<File> {
    let file = |value: Value<'_, '_, '_>| {
        if let Some(path) = value.string() {
            return path_file(reader, &path, None);
        }
        let Some(table) = value.table(format!("an entry of `{field}`")) else {
            value.expected(
                "a path, { file = \"PATH\" }, { program = \"PACKAGE\" } or { guest = \"NAME\" }",
            );
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
    let guest = table.string("guest");
    let span = table.span.clone();
    table.finish();
    match (path, package, guest) {
        (Some(path), None, None) => path_file(reader, &path, name),
        (None, None, Some(guest)) => guest_file(reader, &guest, name),
        (None, Some(package), None) => {
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
            let help =
                "write { file = \"PATH\" }, { program = \"PACKAGE\" } or { guest = \"NAME\" }";
            reader.problem_with_help(&span, "not one file, one program or one guest's", help);
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

fn guest_file(
    reader: &Reader<'_>,
    guest: &Spanned<String>,
    name: Option<Spanned<String>>,
) -> Option<File> {
    let known = Guest::ALL.map(Guest::name);
    let found = Guest::ALL
        .into_iter()
        .find(|one| one.name() == guest.get_ref());
    let Some(found) = found else {
        reader.unknown(&guest.span(), "guest's file", guest.get_ref(), &known);
        return None;
    };
    let name = name.unwrap_or(guest.clone());
    module_name(reader, &name);
    Some(File {
        name: name.into_inner(),
        content: FileContent::Guest(found),
        span: guest.span(),
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
