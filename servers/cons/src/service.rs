//! The clients, and the terminal.

use core::convert::Infallible;
use core::str::from_utf8;

use l4_ipc::factory::{Arguments, Created, FactoryServer, ServerFactory};
use l4_ipc::server::Registry;
use l4_ipc::{CapabilityRights, Outcome, Received, Request, Response, ResultCode, dispatch};
use l4_rt::{env, println, thread};
use l4_sys::object::{IpcGate, Irq, Log};
use l4_sys::{AnyObject, Cap, OwnedCap};
use l4re::icu::{IcuInterface, IcuServer};
use l4re::log::{LogInterface, LogServer, ReadResult};

use crate::screen::Screen;

const MOST_CLIENTS: usize = 32;
/// Labels: the channel's own gate, gates that are gone, keys. Those of clients are larger.
const FACTORY_LABEL: u64 = 4;
const DELETION_LABEL: u64 = 8;
const INPUT_LABEL: u64 = 12;
/// The pin of a console that says that input came.
const INPUT_PIN: u64 = 0;

struct Client {
    number: usize,
    /// Told when there is something to read.
    arrived: Option<OwnedCap<Irq>>,
    /// Not counted, so that it is gone when the client is.
    gate: OwnedCap<IpcGate>,
}

struct Server {
    screen: Screen,
    clients: Registry<Client, MOST_CLIENTS>,
    terminal: Cap<Log>,
    keys: OwnedCap<Irq>,
}

/// Serves the channel `consoles`, for ever.
pub fn main() -> l4_rt::Result<Infallible> {
    let this = thread::current();
    let irq = |label| -> l4_sys::Result<OwnedCap<Irq>> {
        let irq = env::factory().create_irq()?;
        irq.bind_thread(this, label)?;
        Ok(irq)
    };
    let gone = irq(DELETION_LABEL)?;
    this.register_deletion_irq(gone.as_cap())?;
    let keys = irq(INPUT_LABEL)?;
    let terminal = env::cap::<Log>("console")?;
    terminal.icu().bind(INPUT_PIN, keys.as_cap())?;
    keys.unmask().map_err(l4_sys::Error::Ipc)?;
    env::cap::<IpcGate>("consoles")?.bind_thread(this, FACTORY_LABEL)?;
    println!("{}", crate::screen::HELP);
    let mut server = Server {
        screen: Screen::default(),
        clients: Registry::new(),
        terminal,
        keys,
    };
    Ok(l4_ipc::serve(|request| server.handle(request))?)
}

fn show(line: &str) {
    println!("{line}");
}

impl Server {
    fn handle(&mut self, request: &mut Request<'_>) -> Response {
        match request.label() {
            FACTORY_LABEL => return ServerFactory::dispatch(self, request),
            DELETION_LABEL => self.sweep(),
            INPUT_LABEL => self.take_keys(),
            label => {
                let Some(client) = self.clients.get_mut(label) else {
                    return Response::error(ResultCode::ENOENT);
                };
                let mut session = Session {
                    client,
                    screen: &mut self.screen,
                };
                return dispatch!(&mut session, request; LogInterface, IcuInterface);
            }
        }
        Response::None
    }

    fn take_keys(&mut self) {
        let mut keys = [0; 64];
        while let Ok(status) = self.terminal.read(&mut keys)
            && status.count > 0
        {
            for key in &keys[..status.count.min(keys.len())] {
                if let Some(number) = self.screen.key(*key, &mut show) {
                    self.tell(number);
                }
            }
        }
        let _ = self.keys.unmask();
    }

    fn tell(&self, number: usize) {
        let mut clients = self.clients.iter();
        let client = clients.find(|(_, client)| client.number == number);
        if let Some(arrived) = client.and_then(|(_, client)| client.arrived.as_ref()) {
            // Sent without waiting, so it does no harm if it is no interrupt.
            let _ = arrived.trigger();
        }
    }

    fn sweep(&mut self) {
        let is_gone =
            |client: &Client| !matches!(client.gate.decrease_references(0), Ok(count) if count > 0);
        let next = |clients: &Registry<Client, MOST_CLIENTS>| {
            let mut gone = clients.iter().filter(|(_, client)| is_gone(client));
            gone.next().map(|(label, _)| label)
        };
        while let Some(label) = next(&self.clients) {
            if let Some(client) = self.clients.remove(label) {
                self.screen.remove(client.number);
            }
        }
    }
}

impl FactoryServer for Server {
    fn create(
        &mut self,
        _: &mut Request<'_>,
        _kind: i64,
        arguments: &mut Arguments,
    ) -> Outcome<Created> {
        let name = arguments.text()?.ok_or(ResultCode::EINVAL)?;
        let name = from_utf8(name).map_err(|_| ResultCode::EINVAL)?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ResultCode::EINVAL);
        }
        let label = self.clients.next_label().ok_or(ResultCode::ENOMEM)?;
        let gate = env::factory().create_gate(thread::current(), label)?;
        gate.decrease_references(1)?;
        let passed = gate.as_cap().cast::<AnyObject>();
        let number = self.screen.add(name);
        self.clients.insert(Client {
            number,
            arrived: None,
            gate,
        })?;
        Ok(passed.pass(CapabilityRights::RWS))
    }
}

/// A client while it asks for something.
struct Session<'a> {
    client: &'a mut Client,
    screen: &'a mut Screen,
}

impl LogServer for Session<'_> {
    fn write(&mut self, _: &mut Request<'_>, text: &[u8]) {
        self.screen.write(self.client.number, text, &mut show);
    }

    fn read(&mut self, _: &mut Request<'_>, buffer: &mut [u8]) -> Outcome<ReadResult> {
        Ok(ReadResult {
            count: self.screen.read(self.client.number, buffer),
            exhausted: !self.screen.has_input(self.client.number),
            is_break: false,
        })
    }
}

impl IcuServer for Session<'_> {
    fn bind(&mut self, request: &mut Request<'_>, pin: u64, irq: Received<Irq>) -> Outcome<()> {
        if pin != INPUT_PIN {
            return Err(ResultCode::EINVAL);
        }
        let arrived = request.keep(irq)?;
        if self.screen.has_input(self.client.number) {
            let _ = arrived.trigger();
        }
        self.client.arrived = Some(arrived);
        Ok(())
    }

    fn unbind(&mut self, _: &mut Request<'_>, _: u64, _: Received<Irq>) -> Outcome<()> {
        self.client.arrived = None;
        Ok(())
    }

    fn info(&mut self, _: &mut Request<'_>) -> Outcome<(u64, u64, u64)> {
        Ok((0, 1, 0))
    }

    fn msi_info(&mut self, _: &mut Request<'_>, _: u64, _: u64) -> Outcome<(u64, u32)> {
        Err(ResultCode::ENOSYS)
    }

    fn unmask(&mut self, _: &mut Request<'_>, _: u64) -> Outcome<()> {
        Ok(())
    }

    fn mask(&mut self, _: &mut Request<'_>, _: u64) -> Outcome<()> {
        Ok(())
    }

    fn set_mode(&mut self, _: &mut Request<'_>, _: u64, _: u64) -> Outcome<()> {
        Ok(())
    }
}
