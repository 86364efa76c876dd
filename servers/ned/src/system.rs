//! The whole system: what its components share, and the loop that watches them.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use l4_abi::error::ResultCode;
use l4_abi::message_tag::MessageTag;
use l4_abi::protocol::{label as protocol, parent};
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::TimeoutPair;
use l4_abi::utcb::BufferDescriptor;
use l4_ipc::Reader;
use l4_launch::{Launcher, Named};
use l4_rt::{env, println, thread};
use l4_sys::ipc::{self, Arrival};
use l4_sys::object::IpcGate;
use l4_sys::{Cap, OwnedCap, Utcb};
use l4re::mem_alloc::DataspaceFlags;
use l4re::{Dataspace, Namespace};
use system_description::{Component, ComponentIndex, Description, Rights};

use crate::console::Console;
use crate::failure_report;
use crate::instance::{Instance, Supplies};
use crate::label::{Kind, Label};
use crate::sessions::{Session, Sessions, Wish};
use crate::supervision::{End, Supervision, Verdict};

/// A system that is being brought up, or runs.
pub struct System<'a> {
    description: &'a Description<'a>,
    console: Console,
    supplies: Supplies,
    supervision: Supervision,
    /// One gate per channel, one dataspace per shared dataspace, in the description's order.
    gates: Vec<OwnedCap<IpcGate>>,
    dataspaces: Vec<OwnedCap<Dataspace>>,
    instances: Vec<Option<Instance>>,
    sessions: Sessions,
}

impl<'a> System<'a> {
    /// A system of which nothing exists yet.
    pub fn new(
        description: &'a Description<'a>,
        console: Console,
        rom: Cap<Namespace>,
    ) -> l4_sys::Result<System<'a>> {
        let supplies = Supplies {
            rom,
            factory: env::factory(),
            launcher: Launcher {
                memory: env::mem_alloc(),
                scheduler: env::scheduler(),
                kip: Cap::at(l4_abi::l4re::slot::KIP),
            },
            thread: thread::current(),
        };
        let components = description.components();
        Ok(System {
            description,
            console,
            supplies,
            supervision: Supervision::new(components.iter().map(|one| (&one).into())),
            gates: Vec::new(),
            dataspaces: Vec::new(),
            instances: components.iter().map(|_| None).collect(),
            sessions: Sessions::new(supplies.factory, supplies.thread)?,
        })
    }

    /// Makes everything and watches it, until the system ends.
    pub fn run(mut self) -> ! {
        if let Err(why) = self.make_shared_objects() {
            self.console.fail(&why);
        }
        for index in 0..self.instances.len() {
            self.start(index);
        }
        let mut answer = None;
        loop {
            // Nobody may send capabilities to ned: no receive buffers.
            let utcb = Utcb::current();
            utcb.set_buffer_descriptor(BufferDescriptor::DEFAULT);
            utcb.set_buffer(0, 0);
            let arrival = match answer {
                Some(tag) => ipc::reply_and_wait(tag, TimeoutPair::SEND_ZERO),
                None => ipc::wait(TimeoutPair::SEND_ZERO),
            };
            answer = arrival.ok().and_then(|arrival| self.handle(arrival));
        }
    }

    /// What belongs to no component alone, and so survives their restarts.
    fn make_shared_objects(&mut self) -> Result<(), String> {
        for channel in self.description.channels() {
            let gate = self.supplies.factory.create_unbound_gate();
            let gate = gate
                .map_err(|error| format!("cannot make the channel `{}`: {error}", channel.name))?;
            self.gates.push(gate);
        }
        for shared in self.description.dataspaces() {
            let flags = DataspaceFlags::PINNED;
            let dataspace = self
                .supplies
                .launcher
                .memory
                .create_dataspace(shared.size, flags, 0);
            let dataspace = dataspace.map_err(|error| {
                format!(
                    "cannot make the dataspace `{}` of {} bytes: {error}; is there enough memory?",
                    shared.name, shared.size
                )
            })?;
            self.dataspaces.push(dataspace);
        }
        Ok(())
    }

    fn component(&self, index: usize) -> Option<Component<'a>> {
        self.description.component(ComponentIndex(index as u32))
    }

    /// Starts a component, or first asks for the gates that servers make for it.
    fn start(&mut self, index: usize) {
        let wishes = self.wishes(index, |_| true);
        if wishes.is_empty() {
            self.start_with(index, Vec::new());
        } else {
            self.ask(index, wishes);
        }
        self.renew_sessions_at(index);
    }

    /// Starts a component, with the gates that servers have made for it.
    fn start_with(&mut self, index: usize, sessions: Vec<Session>) {
        let Some(component) = self.component(index) else {
            return;
        };
        let label = Label {
            component: index as u32,
            generation: self.supervision.restarts(index),
            kind: Kind::Parent,
        };
        let granted = self.granted(index, &sessions);
        match Instance::start(&self.supplies, &component, label, &granted) {
            Ok(mut instance) => {
                self.say(|| println!("started {}", component.name));
                instance.keep_sessions(sessions);
                self.instances[index] = Some(instance);
            }
            Err(error) => {
                println!("component `{}`: {error}", component.name);
                self.ended(index, End::NotStarted);
            }
        }
    }

    /// What a component gets of channels and shared dataspaces.
    fn granted<'n>(&self, index: usize, sessions: &'n [Session]) -> Vec<Named<'n>>
    where
        'a: 'n,
    {
        let mut granted = Vec::new();
        for (name, gate, rights) in sessions {
            granted.push(Named {
                name,
                capability: gate.as_cap().cast(),
                rights: *rights,
            });
        }
        for (channel, gate) in self.description.channels().iter().zip(&self.gates) {
            let gate: Cap<IpcGate> = gate.as_cap();
            if is(channel.server, index) {
                let rights = CapabilityRights::RWS | CapabilityRights::IPC_GATE_SERVER;
                granted.push(Named {
                    name: channel.server_name,
                    capability: gate.cast(),
                    rights,
                });
            }
            let clients = channel.clients.iter().filter(|_| !channel.per_client);
            for client in clients.filter(|client| is(client.component, index)) {
                let rights = capability_rights(client.rights);
                granted.push(Named {
                    name: client.name,
                    capability: gate.cast(),
                    rights,
                });
            }
        }
        for (shared, dataspace) in self.description.dataspaces().iter().zip(&self.dataspaces) {
            for user in shared.users.iter().filter(|user| is(user.component, index)) {
                let rights = capability_rights(user.rights);
                let capability = dataspace.as_cap().cast();
                granted.push(Named {
                    name: user.name,
                    capability,
                    rights,
                });
            }
        }
        granted
    }

    /// The gates that servers are to make for a component.
    fn wishes(&self, index: usize, is_wanted: impl Fn(ComponentIndex) -> bool) -> Vec<Wish> {
        let mut wishes = Vec::new();
        for (channel, gate) in self.description.channels().iter().zip(&self.gates) {
            if !channel.per_client || !is_wanted(channel.server) {
                continue;
            }
            for client in channel
                .clients
                .iter()
                .filter(|client| is(client.component, index))
            {
                wishes.push(Wish {
                    server: gate.as_cap(),
                    name: String::from(client.name),
                    arguments: client.args.iter().map(String::from).collect(),
                    rights: capability_rights(client.rights),
                });
            }
        }
        wishes
    }

    fn ask(&mut self, index: usize, wishes: Vec<Wish>) {
        let generation = self.supervision.restarts(index);
        if let Err(error) = self.sessions.ask(index, generation, wishes) {
            let name = self.component(index).map_or("", |component| component.name);
            println!("component `{name}`: cannot ask servers for its gates: {error}");
            self.ended(index, End::NotStarted);
        }
    }

    /// The gates that a server's last life made for its clients are of no use any more.
    fn renew_sessions_at(&mut self, server: usize) {
        for index in 0..self.instances.len() {
            if self.instances[index].is_some() {
                let wishes = self.wishes(index, |other| is(other, server));
                if !wishes.is_empty() {
                    self.ask(index, wishes);
                }
            }
        }
    }

    /// Servers have answered.
    fn take_sessions(&mut self) {
        for answer in self.sessions.take_answers() {
            let index = answer.component;
            if answer.generation != self.supervision.restarts(index) {
                continue;
            }
            match (answer.gates, &mut self.instances[index]) {
                (Ok(gates), None) => self.start_with(index, gates),
                (Ok(gates), Some(instance)) => instance.replace_sessions(gates),
                (Err(error), _) => {
                    let name = self.component(index).map_or("", |component| component.name);
                    println!("component `{name}`: a server made no gate for it: {error}");
                    self.ended(index, End::NotStarted);
                }
            }
        }
    }

    /// Handles what arrived; the answer, if there is to be one.
    fn handle(&mut self, arrival: Arrival) -> Option<MessageTag> {
        let refuse = |code: ResultCode| Some(MessageTag::label_only(code.label()));
        let Some(label) = Label::from_raw(arrival.label) else {
            return refuse(ResultCode::ENOENT);
        };
        if label == Label::SESSIONS {
            self.take_sessions();
            return None;
        }
        let index = label.component as usize;
        if label.generation != self.supervision.restarts(index)
            || self.instances.get(index).is_none_or(Option::is_none)
        {
            // From an instance that is gone.
            return None;
        }
        match label.kind {
            Kind::Parent if arrival.tag.label() == protocol::PARENT => self.signal(index, arrival),
            Kind::Parent => refuse(ResultCode::EBADPROTO),
            Kind::Failure => {
                self.failed(index);
                None
            }
            Kind::Session => refuse(ResultCode::ENOENT),
        }
    }

    /// A component tells its parent something.
    fn signal(&mut self, index: usize, arrival: Arrival) -> Option<MessageTag> {
        let mut reader = Reader::new(arrival.tag);
        let mut read = || -> Result<(i32, u64, u64), ResultCode> {
            Ok((reader.scalar()?, reader.scalar()?, reader.scalar()?))
        };
        let (opcode, signal, value) = match read() {
            Ok(words) => words,
            Err(code) => return Some(MessageTag::label_only(code.label())),
        };
        if opcode as u64 != parent::Opcode::Signal.word() {
            return Some(MessageTag::label_only(ResultCode::ENOSYS.label()));
        }
        if signal != parent::SIGNAL_EXIT {
            return Some(MessageTag::EMPTY);
        }
        self.ended(index, End::Exited(value as i32));
        None
    }

    /// A thread of a component failed.
    fn failed(&mut self, index: usize) {
        let Some(component) = self.component(index) else {
            return;
        };
        if let Some(Some(instance)) = self.instances.get(index) {
            failure_report::print(instance.log(), instance.map(), component.program);
        }
        self.ended(index, End::Failed);
    }

    /// Removes a component that ended, and does what follows from that.
    fn ended(&mut self, index: usize, end: End) {
        let Some(component) = self.component(index) else {
            return;
        };
        self.instances[index] = None;
        let verdict = self.supervision.ended(index, end);
        let how = match end {
            End::Exited(code) => format!("ended with code {code}"),
            End::Failed => String::from("failed"),
            End::NotStarted => String::from("could not be started"),
        };
        match verdict {
            Verdict::Restart => {
                println!("component `{}` {how}; it is started again", component.name);
                self.start(index);
            }
            Verdict::GoOn => {
                if end == End::Exited(0) {
                    self.say(|| println!("{} {how}", component.name));
                } else {
                    println!("component `{}` {how}; the others go on", component.name);
                }
            }
            Verdict::EndSystem(code) => self.console.end_system(code),
            Verdict::FailSystem(code) => {
                println!(
                    "component `{}` {how}; the system cannot go on without it",
                    component.name
                );
                self.console.end_system(code)
            }
        }
    }

    /// Tells what only those want to know who asked for it.
    fn say(&self, tell: impl FnOnce()) {
        if self.description.system().verbose {
            tell();
        }
    }
}

fn is(component: ComponentIndex, index: usize) -> bool {
    component.0 as usize == index
}

fn capability_rights(rights: Rights) -> CapabilityRights {
    let mut given = CapabilityRights::READ;
    given.set(CapabilityRights::WRITE, rights.contains(Rights::WRITE));
    given.set(CapabilityRights::SPECIAL, rights.contains(Rights::SPECIAL));
    given
}
