//! The tables `[channel.NAME]` and `[dataspace.NAME]`, and who gets what of them.

use super::is_name;
use crate::system::value::{Reader, Table, Value, join};
use crate::system::{Channel, Dataspace, Grant};
use system_description::{CAPABILITY_NAME_MAX, Rights};
use toml::Spanned;

pub(super) fn channel(name: Spanned<String>, table: Table<'_, '_, '_>) -> Option<Channel> {
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

pub(super) fn dataspace(name: Spanned<String>, table: Table<'_, '_, '_>) -> Option<Dataspace> {
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
            "it can have {CAPABILITY_NAME_MAX} letters, digits, `-`, `+`, `_` and `.`; \
             give the component another with `as = \"NAME\"`"
        );
        reader.problem_with_help(&name.span(), message, help);
    }
    name
}
