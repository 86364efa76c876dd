//! A server with a device for each client, through a `per_client` channel.

use core::convert::Infallible;

use l4_ipc::factory::{Arguments, Created, FactoryServer, ServerFactory};
use l4_ipc::{Outcome, Request, Response, ResultCode, dispatch};
use l4_rt::thread;
use l4_server::Registry;
use l4_server::clients::{self, ClientGate, DELETION_LABEL, FACTORY_LABEL};
use l4re::VirtioDevice;
use l4re::icu::IcuInterface;

use super::device::{Description, Device};

/// In a session's label: its client has notified the device.
const DOORBELL: u64 = 4;

/// One client: its device, and what the server keeps about it.
pub struct Session<T> {
    /// The device.
    pub device: Device,
    /// The server's own.
    pub state: T,
    gate: ClientGate,
}

/// The clients, by the labels of their gates.
pub type Sessions<T, const N: usize> = Registry<Session<T>, N>;

/// What a server of up to `N` devices does.
pub trait Service<const N: usize> {
    /// What it keeps about a client.
    type State;

    /// A client comes, which will have this label, with the arguments of the configuration: makes its
    /// device, by `make`.
    fn open(
        &mut self,
        label: u64,
        arguments: &mut Arguments,
        make: &mut dyn FnMut(&Description<'_>) -> Outcome<Device>,
    ) -> Outcome<(Device, Self::State)>;

    /// The client with this label has notified its device, or done with it what may let it go on.
    fn notified(&mut self, sessions: &mut Sessions<Self::State, N>, label: u64);

    /// A client has gone, and its device with it.
    fn closed(&mut self, _label: u64) {}
}

/// Serves the channel `name` with the calling thread, for ever.
///
/// # Errors
/// If the program has no such channel, or is not its server.
pub fn serve<S: Service<N>, const N: usize>(
    name: &'static str,
    service: S,
) -> l4_rt::Result<Infallible> {
    let _gone = clients::listen(name)?;
    let mut server = Server {
        service,
        sessions: Sessions::new(),
    };
    Ok(l4_ipc::serve(|request| server.handle(request))?)
}

struct Server<S: Service<N>, const N: usize> {
    service: S,
    sessions: Sessions<S::State, N>,
}

impl<S: Service<N>, const N: usize> Server<S, N> {
    fn handle(&mut self, request: &mut Request<'_>) -> Response {
        let label = request.label();
        match label {
            FACTORY_LABEL => return ServerFactory::dispatch(self, request),
            DELETION_LABEL => self.sweep(),
            _ if label & DOORBELL != 0 => {
                let session = label & !DOORBELL;
                self.service.notified(&mut self.sessions, session);
            }
            _ => return self.request(request, label),
        }
        Response::None
    }

    fn request(&mut self, request: &mut Request<'_>, label: u64) -> Response {
        let Some(session) = self.sessions.get_mut(label) else {
            return Response::error(ResultCode::ENOENT);
        };
        let device = &mut session.device;
        let was_running = device.is_running();
        let response = dispatch!(device, request; VirtioDevice, IcuInterface);
        if !was_running && device.is_running() {
            // Requests may be there already. Looked at after the answer, which is in the UTCB now.
            device.ring();
        }
        response
    }

    /// Ends the sessions whose clients are gone.
    fn sweep(&mut self) {
        while let Some(label) = self.sessions.label_of(|session| session.gate.is_gone()) {
            self.sessions.remove(label);
            self.service.closed(label);
        }
    }
}

impl<S: Service<N>, const N: usize> FactoryServer for Server<S, N> {
    fn create(
        &mut self,
        _: &mut Request<'_>,
        _kind: i64,
        arguments: &mut Arguments,
    ) -> Outcome<Created> {
        let this = thread::current();
        let label = self.sessions.next_label().ok_or(ResultCode::ENOMEM)?;
        let mut make =
            |description: &Description<'_>| Ok(Device::new(description, this, label | DOORBELL)?);
        let (device, state) = self.service.open(label, arguments, &mut make)?;
        let gate = ClientGate::new(label)?;
        let passed = gate.pass();
        self.sessions.insert(Session {
            device,
            state,
            gate,
        })?;
        Ok(passed)
    }
}
