//! From a checked [`System`] to the description that ned reads.

use super::{Component, Grant, Program, System};
use crate::failure::{Context, Result};
use system_description::writer;
use toml::Spanned;

/// The compiled description: content of the boot module `system.brio`.
pub fn compile(system: &System) -> Result<Vec<u8>> {
    let description = writer::System {
        name: system.name.clone(),
        verbose: system.verbose,
        components: system
            .components
            .iter()
            .map(|c| component(system, c))
            .collect(),
        channels: system
            .channels
            .iter()
            .map(|channel| writer::Channel {
                name: channel.name.get_ref().clone(),
                server: index(system, &channel.server),
                server_name: channel.server_name.get_ref().clone(),
                per_client: channel.per_client,
                clients: grants(system, &channel.clients),
            })
            .collect(),
        dataspaces: system
            .dataspaces
            .iter()
            .map(|dataspace| writer::Dataspace {
                name: dataspace.name.get_ref().clone(),
                size: *dataspace.size.get_ref(),
                users: grants(system, &dataspace.users),
            })
            .collect(),
    };
    description
        .write()
        .context(|| format!("compiling system `{}`", system.name))
}

fn component(system: &System, component: &Component) -> writer::Component {
    let capability = |(name, kind): &(Spanned<String>, _)| (name.get_ref().clone(), *kind);
    writer::Component {
        name: component.name.get_ref().clone(),
        program: Program::module(&component.program).name,
        args: texts(&component.args),
        rom: component.rom.iter().map(|file| file.name.clone()).collect(),
        capabilities: component.capabilities.iter().map(capability).collect(),
        memory: *component.memory.get_ref(),
        kernel_memory: *component.kernel_memory.get_ref(),
        cpus: component.cpus,
        priority: component.priority,
        colour: component.colour,
        runtime: *component.runtime.get_ref(),
        restart: *component.restart.get_ref(),
        essential: component.essential,
        awaited: system
            .ends_when
            .iter()
            .any(|name| name.get_ref() == component.name.get_ref()),
    }
}

fn grants(system: &System, grants: &[Grant]) -> Vec<writer::Grant> {
    let grant = |grant: &Grant| writer::Grant {
        component: index(system, &grant.component),
        rights: *grant.rights.get_ref(),
        name: grant.name.get_ref().clone(),
        args: texts(&grant.args),
    };
    grants.iter().map(grant).collect()
}

/// A component's index. `check` has seen that the name is known; the writer rejects the index otherwise.
fn index(system: &System, name: &Spanned<String>) -> u32 {
    let position = system
        .components
        .iter()
        .position(|c| c.name.get_ref() == name.get_ref());
    position
        .and_then(|index| u32::try_from(index).ok())
        .unwrap_or(u32::MAX)
}

fn texts(texts: &[Spanned<String>]) -> Vec<String> {
    texts.iter().map(|text| text.get_ref().clone()).collect()
}
