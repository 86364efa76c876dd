//! Says back what is typed, line by line, until the line `quit` or the end of the input (Ctrl-D).
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;

use l4_abi::protocol::log::INPUT_PIN;
use l4_abi::timeout::Timeout;
use l4_rt::{env, println, thread};
use l4_sys::OwnedCap;
use l4_sys::object::{Irq, Log};

l4_rt::entry!(main);

const END_OF_INPUT: u8 = 4;
const LONGEST_LINE: usize = 256;

/// The console's input: bytes as they come, and an interrupt that tells that there are some.
struct Input {
    console: l4_rt::Cap<Log>,
    arrived: OwnedCap<Irq>,
}

impl Input {
    fn new() -> l4_rt::Result<Self> {
        let console = env::cap::<Log>("console")?;
        let arrived = env::factory().create_irq()?;
        arrived.bind_thread(thread::current(), 0)?;
        console.icu().bind(INPUT_PIN, arrived.as_cap())?;
        Ok(Self { console, arrived })
    }

    /// Some bytes; waits until there are any.
    fn read(&self, buffer: &mut [u8]) -> l4_rt::Result<usize> {
        loop {
            let status = self.console.read(buffer)?;
            if status.count > 0 {
                return Ok(status.count);
            }
            self.arrived.receive(Timeout::NEVER)?;
        }
    }
}

fn main() -> l4_rt::Result {
    let input = Input::new()?;
    println!("ready: type something, or quit");
    let mut line = Vec::new();
    let mut buffer = [0; 64];
    loop {
        let count = input.read(&mut buffer)?;
        for byte in &buffer[..count] {
            match byte {
                b'\r' | b'\n' => {
                    let said = core::mem::take(&mut line);
                    if said == b"quit" {
                        println!("bye");
                        return Ok(());
                    }
                    println!("you said: {}", said.escape_ascii());
                }
                &END_OF_INPUT => return Ok(()),
                byte if line.len() < LONGEST_LINE => line.push(*byte),
                _ => {}
            }
        }
    }
}
