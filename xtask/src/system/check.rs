//! What a machine can know about a system before it boots.

use super::source::{Problem, Problems, Span};
use super::value::Reader;
use super::{Component, File, FileContent, Grant, Program, System};
use crate::size;
use crate::workspace::{Workspace, package_and_features};
use std::collections::BTreeMap;
use system_description::{COMPONENTS_MAX, Restart, Runtime};
use toml::Spanned;

/// Memory in bytes that the boot image, sigma0, moe and ned take from the machine's, generously.
const BASE_MEMORY: u64 = 32 << 20;

/// Names that belong to the base system: as a component's they would make its output look like theirs.
const RESERVED: [&str; 6] = ["kernel", "bootstrap", "sigma0", "moe", "ned", "brio"];

/// Checks everything; `system` is fit to be compiled if this succeeds.
pub fn check(system: &System, workspace: &Workspace) -> Result<(), Problems> {
    let reader = Reader::new(&system.source);
    let checker = Checker {
        system,
        workspace,
        reader: &reader,
    };
    checker.components();
    checker.modules();
    checker.linked_right();
    checker.channels();
    checker.dataspaces();
    checker.capability_names();
    checker.end();
    checker.waiting_cycles();
    checker.quotas();
    let problems: Vec<Problem> = reader.into_problems();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Problems(problems))
    }
}

struct Checker<'a, 's> {
    system: &'a System,
    workspace: &'a Workspace,
    reader: &'a Reader<'s>,
}

impl Checker<'_, '_> {
    fn component_names(&self) -> Vec<&str> {
        self.system
            .components
            .iter()
            .map(|component| component.name.get_ref().as_str())
            .collect()
    }

    fn component(&self, name: &Spanned<String>) -> Option<&Component> {
        let found = self
            .system
            .components
            .iter()
            .find(|component| component.name.get_ref() == name.get_ref());
        if found.is_none() {
            self.reader.unknown(
                &name.span(),
                "component",
                name.get_ref(),
                &self.component_names(),
            );
        }
        found
    }

    fn components(&self) {
        let system = self.system;
        match (&system.root, system.components.first()) {
            (None, None) => self.reader.problem_with_help(
                &(0..0),
                "the system has no component",
                "add a table `[component.NAME]` with `program = \"PACKAGE\"`",
            ),
            (Some(root), Some(_)) => self.reader.problem_with_help(
                &root.span(),
                "a system with a root task of its own has no components",
                "remove `root`, or the components: they are started by ned, which moe starts",
            ),
            _ => {}
        }
        for argument in &system.root_args {
            let word = argument.get_ref();
            if system.root.is_none() {
                let message = "there is no root task to be told this";
                let help = "add `root`, or give components their own `args`";
                self.reader
                    .problem_with_help(&argument.span(), message, help);
            } else if word.is_empty() || word.contains(|c: char| c.is_ascii_whitespace()) {
                let message = format!("`{word}` is not one word");
                let help = "a root task's arguments are the words of one line";
                self.reader
                    .problem_with_help(&argument.span(), message, help);
            }
        }
        if let Some(extra) = system.components.get(COMPONENTS_MAX) {
            let message = format!("more than {COMPONENTS_MAX} components");
            self.reader.problem(&extra.name.span(), message);
        }
        for component in &system.components {
            let name = component.name.get_ref();
            if RESERVED.contains(&name.as_str()) {
                let message = format!("`{name}` is the name of a part of the base system");
                self.reader.problem_with_help(
                    &component.name.span(),
                    message,
                    "choose another name",
                );
            }
            let loader = system.modules().iter().any(|module| module.name == "l4re");
            if *component.runtime.get_ref() == Runtime::L4re && !loader {
                self.reader.problem_with_help(
                    &component.runtime.span(),
                    "runtime \"l4re\" needs the loader module `l4re`",
                    "add it: `files = [\"PATH/l4re\"]` in `[system]`",
                );
            }
        }
    }

    /// A program is linked for moe's place or for components, never for both.
    fn linked_right(&self) {
        let programs = self
            .system
            .components
            .iter()
            .map(|component| &component.program);
        let all = self
            .system
            .root
            .iter()
            .map(|root| (root, true))
            .chain(programs.map(|p| (p, false)));
        for (program, is_root) in all {
            let Program::Package(name) = program else {
                continue;
            };
            let name = name.get_ref();
            if !self.workspace.has_program(name) || self.workspace.is_root_task(name) == is_root {
                continue;
            }
            let (message, help) = if is_root {
                let help = "add `[package.metadata.brio] root-task = true` to its Cargo.toml";
                (format!("`{name}` is not linked as a root task"), help)
            } else {
                (
                    format!("`{name}` is a root task, not a component"),
                    "start it with `root` in `[system]`",
                )
            };
            self.reader
                .problem_with_help(&program.span(), message, help);
        }
    }

    /// Programs and files exist, and no two have the same module name.
    fn modules(&self) {
        let system = self.system;
        let mut seen: BTreeMap<String, FileContent> = BTreeMap::new();
        let programs = system.components.iter().map(|component| &component.program);
        let rom = system
            .components
            .iter()
            .flat_map(|component| component.rom.iter().cloned());
        let all = system
            .root
            .iter()
            .chain(programs)
            .map(Program::module)
            .chain(rom);
        for file in all.chain(system.files.iter().cloned()) {
            self.content(&file);
            let base = ["kernel", "sigma0", "moe", "ned", "bootstrap"];
            if base.contains(&package_and_features(&file.name).0)
                || file.name.starts_with("system.")
            {
                let message = format!("`{}` is a boot module of every system", file.name);
                self.reader.problem_with_help(
                    &file.span,
                    message,
                    "choose another program or `name`",
                );
            }
            match seen.get(&file.name) {
                Some(content) if *content != file.content => {
                    let message = format!("two boot modules would have the name `{}`", file.name);
                    let help = "give one another: `{ file = \"PATH\", name = \"NAME\" }`";
                    self.reader.problem_with_help(&file.span, message, help);
                }
                Some(_) => {}
                None => drop(seen.insert(file.name, file.content)),
            }
        }
    }

    fn content(&self, file: &File) {
        match &file.content {
            FileContent::Package(name) => {
                let (package, features) = package_and_features(name);
                if !self.workspace.has_program(name) {
                    let programs = self.workspace.programs();
                    self.reader
                        .unknown(&file.span, "program", package, &programs);
                    return;
                }
                let known = self.workspace.features(name);
                for feature in features.iter().filter(|feature| !known.contains(feature)) {
                    let what = format!("feature of `{package}`:");
                    self.reader.unknown(&file.span, &what, feature, &known);
                }
            }
            FileContent::Guest(_) => {}
            FileContent::Path(path) => {
                for &arch in &self.system.archs {
                    let full = self.system.file_path(path, arch);
                    if !full.is_file() {
                        let message = format!("there is no file `{}`", full.display());
                        let help = "paths are relative to the configuration file; \
                                    `{arch}` in one stands for x86_64 or aarch64";
                        self.reader.problem_with_help(&file.span, message, help);
                        break;
                    }
                }
            }
        }
    }

    fn channels(&self) {
        for channel in &self.system.channels {
            self.component(&channel.server);
            self.grants(&channel.clients);
            if channel.clients.is_empty() {
                let message = format!("channel `{}` has no clients", channel.name.get_ref());
                let help = "name one in `clients`, or remove the channel";
                self.reader
                    .problem_with_help(&channel.name.span(), message, help);
            }
            for arg in channel.clients.iter().flat_map(|client| &client.args) {
                if !channel.per_client {
                    self.reader.problem_with_help(
                        &arg.span(),
                        "all clients of this channel share one gate, so arguments reach nobody",
                        "add `per_client = true`, or remove `args`",
                    );
                }
            }
        }
    }

    fn grants(&self, grants: &[Grant]) {
        for grant in grants {
            self.component(&grant.component);
        }
    }

    fn dataspaces(&self) {
        for dataspace in &self.system.dataspaces {
            self.grants(&dataspace.users);
            let size = *dataspace.size.get_ref();
            if size == 0 || size % 4096 != 0 {
                let message = format!("{} is not a number of pages", size::show(size));
                let help = "the size of a dataspace is a multiple of 4K, and not 0";
                self.reader
                    .problem_with_help(&dataspace.size.span(), message, help);
            }
        }
    }

    /// A component finds each capability under a name of its own.
    fn capability_names(&self) {
        let mut names: BTreeMap<(&str, &str), ()> = BTreeMap::new();
        let channels = self.system.channels.iter().flat_map(|channel| {
            let clients = channel
                .clients
                .iter()
                .map(|client| (&client.component, &client.name));
            clients.chain([(&channel.server, &channel.server_name)])
        });
        let users = self
            .system
            .dataspaces
            .iter()
            .flat_map(|dataspace| &dataspace.users);
        let users = users.map(|user| (&user.component, &user.name));
        let own = self.system.components.iter().flat_map(|component| {
            component
                .capabilities
                .iter()
                .map(|(name, _)| (&component.name, name))
        });
        let mut consoles = self
            .system
            .components
            .iter()
            .flat_map(|component| &component.capabilities);
        if let (Some(_), Some((second, _))) = (consoles.next(), consoles.next()) {
            let help = "input can go to one component only; let that one pass it on, \
                        as `cons` does for all with `console = \"cons\"` in `[system]`";
            self.reader
                .problem_with_help(&second.span(), "two components have the console", help);
        }
        for (component, name) in own.chain(channels).chain(users) {
            // Every component has its files under this name.
            let taken = name.get_ref() == "rom";
            let key = (component.get_ref().as_str(), name.get_ref().as_str());
            if names.insert(key, ()).is_some() || taken {
                let message = format!(
                    "component `{}` has two capabilities named `{}`",
                    key.0, key.1
                );
                // An error of a server with itself is a waiting cycle, and reported as such.
                let help = "give one another name: `{ …, as = \"NAME\" }`";
                self.reader.problem_with_help(&name.span(), message, help);
            }
        }
    }

    fn end(&self) {
        for name in &self.system.ends_when {
            let Some(component) = self.component(name) else {
                continue;
            };
            if *component.restart.get_ref() == Restart::Always {
                let message = format!("`{}` never ends: it is always restarted", name.get_ref());
                let help = "name another component, or let it restart only on failure";
                self.reader.problem_with_help(&name.span(), message, help);
            }
        }
    }

    /// A client waits for its server. If a chain of such waits closes, all of them can wait for ever.
    fn waiting_cycles(&self) {
        // The walk only ever goes on to servers that are not on the path, so it ends.
        let mut done: Vec<&str> = vec![];
        for component in &self.system.components {
            self.walk(component.name.get_ref(), &mut vec![], &mut done);
        }
    }

    fn walk<'n>(
        &'n self,
        client: &'n str,
        path: &mut Vec<(&'n str, Span)>,
        done: &mut Vec<&'n str>,
    ) {
        if done.contains(&client) {
            return;
        }
        for channel in &self.system.channels {
            let Some(grant) = channel
                .clients
                .iter()
                .find(|grant| grant.component.get_ref() == client)
            else {
                continue;
            };
            let server = channel.server.get_ref().as_str();
            path.push((client, grant.component.span()));
            match path.iter().position(|(on_path, _)| *on_path == server) {
                Some(start) => {
                    let names = path[start..].iter().map(|(name, _)| *name);
                    let circle: Vec<&str> = names.chain([server]).collect();
                    let message = format!("waiting cycle: {}", circle.join(" → "));
                    let help = "each calls the next, so all can wait for ever; \
                                remove a channel or let one side poll a shared dataspace";
                    self.reader
                        .problem_with_help(&grant.component.span(), message, help);
                }
                None => self.walk(server, path, done),
            }
            path.pop();
        }
        done.push(client);
    }

    /// All that is promised must be there.
    fn quotas(&self) {
        let system = self.system;
        let ram = *system.ram.get_ref();
        let kernel = system.kernel_share();
        let Some(user) = ram
            .checked_sub(BASE_MEMORY)
            .and_then(|rest| rest.checked_sub(kernel))
        else {
            let span = system
                .kernel_memory
                .as_ref()
                .map_or(system.ram.span(), Spanned::span);
            let message = format!(
                "{} of memory are too few for {} of kernel memory and {} of base system",
                size::show(ram),
                size::show(kernel),
                size::show(BASE_MEMORY)
            );
            self.reader
                .problem_with_help(&span, message, "raise `memory` in `[system]`");
            return;
        };
        let memory = system.components.iter().map(|component| &component.memory);
        let memory = memory.chain(system.dataspaces.iter().map(|dataspace| &dataspace.size));
        self.sum(
            memory,
            user,
            "memory",
            "raise `memory` in `[system]` or lower this one",
        );
        let quotas = system
            .components
            .iter()
            .map(|component| &component.kernel_memory);
        let help = "raise `kernel_memory` in `[system]` or lower this one";
        // The base system's own objects need some of it.
        self.sum(quotas, kernel - kernel / 4, "kernel memory", help);
    }

    fn sum<'q>(
        &self,
        quotas: impl Iterator<Item = &'q Spanned<u64>>,
        available: u64,
        what: &str,
        help: &str,
    ) {
        let mut total = 0u64;
        for quota in quotas {
            total = total.saturating_add(*quota.get_ref());
            if total > available {
                let (total, available) = (size::show(total), size::show(available));
                let message =
                    format!("quotas up to here need {total} of {what}, but there are {available}");
                self.reader.problem_with_help(&quota.span(), message, help);
                return;
            }
        }
    }
}
