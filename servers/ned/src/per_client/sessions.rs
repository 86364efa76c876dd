//! Gates that a server makes for each of its clients (`per_client` channels).
//!
//! ned asks the server through the channel's own gate, by the factory protocol, with the arguments
//! that the description has for the client. A server may take its time, or never answer; so a thread
//! of its own asks, and ned goes on meanwhile.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;
use l4_ipc::factory::{ServerFactory, Varg};
use l4_rt::sync::Mutex;
use l4_rt::thread::Builder;
use l4_rt::time;
use l4_sys::object::{Factory, IpcGate, Irq, Thread};
use l4_sys::{Cap, Error, OwnedCap, Result};

use super::asks::{Asks, Key};
use crate::instance::Session;
use crate::label::{Kind, Label};

/// Of threads that ask: above all components, below ned itself.
const PRIORITY: u8 = 249;
/// How long a server may be gone, between two of its lives.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// One gate to ask for.
pub struct Wish {
    /// The channel's gate.
    pub server: Cap<IpcGate>,
    /// The name under which the client gets the answer.
    pub name: String,
    /// What the server is told.
    pub arguments: Vec<String>,
    /// The rights that the client gets.
    pub rights: CapabilityRights,
}

/// What became of the wishes of one component.
pub struct Answer {
    /// Who asked.
    pub key: Key,
    /// A gate for each wish; or why there is none.
    pub gates: Result<Vec<Session>>,
}

/// All that is being asked for.
pub struct Sessions {
    asks: Asks<Vec<Wish>>,
    answers: Arc<Mutex<Vec<Answer>>>,
    /// Tells ned's thread that there is an answer.
    arrived: OwnedCap<Irq>,
}

impl Sessions {
    /// Answers will be announced to `thread`.
    pub fn new(factory: Cap<Factory>, thread: Cap<Thread>) -> Result<Self> {
        let arrived = factory.create_irq()?;
        arrived.bind_thread(thread, Label::SESSIONS.raw())?;
        Ok(Self {
            asks: Asks::new(),
            answers: Arc::new(Mutex::new(Vec::new())),
            arrived,
        })
    }

    /// Asks for gates that an instance of a component needs.
    pub fn ask(&mut self, key: Key, wishes: Vec<Wish>) -> Result<()> {
        match self.asks.begin(key, wishes) {
            Some(wishes) => self.send(key, wishes).inspect_err(|_| {
                self.asks.end(key);
            }),
            None => Ok(()),
        }
    }

    /// Whether these have been asked for, and have not come yet.
    pub fn are_awaited(&self, key: Key) -> bool {
        self.asks.is_under_way(key)
    }

    fn send(&self, key: Key, wishes: Vec<Wish>) -> Result<()> {
        let (answers, arrived) = (self.answers.clone(), self.arrived.as_cap());
        let ask = move || {
            let fulfil = |wish: Wish| open(&wish).map(|gate| (wish.name, gate, wish.rights));
            let gates = wishes.into_iter().map(fulfil).collect();
            answers.lock().push(Answer { key, gates });
            let _ = arrived.trigger();
        };
        // The thread frees itself when the next one is made.
        Builder::new().priority(PRIORITY).spawn(ask).map(drop)
    }

    /// Takes the answers that have come, except those to questions that were asked again.
    pub fn take_answers(&mut self) -> Vec<Answer> {
        let mut answers = core::mem::take(&mut *self.answers.lock());
        answers.retain_mut(|answer| match self.asks.end(answer.key) {
            None => true,
            Some(wishes) => match self.ask(answer.key, wishes) {
                Ok(()) => false,
                Err(error) => {
                    answer.gates = Err(error);
                    true
                }
            },
        });
        answers
    }
}

/// Asks the server, again while it is between two lives.
fn open(wish: &Wish) -> Result<OwnedCap<IpcGate>> {
    let arguments: Vec<Varg<'_>> = wish
        .arguments
        .iter()
        .map(|argument| Varg::Text(argument.as_bytes()))
        .collect();
    let server: Cap<ServerFactory> = wish.server.cast();
    let deadline = time::now() + PATIENCE;
    loop {
        match server.create(label::NONE, &arguments) {
            Err(Error::Ipc(_)) if time::now() < deadline => time::sleep(PAUSE),
            outcome => return outcome,
        }
    }
}

impl Label {
    /// The label of the interrupt that tells of answers.
    pub const SESSIONS: Label = Label {
        component: 0,
        generation: 0,
        kind: Kind::Session,
    };
}
