//! What a person types, if the component has the console.

use l4_abi::protocol::log::INPUT_PIN;
use l4_abi::rights::CapabilityRights;
use l4_rt::{env, thread};
use l4_sys::object::{Irq, Log};
use l4_sys::{Cap, OwnedCap, Result, Slot};

/// The console.
pub struct Input {
    console: Option<Cap<Log>>,
    arrived: OwnedCap<Irq>,
    /// A copy of the capability that `console` was when the interrupt was bound. A server that is started again has
    /// forgotten the interrupt, and is reached by another capability in the same slot.
    bound: Option<OwnedCap<Log>>,
}

impl Input {
    /// Lets input interrupt the calling thread with `label`.
    pub fn new(label: u64) -> Result<Self> {
        let arrived = env::factory().create_irq()?;
        arrived.bind_thread(thread::current(), label)?;
        let mut input = Self {
            console: env::cap("console").ok(),
            arrived,
            bound: None,
        };
        input.bind()?;
        Ok(input)
    }

    /// Sees to it that input still interrupts. A console that is gone is waited for.
    pub fn listen(&mut self) {
        if let (Some(console), Some(bound)) = (self.console, &self.bound)
            && env::task().is_equal(console, bound.as_cap()) == Ok(false)
        {
            // If it fails the console is gone once more.
            let _ = self.bind();
        }
    }

    fn bind(&mut self) -> Result<()> {
        let Some(console) = self.console else {
            return Ok(());
        };
        let slot = Slot::allocate()?;
        env::task().map_capability(console, slot.selector().index(), CapabilityRights::RWS)?;
        self.bound = Some(slot.filled());
        console.icu().bind(INPUT_PIN, self.arrived.as_cap())
    }

    /// Takes what has been typed, as far as there is room.
    pub fn read(&self, buffer: &mut [u8]) -> usize {
        let status = self.console.and_then(|console| console.read(buffer).ok());
        status.map_or(0, |status| status.count)
    }
}
