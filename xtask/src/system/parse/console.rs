//! `console = "NAME"` in `[system]`: what the components print and read goes through one of them.

use crate::system::{Channel, Component, Grant};
use system_description::{CapabilityKind, Rights};
use toml::Spanned;

/// The channel's name, and that of its gate at the server.
const CHANNEL: &str = "consoles";
/// ned puts a gate of this name in the place of a component's log.
const OUTPUT: &str = "log";
/// The capability that a component asks for if it wants input.
const INPUT: &str = "console";

/// Gives the machine's console to the component `console`, and all others one of its: as their log,
/// and under the name `console` if they ask for input. The channel for that, if there are others.
pub(super) fn share(console: &Spanned<String>, components: &mut [Component]) -> Option<Channel> {
    let at = |text: &str| Spanned::new(console.span(), text.to_owned());
    let mut clients = vec![];
    for component in components {
        let asks = !component.capabilities.is_empty();
        component.capabilities.clear();
        if component.name.get_ref() == console.get_ref() {
            let input = (at(INPUT), CapabilityKind::Console);
            component.capabilities.push(input);
            continue;
        }
        let mut grant = |name, rights| {
            clients.push(Grant {
                component: component.name.clone(),
                rights: Spanned::new(console.span(), rights),
                name: at(name),
                args: vec![component.name.clone(), at(component.colour.name())],
            });
        };
        grant(OUTPUT, Rights::READ);
        if asks {
            grant(INPUT, Rights::READ.union(Rights::WRITE));
        }
    }
    (!clients.is_empty()).then(|| Channel {
        name: at(CHANNEL),
        server: console.clone(),
        server_name: at(CHANNEL),
        per_client: true,
        clients,
    })
}
