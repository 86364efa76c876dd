//! What a person types, if the component has the console.

use l4_abi::protocol::log::INPUT_PIN;
use l4_abi::rights::CapabilityRights;
use l4_rt::{env, thread};
use l4_sys::object::{Irq, Log};
use l4_sys::{Cap, OwnedCap, Result, Slot};

/// The key that asks why the guest has left its machine so far: Ctrl-T, which elsewhere asks for the status of a
/// program.
const STATUS: u8 = 0x14;

/// The console.
pub struct Input {
    console: Option<Cap<Log>>,
    /// The guest does not get [`STATUS`].
    has_status: bool,
    arrived: OwnedCap<Irq>,
    /// A copy of the capability that `console` was when the interrupt was bound. A server that is started again has
    /// forgotten the interrupt, and is reached by another capability in the same slot.
    bound: Option<OwnedCap<Log>>,
}

impl Input {
    /// Lets input interrupt the calling thread with `label`. With `has_status` a key asks for the status.
    pub fn new(label: u64, has_status: bool) -> Result<Self> {
        let arrived = env::factory().create_irq()?;
        arrived.bind_thread(thread::current(), label)?;
        let mut input = Self {
            console: env::cap("console").ok(),
            has_status,
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
    pub fn read(&self, buffer: &mut [u8]) -> Typed {
        let taken = self.console.and_then(|console| console.read(buffer).ok());
        let taken = taken.map_or(0, |taken| taken.count);
        let mut count = 0;
        for index in 0..taken {
            if !(self.has_status && buffer[index] == STATUS) {
                buffer[count] = buffer[index];
                count += 1;
            }
        }
        Typed {
            count,
            is_all: taken < buffer.len(),
            asks_status: count < taken,
        }
    }
}

/// What was typed.
pub struct Typed {
    /// Bytes for the guest.
    pub count: usize,
    /// There are no more.
    pub is_all: bool,
    /// Somebody wants to know how often the guest has left its machine.
    pub asks_status: bool,
}
