//! The whole system: starting its components, and the loop that watches them.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use l4_abi::error::ResultCode;
use l4_abi::message_tag::MessageTag;
use l4_abi::protocol::parent;
use l4_abi::timeout::{Timeout, TimeoutPair};
use l4_abi::utcb::BufferDescriptor;
use l4_launch::Launcher;
use l4_rt::{env, println, thread, time};
use l4_sys::ipc::{self, Arrival};
use l4_sys::{Cap, Utcb};
use l4re::Namespace;
use system_description::{Component, Description};

use crate::console::Console;
use crate::failure_report;
use crate::grants::Grants;
use crate::instance::{Instance, Session, Supplies};
use crate::label::{Kind, Label};
use crate::per_client::Sessions;
use crate::signal;
use crate::supervision::{End, Supervision, Verdict};

/// A system that is being brought up, or runs.
pub struct System<'a> {
    description: &'a Description<'a>,
    console: Console,
    supplies: Supplies,
    pub(crate) supervision: Supervision,
    pub(crate) grants: Grants<'a>,
    pub(crate) instances: Vec<Option<Instance>>,
    #[cfg_attr(
        not(feature = "per-client"),
        expect(dead_code, reason = "nothing is asked for")
    )]
    pub(crate) sessions: Sessions,
    /// Components that are to be started again, and when, on the clock since boot.
    due: Vec<(Duration, usize)>,
}

impl<'a> System<'a> {
    /// A system of which only that exists which components share. An error is a line for people.
    pub fn new(
        description: &'a Description<'a>,
        mut console: Console,
        rom: Cap<Namespace>,
    ) -> Result<System<'a>, String> {
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
        let components = &description.components;
        if components
            .iter()
            .any(|component| !component.capabilities.is_empty())
        {
            console.expect_echo();
        }
        Ok(System {
            description,
            console,
            supplies,
            supervision: Supervision::new(components.iter().map(Into::into)),
            grants: Grants::make(description, supplies.factory, supplies.launcher.memory)?,
            instances: components.iter().map(|_| None).collect(),
            sessions: Sessions::new(supplies.factory, supplies.thread)
                .map_err(|error| format!("cannot listen to servers: {error}"))?,
            due: Vec::new(),
        })
    }

    /// Makes everything and watches it, until the system ends.
    pub fn run(mut self) -> ! {
        for index in 0..self.instances.len() {
            self.start(index);
        }
        let mut answer = None;
        loop {
            // Nobody may send capabilities to ned: no receive buffers.
            let utcb = Utcb::current();
            utcb.set_buffer_descriptor(BufferDescriptor::DEFAULT);
            utcb.set_buffer(0, 0);
            let timeouts = TimeoutPair::new(Timeout::ZERO, self.until_due());
            let arrival = match answer {
                Some(tag) => ipc::reply_and_wait(tag, timeouts),
                None => ipc::wait(timeouts),
            };
            answer = arrival.ok().and_then(|arrival| self.handle(arrival));
            self.start_due();
        }
    }

    /// How long to wait for messages.
    fn until_due(&self) -> Timeout {
        let Some(next) = self.due.iter().map(|(when, _)| *when).min() else {
            return Timeout::NEVER;
        };
        Timeout::from_micros(next.saturating_sub(time::now()).as_micros() as u64)
    }

    fn start_due(&mut self) {
        let now = time::now();
        while let Some(position) = self.due.iter().position(|(when, _)| *when <= now) {
            let (_, index) = self.due.swap_remove(position);
            self.start(index);
        }
    }

    pub(crate) fn component(&self, index: usize) -> Option<&'a Component<'a>> {
        self.description.components.get(index)
    }

    /// Starts a component, or first asks for the gates that servers make for it.
    fn start(&mut self, index: usize) {
        if !self.ask_servers_for(index) {
            self.start_with(index, Vec::new());
        }
        self.renew_sessions_at(index);
    }

    /// Starts a component, with the gates that servers have made for it.
    pub(crate) fn start_with(&mut self, index: usize, sessions: Vec<Session>) {
        let Some(component) = self.component(index) else {
            return;
        };
        let label = Label {
            component: index as u32,
            generation: self.supervision.restarts(index),
            kind: Kind::Parent,
        };
        let granted = self.grants.of(index, &sessions);
        match Instance::start(&self.supplies, component, label, &granted, &sessions) {
            Ok(mut instance) => {
                self.say(|| println!("started {}", component.name));
                instance.sessions = sessions;
                self.supervision.started(index, time::now());
                self.instances[index] = Some(instance);
            }
            Err(error) => {
                println!("component `{}`: {error}", component.name);
                self.ended(index, End::NotStarted);
            }
        }
    }

    /// Handles what arrived; the answer, if there is to be one.
    fn handle(&mut self, arrival: Arrival) -> Option<MessageTag> {
        let refuse = |code: ResultCode| Some(MessageTag::label_only(code.label()));
        let Some(label) = Label::from_raw(arrival.label) else {
            return refuse(ResultCode::ENOENT);
        };
        if label.kind == Kind::Session {
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
            Kind::Session => None,
            Kind::Parent => match signal::read(arrival.tag) {
                Ok((parent::SIGNAL_EXIT, code)) => {
                    self.ended(index, End::Exited(code as i32));
                    None
                }
                Ok(_) => Some(MessageTag::EMPTY),
                Err(code) => refuse(code),
            },
            Kind::Failure => {
                self.failed(index);
                None
            }
        }
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
    pub(crate) fn ended(&mut self, index: usize, end: End) {
        let Some(component) = self.component(index) else {
            return;
        };
        // Before the gates of its clients fail, so that whoever was writing can write again.
        self.use_own_logs_of_clients(index);
        self.instances[index] = None;
        let verdict = self.supervision.ended(index, end, time::now());
        let how = match end {
            End::Exited(code) => format!("ended with code {code}"),
            End::Failed => String::from("failed"),
            End::NotStarted => String::from("could not be started"),
        };
        match verdict {
            Verdict::Restart(pause) => {
                println!("component `{}` {how}; it is started again", component.name);
                self.due.push((time::now() + pause, index));
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
        if self.description.verbose {
            tell();
        }
    }
}
