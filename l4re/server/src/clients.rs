//! Being the server of a `per_client` channel: each client has a gate of its own, and when it is
//! gone the server is told.

use l4_ipc::factory::Created;
use l4_ipc::{CapabilityRights, Outcome};
use l4_rt::{Result, env, thread};
use l4_sys::object::{IpcGate, Irq};
use l4_sys::{AnyObject, OwnedCap};

/// Label of the channel's own gate, by which ned asks for gates. Those of clients have larger ones.
pub const FACTORY_LABEL: u64 = 4;
/// Label of the interrupt that says that gates are gone.
pub const DELETION_LABEL: u64 = 8;

/// Lets the calling thread get what ned asks through the channel `name`, and that gates are gone: the
/// latter as long as the interrupt is kept.
///
/// # Errors
/// If the program has no such channel, or is not its server.
pub fn listen(name: &'static str) -> Result<OwnedCap<Irq>> {
    let this = thread::current();
    let gone = env::factory().create_irq()?;
    gone.bind_thread(this, DELETION_LABEL)?;
    this.register_deletion_irq(gone.as_cap())?;
    env::cap::<IpcGate>(name)?.bind_thread(this, FACTORY_LABEL)?;
    Ok(gone)
}

/// The gate of a client. The server's capability is not counted, so the gate goes with the client.
pub struct ClientGate(OwnedCap<IpcGate>);

impl ClientGate {
    /// A gate whose requests come to the calling thread, with `label`.
    pub fn new(label: u64) -> Outcome<Self> {
        let gate = env::factory().create_gate(thread::current(), label)?;
        gate.decrease_references(1)?;
        Ok(Self(gate))
    }

    /// What ned gives to the client.
    pub fn pass(&self) -> Created {
        let gate = self.0.as_cap().cast::<AnyObject>();
        gate.pass(CapabilityRights::RWS)
    }

    /// Whether the client is gone.
    pub fn is_gone(&self) -> bool {
        !matches!(self.0.decrease_references(0), Ok(count) if count > 0)
    }
}
