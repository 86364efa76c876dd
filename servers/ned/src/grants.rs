//! Who gets what of that which components share: channels and dataspaces.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use l4_abi::rights::CapabilityRights;
use l4_launch::Named;
use l4_sys::object::{Debugger, Factory, IpcGate};
use l4_sys::{Cap, OwnedCap};
use l4re::mem_alloc::DataspaceFlags;
use l4re::{Dataspace, MemAlloc};
use system_description::{Description, Rights};

use crate::instance::{LOG, Session};

/// What belongs to no component alone, and so survives their restarts.
pub struct Grants<'a> {
    pub(crate) description: &'a Description<'a>,
    /// One for each channel, in the description's order.
    pub(crate) gates: Vec<OwnedCap<IpcGate>>,
    /// One for each shared dataspace, in the description's order.
    dataspaces: Vec<OwnedCap<Dataspace>>,
}

impl<'a> Grants<'a> {
    /// Makes all channels and shared dataspaces; an error is a line for people.
    pub fn make(
        description: &'a Description<'a>,
        factory: Cap<Factory>,
        memory: Cap<MemAlloc>,
    ) -> Result<Self, String> {
        let gate = |name: &str| {
            let gate = factory.create_unbound_gate();
            if let Ok(gate) = &gate {
                // For those who look on; kernels without a debugger refuse.
                let _ = Debugger::KERNEL.set_name(gate.as_cap(), name);
            }
            gate.map_err(|error| format!("cannot make the channel `{name}`: {error}"))
        };
        let dataspace = |name: &str, size: u64| {
            let dataspace = memory.create_dataspace(size, DataspaceFlags::PINNED, 0);
            dataspace.map_err(|error| {
                format!(
                    "cannot make the dataspace `{name}` of {size} bytes: {error}; is there enough \
                     memory?"
                )
            })
        };
        let gates = description
            .channels
            .iter()
            .map(|channel| gate(channel.name));
        let shared = &description.dataspaces;
        let dataspaces = shared
            .iter()
            .map(|shared| dataspace(shared.name, shared.size));
        Ok(Self {
            description,
            gates: gates.collect::<Result<_, _>>()?,
            dataspaces: dataspaces.collect::<Result<_, _>>()?,
        })
    }

    /// What a component gets. The gates that servers have made for it come first.
    pub fn of<'n>(&self, index: usize, sessions: &'n [Session]) -> Vec<Named<'n>>
    where
        'a: 'n,
    {
        let mut granted = Vec::new();
        let mut grant = |name: &'n str, capability, rights| {
            granted.push(Named {
                name,
                capability,
                rights,
            });
        };
        for (name, gate, rights) in sessions.iter().filter(|(name, ..)| name != LOG) {
            grant(name, gate.as_cap().cast(), *rights);
        }
        for (channel, gate) in self.description.channels.iter().zip(&self.gates) {
            let gate = gate.as_cap();
            if channel.server == index {
                let rights = CapabilityRights::RWS | CapabilityRights::IPC_GATE_SERVER;
                grant(channel.server_name, gate.cast(), rights);
            }
            let clients = channel.clients.iter().filter(|_| !channel.per_client);
            for client in clients.filter(|client| client.component == index) {
                grant(client.name, gate.cast(), capability_rights(client.rights));
            }
        }
        for (shared, dataspace) in self.description.dataspaces.iter().zip(&self.dataspaces) {
            for user in shared.users.iter().filter(|user| user.component == index) {
                grant(
                    user.name,
                    dataspace.as_cap().cast(),
                    capability_rights(user.rights),
                );
            }
        }
        granted
    }
}

pub(crate) fn capability_rights(rights: Rights) -> CapabilityRights {
    let mut given = CapabilityRights::READ;
    given.set(CapabilityRights::WRITE, rights.contains(Rights::WRITE));
    given.set(CapabilityRights::SPECIAL, rights.contains(Rights::SPECIAL));
    given
}
