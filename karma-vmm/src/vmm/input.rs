//! What a person types, if the component has the console.

use l4_rt::{env, thread};
use l4_sys::object::{Irq, Log};
use l4_sys::{Cap, OwnedCap, Result};

/// The pin of a console that says that input came.
const INPUT_PIN: u64 = 0;

/// The console.
pub struct Input {
    console: Option<Cap<Log>>,
    _arrived: Option<OwnedCap<Irq>>,
}

impl Input {
    /// Lets input interrupt the calling thread with `label`.
    pub fn new(label: u64) -> Result<Self> {
        let Ok(console) = env::cap::<Log>("console") else {
            return Ok(Self {
                console: None,
                _arrived: None,
            });
        };
        let arrived = env::factory().create_irq()?;
        arrived.bind_thread(thread::current(), label)?;
        console.icu().bind(INPUT_PIN, arrived.as_cap())?;
        Ok(Self {
            console: Some(console),
            _arrived: Some(arrived),
        })
    }

    /// Takes what has been typed, as far as there is room.
    pub fn read(&self, buffer: &mut [u8]) -> usize {
        let status = self.console.and_then(|console| console.read(buffer).ok());
        status.map_or(0, |status| status.count)
    }
}
