//! The clients, and the terminal.

use alloc::vec::Vec;
use core::convert::Infallible;
use core::str::from_utf8;

use l4_abi::protocol::log::INPUT_PIN;
use l4_ipc::factory::{Arguments, Created, FactoryServer, ServerFactory};
use l4_ipc::{Bytes, Interface, Outcome, Received, Request, Response, ResultCode, dispatch};
use l4_rt::{env, println, thread};
use l4_server::Registry;
use l4_server::clients::{self, ClientGate, DELETION_LABEL, FACTORY_LABEL};
use l4_sys::object::{Irq, Log};
use l4_sys::{Cap, OwnedCap};
use l4re::icu::{IcuInterface, OneInterrupt};
use l4re::log::{LogInterface, LogServer, ReadStatus};

use crate::screen::{HELP, LINE, Screen};

/// Two for each component there can be: its output, and its input.
const MOST_CLIENTS: usize = 256;
/// Label of keys. Those of clients are larger.
const INPUT_LABEL: u64 = 12;

/// Who has a gate to a console.
struct Client {
    /// Of the console.
    number: usize,
    /// Told when there is something to read.
    arrived: Option<OwnedCap<Irq>>,
    gate: ClientGate,
}

struct Server {
    screen: Screen,
    /// Where moe lets each console's lines appear: with its name, in its colour.
    logs: Vec<OwnedCap<Log>>,
    clients: Registry<Client, MOST_CLIENTS>,
    terminal: Cap<Log>,
    keys: OwnedCap<Irq>,
}

/// Serves the channel `consoles`, for ever.
pub fn main() -> l4_rt::Result<Infallible> {
    let _gone = clients::listen("consoles")?;
    let keys = env::factory().create_irq()?;
    keys.bind_thread(thread::current(), INPUT_LABEL)?;
    let terminal = env::cap::<Log>("console")?;
    terminal.icu().bind(INPUT_PIN, keys.as_cap())?;
    keys.unmask().map_err(l4_sys::Error::Ipc)?;
    println!("{HELP}");
    let mut server = Server {
        screen: Screen::default(),
        logs: Vec::new(),
        clients: Registry::new(),
        terminal,
        keys,
    };
    Ok(l4_ipc::serve(|request| server.handle(request))?)
}

/// Shows lines, each in one message.
fn show(logs: &[OwnedCap<Log>]) -> impl FnMut(Option<usize>, &[u8]) {
    |number, line| match number.and_then(|number| logs.get(number)) {
        Some(log) => {
            let mut text = [b'\n'; LINE + 1];
            text[..line.len()].copy_from_slice(line);
            let _ = log.write(&text[..=line.len()]);
        }
        None => println!("{}", from_utf8(line).unwrap_or_default()),
    }
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
                    logs: &self.logs,
                };
                let answer = dispatch!(&mut session, request; LogInterface, IcuInterface);
                if request.protocol() == IcuInterface::PROTOCOL
                    && self.screen.has_input(client.number)
                {
                    // It came before its interrupt was bound.
                    client.tell();
                }
                return answer;
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
                if let Some(number) = self.screen.key(*key, &mut show(&self.logs)) {
                    self.tell(number);
                }
            }
        }
        let _ = self.keys.unmask();
    }

    fn tell(&self, number: usize) {
        let clients = self.clients.iter().map(|(_, client)| client);
        for client in clients.filter(|client| client.number == number) {
            client.tell();
        }
    }

    /// Forgets the clients that are gone. Their consoles stay: what a component said last is what one
    /// wants to know of it then.
    fn sweep(&mut self) {
        while let Some(label) = self.clients.label_of(|client| client.gate.is_gone()) {
            self.clients.remove(label);
        }
    }

    /// The number of the console with this name, which is made if there is none.
    fn console(&mut self, name: &str, colour: &str) -> Outcome<usize> {
        if let Some(number) = self.screen.find(name) {
            return Ok(number);
        }
        let log = env::mem_alloc().create_log(name, colour, false)?;
        self.logs.try_reserve(1).map_err(|_| ResultCode::ENOMEM)?;
        let number = self.screen.add(name).map_err(|_| ResultCode::ENOMEM)?;
        self.logs.push(log);
        Ok(number)
    }
}

impl Client {
    fn tell(&self) {
        if let Some(arrived) = &self.arrived {
            // Sent without waiting, so it does no harm if it is no interrupt.
            let _ = arrived.trigger();
        }
    }
}

impl FactoryServer for Server {
    /// Arguments: the console's name, and its colour.
    fn create(
        &mut self,
        _: &mut Request<'_>,
        _kind: i64,
        arguments: &mut Arguments,
    ) -> Outcome<Created> {
        let name = Bytes::new(arguments.text()?.unwrap_or_default())?;
        let name = from_utf8(&name).map_err(|_| ResultCode::EINVAL)?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ResultCode::EINVAL);
        }
        let colour = from_utf8(arguments.text()?.unwrap_or_default());
        let label = self.clients.next_label().ok_or(ResultCode::ENOMEM)?;
        let number = self.console(name, colour.map_err(|_| ResultCode::EINVAL)?)?;
        let gate = ClientGate::new(label)?;
        let passed = gate.pass();
        self.clients.insert(Client {
            number,
            arrived: None,
            gate,
        })?;
        Ok(passed)
    }
}

/// A client while it asks for something.
struct Session<'a> {
    client: &'a mut Client,
    screen: &'a mut Screen,
    logs: &'a [OwnedCap<Log>],
}

impl LogServer for Session<'_> {
    fn write(&mut self, _: &mut Request<'_>, text: &[u8]) {
        let number = self.client.number;
        self.screen.write(number, text, &mut show(self.logs));
    }

    fn read(&mut self, _: &mut Request<'_>, buffer: &mut [u8]) -> Outcome<ReadStatus> {
        let number = self.client.number;
        self.screen.hear(number, &mut show(self.logs));
        Ok(ReadStatus {
            count: self.screen.read(number, buffer),
            exhausted: !self.screen.has_input(number),
        })
    }
}

impl OneInterrupt for Session<'_> {
    fn bind(&mut self, request: &mut Request<'_>, irq: Received<Irq>) -> Outcome<()> {
        self.screen.hear(self.client.number, &mut show(self.logs));
        self.client.arrived = Some(request.keep(irq)?);
        Ok(())
    }

    fn unbind(&mut self, _: Received<Irq>) -> Outcome<()> {
        self.client.arrived = None;
        Ok(())
    }
}
