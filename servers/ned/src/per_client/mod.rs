//! Channels whose server makes a gate for each client (`per_client`): which of them a component is to get, and
//! when ned asks for them.
//!
//! * [`sessions`]: asking. [`asks`]: what is being asked for.

pub mod asks;
pub mod sessions;

use alloc::string::String;
use alloc::vec::Vec;

use l4_abi::capability::slot as initial;
use l4_abi::l4re::slot;
use l4_abi::rights::CapabilityRights;
use l4_rt::println;
use l4_sys::Error;

use crate::grants::{Grants, capability_rights};
use crate::instance::{Instance, LOG, Session};
use crate::supervision::End;
use crate::system::System;
use asks::Key;
use sessions::Wish;

pub use sessions::Sessions;

impl Grants<'_> {
    /// The gates that the servers of which `is_wanted` speaks are to make for a component.
    fn wishes(&self, index: usize, is_wanted: impl Fn(usize) -> bool) -> Vec<Wish> {
        let mut wishes = Vec::new();
        for (channel, gate) in self.description.channels.iter().zip(&self.gates) {
            if !channel.per_client || !is_wanted(channel.server) {
                continue;
            }
            for client in channel
                .clients
                .iter()
                .filter(|client| client.component == index)
            {
                wishes.push(Wish {
                    server: gate.as_cap(),
                    name: String::from(client.name),
                    arguments: client.args.iter().map(|&text| text.into()).collect(),
                    rights: capability_rights(client.rights),
                });
            }
        }
        wishes
    }
}

impl Instance {
    /// Puts new gates into the places of those with the same names, whose server is gone.
    fn replace_sessions(&mut self, new: Vec<Session>) {
        for (name, gate, rights) in new {
            let position = self.sessions.iter().position(|old| old.0 == name);
            let Some(position) = position else { continue };
            let before = self.sessions[..position].iter();
            let index = match name == LOG {
                true => initial::LOG,
                false => slot::FIRST_NAMED + before.filter(|(name, ..)| name != LOG).count() as u64,
            };
            let _ = self.parts.task.map_capability(gate.as_cap(), index, rights);
            self.sessions[position] = (name, gate, rights);
        }
    }

    /// Lets the component write to moe's log, because the server of its own one is gone.
    fn use_own_log(&self) {
        let (task, log) = (self.parts.task, self.parts.log);
        let _ = task.map_capability(log, initial::LOG, CapabilityRights::READ);
    }
}

impl System<'_> {
    /// Asks servers for the gates that they make for a component, if there are such.
    pub(crate) fn ask_servers_for(&mut self, index: usize) -> bool {
        let wishes = self.grants.wishes(index, |_| true);
        let asks = !wishes.is_empty();
        if asks {
            self.ask(index, None, wishes);
        }
        asks
    }

    fn ask(&mut self, index: usize, server: Option<usize>, wishes: Vec<Wish>) {
        if let Err(error) = self.sessions.ask(self.key(index, server), wishes) {
            self.lacks_gates(index, "cannot ask servers for its gates", error);
        }
    }

    fn key(&self, index: usize, server: Option<usize>) -> Key {
        Key {
            component: index,
            generation: self.supervision.restarts(index),
            server,
        }
    }

    /// A component that runs goes on with the gates that it has, even if their server is gone.
    fn lacks_gates(&mut self, index: usize, why: &str, error: Error) {
        let name = self.component(index).map_or("", |component| component.name);
        println!("component `{name}`: {why}: {error}");
        if self.instances[index].is_none() {
            self.ended(index, End::NotStarted);
        }
    }

    /// The gates that a server's last life made for its clients are of no use any more.
    pub(crate) fn renew_sessions_at(&mut self, server: usize) {
        for index in 0..self.instances.len() {
            let wishes = self.grants.wishes(index, |other| other == server);
            if wishes.is_empty() {
                continue;
            }
            if self.instances[index].is_some() {
                self.ask(index, Some(server), wishes);
            } else if self.supervision.restarts(server) > 0
                && self.sessions.are_awaited(self.key(index, None))
            {
                // Its first gates may be of that life as well, while another server lets it wait.
                self.ask_servers_for(index);
            }
        }
    }

    /// What components write to a server goes to moe, as long as the server is gone.
    pub(crate) fn use_own_logs_of_clients(&self, server: usize) {
        for (index, instance) in self.instances.iter().enumerate() {
            let wishes = self.grants.wishes(index, |other| other == server);
            if let Some(instance) = instance
                && wishes.iter().any(|wish| wish.name == LOG)
            {
                instance.use_own_log();
            }
        }
    }

    /// Servers have answered.
    pub(crate) fn take_sessions(&mut self) {
        for answer in self.sessions.take_answers() {
            let index = answer.key.component;
            if answer.key.generation != self.supervision.restarts(index) {
                continue;
            }
            if answer.key.server.is_some() && self.instances[index].is_none() {
                // They were to be its next ones, but it has ended.
                continue;
            }
            match (answer.gates, &mut self.instances[index]) {
                (Ok(gates), None) => self.start_with(index, gates),
                (Ok(gates), Some(instance)) => instance.replace_sessions(gates),
                (Err(error), _) => {
                    self.lacks_gates(index, "a server made no gate for it", error);
                }
            }
        }
    }
}
