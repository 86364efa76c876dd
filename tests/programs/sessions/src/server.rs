//! The server: one gate for being asked, one for each client.

use core::convert::Infallible;
use core::time::Duration;

use l4_ipc::factory::{Arguments, FactoryServer, ServerFactory};
use l4_memory::Shared;
use l4_rt::{
    Bytes, Cap, CapabilityRights, Outcome, Request, Response, ResultCode, env, thread, time,
};
use l4_sys::object::IpcGate;
use l4_sys::{AnyObject, Passed};
use l4re::Dataspace;

use crate::{DIED, Greeter, GreeterServer, REFUSAL, note};

/// The client that gets no gate after the first life.
const REFUSED: &[u8] = b"Erin";
const FACTORY_LABEL: u64 = 0x10;
const FIRST_CLIENT_LABEL: u64 = 0x20;
const LABEL_STEP: u64 = 0x10;
const MOST_CLIENTS: usize = 5;

struct Server {
    birth: u64,
    /// What its lives know of each other, and the client that is refused.
    notes: Shared,
    names: [Option<Bytes>; MOST_CLIENTS],
    count: usize,
    /// Which of them have been greeted, a bit each.
    greeted: u32,
}

/// One client's gate.
struct Session<'a> {
    server: &'a mut Server,
    index: usize,
}

impl FactoryServer for Server {
    fn create(
        &mut self,
        _: &mut Request<'_>,
        _kind: i64,
        arguments: &mut Arguments,
    ) -> Outcome<Passed<AnyObject>> {
        let name = Bytes::new(arguments.text()?.ok_or(ResultCode::EINVAL)?)?;
        if &*name == REFUSED && note(&self.notes) == DIED {
            self.notes.write(0, &[REFUSAL]);
            return Err(ResultCode::EPERM);
        }
        let place = self.names.get_mut(self.count).ok_or(ResultCode::ENOMEM)?;
        *place = Some(name);
        let label = FIRST_CLIENT_LABEL + self.count as u64 * LABEL_STEP;
        self.count += 1;
        let gate = env::factory().create_gate(thread::current(), label)?.leak();
        Ok(gate.cast::<AnyObject>().pass(CapabilityRights::RWS))
    }
}

impl GreeterServer for Session<'_> {
    fn greet(&mut self, _: &mut Request<'_>) -> Outcome<Bytes> {
        self.server.greeted |= 1 << self.index;
        let name = self.server.names.get(self.index).and_then(Option::as_ref);
        name.cloned().ok_or(ResultCode::ENOENT)
    }

    fn birth(&mut self, _: &mut Request<'_>) -> Outcome<u64> {
        Ok(self.server.birth)
    }

    fn die(&mut self, _: &mut Request<'_>) -> Outcome<()> {
        if self.server.greeted.count_ones() < MOST_CLIENTS as u32 {
            return Err(ResultCode::EAGAIN);
        }
        self.server.notes.write(0, &[DIED]);
        panic!("as ordered")
    }
}

/// How long it takes until it answers: who wanted a gate may be gone by then.
const PREPARATION: Duration = Duration::from_millis(300);

pub(crate) fn run() -> l4_rt::Result {
    time::sleep(PREPARATION);
    let gate: Cap<IpcGate> = env::cap("greeter")?;
    gate.bind_thread(thread::current(), FACTORY_LABEL)?;
    let mut server = Server {
        birth: time::now().as_micros() as u64,
        notes: Shared::writable(env::cap::<Dataspace>("notes")?)?,
        greeted: 0,
        names: [const { None }; MOST_CLIENTS],
        count: 0,
    };
    let ended: Infallible = l4_ipc::serve(|request| server.handle(request))?;
    match ended {}
}

impl Server {
    fn handle(&mut self, request: &mut Request<'_>) -> Response {
        if request.label() == FACTORY_LABEL {
            return ServerFactory::dispatch(self, request);
        }
        let index = (request.label().wrapping_sub(FIRST_CLIENT_LABEL) / LABEL_STEP) as usize;
        if index >= self.count {
            return Response::error(ResultCode::ENOENT);
        }
        let server = self;
        Greeter::dispatch(&mut Session { server, index }, request)
    }
}
