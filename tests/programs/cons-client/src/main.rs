//! Answers on a console of its own what is typed there, line by line, until the line `quit`.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::String;

use l4_abi::timeout::Timeout;
use l4_rt::{env, thread};
use l4_sys::Error;
use l4_sys::object::Log;

l4_rt::entry!(main);

const INPUT_PIN: u64 = 0;

fn main() -> l4_rt::Result {
    let console = env::cap::<Log>("console")?;
    let arrived = env::factory().create_irq()?;
    arrived.bind_thread(thread::current(), 0)?;
    console.icu().bind(INPUT_PIN, arrived.as_cap())?;
    console.write(b"ready\n").map_err(Error::Ipc)?;
    let mut line = String::new();
    let mut buffer = [0; 16];
    loop {
        let status = console.read(&mut buffer)?;
        for byte in &buffer[..status.count] {
            if !matches!(byte, b'\r' | b'\n') {
                line.push(*byte as char);
                continue;
            }
            let said = core::mem::take(&mut line);
            let answer = format!("heard {said}\n");
            console.write(answer.as_bytes()).map_err(Error::Ipc)?;
            if said == "quit" {
                return Ok(());
            }
        }
        if status.count == 0 {
            arrived.receive(Timeout::NEVER)?;
        }
    }
}
