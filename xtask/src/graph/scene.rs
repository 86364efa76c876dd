//! What of a system is drawn: boxes for components, pills for shared memory, arrows between them.

use crate::size;
use crate::system::{Component, FileContent, Grant, Program, System};
use system_description::{Colour, Restart, Rights};

/// Everything that has a place in the picture.
pub struct Scene {
    pub nodes: Vec<Node>,
    pub links: Vec<Link>,
}

pub enum Node {
    Component(Card),
    /// Shared memory: name and size.
    Dataspace {
        name: String,
        size: String,
    },
}

/// What a component's box says.
pub struct Card {
    pub name: String,
    pub colour: Colour,
    /// The command line.
    pub program: String,
    /// Small facts, each in a frame of its own.
    pub facts: Vec<String>,
    /// The long form, shown when the mouse rests on it.
    pub tooltip: String,
}

/// An arrow from a client to its server, or from a user to shared memory.
pub struct Link {
    pub from: usize,
    pub to: usize,
    pub label: String,
    pub kind: LinkKind,
    pub tooltip: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    Channel,
    Memory,
}

impl Scene {
    pub fn new(system: &System) -> Self {
        let component = |name: &str| {
            system
                .components
                .iter()
                .position(|component| component.name.get_ref() == name)
        };
        let mut nodes: Vec<Node> = system
            .components
            .iter()
            .map(|component| Node::Component(card(system, component)))
            .collect();
        let mut links = vec![];
        for channel in &system.channels {
            let name = channel.name.get_ref();
            for grant in &channel.clients {
                let ends = (
                    component(grant.component.get_ref()),
                    component(channel.server.get_ref()),
                );
                let (Some(from), Some(to)) = ends else {
                    continue;
                };
                let rights = letters(*grant.rights.get_ref(), 's');
                let label = format!("{name} {rights}");
                let own = if channel.per_client {
                    ", a gate of its own"
                } else {
                    ""
                };
                let tooltip = format!(
                    "{} calls {} through `{name}` ({rights}{own})",
                    grant.component.get_ref(),
                    channel.server.get_ref()
                );
                links.push(Link {
                    from,
                    to,
                    label,
                    kind: LinkKind::Channel,
                    tooltip,
                });
            }
        }
        for dataspace in &system.dataspaces {
            let (name, size) = (
                dataspace.name.get_ref(),
                size::show(*dataspace.size.get_ref()),
            );
            let to = nodes.len();
            nodes.push(Node::Dataspace {
                name: name.clone(),
                size,
            });
            links.extend(dataspace.users.iter().filter_map(|grant: &Grant| {
                let from = component(grant.component.get_ref())?;
                let label = letters(*grant.rights.get_ref(), 'x');
                let tooltip = format!("{} maps `{name}` ({label})", grant.component.get_ref());
                Some(Link {
                    from,
                    to,
                    label,
                    kind: LinkKind::Memory,
                    tooltip,
                })
            }));
        }
        Self { nodes, links }
    }
}

fn card(system: &System, component: &Component) -> Card {
    let name = component.name.get_ref().clone();
    let module = component.program.module();
    let mut words = vec![module.name.clone()];
    words.extend(component.args.iter().map(|arg| arg.get_ref().clone()));
    let (memory, kernel) = (
        size::show(*component.memory.get_ref()),
        size::show(*component.kernel_memory.get_ref()),
    );
    let mut facts = vec![
        format!("priority {}", component.priority),
        format!("{memory} + {kernel} kernel"),
    ];
    match component.restart.get_ref() {
        Restart::Never => {}
        Restart::OnFailure { limit } => facts.push(format!("restarts ≤ {limit}")),
        Restart::Always => facts.push("restarts always".into()),
    }
    facts.extend(
        component
            .capabilities
            .iter()
            .map(|(name, _)| name.get_ref().clone()),
    );
    if component.cpus != u64::MAX {
        let cpus: Vec<String> = (0..64)
            .filter(|cpu| component.cpus >> cpu & 1 == 1)
            .map(|cpu| cpu.to_string())
            .collect();
        facts.push(format!("CPU {}", cpus.join(", ")));
    }
    if !component.rom.is_empty() {
        let plural = if component.rom.len() == 1 { "" } else { "s" };
        facts.push(format!("{} file{plural}", component.rom.len()));
    }
    if !component.essential {
        facts.push("may fail".into());
    }
    if system.ends_when.iter().any(|end| *end.get_ref() == name) {
        facts.push("ends the system".into());
    }
    let origin = match (&component.program, &module.content) {
        (Program::Package(_), _) => "a program of this project".to_owned(),
        (_, FileContent::Path(path) | FileContent::Package(path)) => format!("the file {path}"),
        (_, FileContent::Guest(guest)) => format!("the guest's {}", guest.name()),
    };
    let files: Vec<&str> = component
        .rom
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    let files = if files.is_empty() {
        String::new()
    } else {
        format!("\nfiles: {}", files.join(", "))
    };
    let tooltip = format!(
        "{name}: {}, {origin}\npriority {}, {memory} of memory, {kernel} of kernel memory{files}",
        words.join(" "),
        component.priority
    );
    Card {
        name,
        colour: component.colour,
        program: words.join(" "),
        facts,
        tooltip,
    }
}

fn letters(rights: Rights, third: char) -> String {
    let third_right = if third == 's' {
        Rights::SPECIAL
    } else {
        Rights::EXECUTE
    };
    let all = [
        ('r', Rights::READ),
        ('w', Rights::WRITE),
        (third, third_right),
    ];
    all.into_iter()
        .filter(|&(_, right)| rights.contains(right))
        .map(|(letter, _)| letter)
        .collect()
}
