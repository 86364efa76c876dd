//! Wants twenty answers from a server that crashes, and asks again when it does.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::time::Duration;

use l4_rt::{Cap, env, println, time};
use l4_sys::Error;
use restart_interface::Calculator;

l4_rt::entry!(main);

const NUMBERS: u64 = 20;
/// How long the server may take to come back.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(2);

fn main() -> l4_rt::Result {
    let calculator = env::cap::<Calculator>("squares")?;
    let mut crashes = 0;
    for number in 0..NUMBERS {
        let square = insist(calculator, number, &mut crashes)?;
        if square != number * number {
            return Err("a wrong answer".into());
        }
    }
    println!("{NUMBERS} answers, and the server crashed {crashes} times");
    Ok(())
}

/// Asks until there is an answer. A call that was under way when the server crashed ends with an
/// IPC error, and so does one while nobody has bound the channel again.
fn insist(calculator: Cap<Calculator>, number: u64, crashes: &mut u32) -> l4_rt::Result<u64> {
    let deadline = time::now() + PATIENCE;
    let mut has_failed = false;
    loop {
        match calculator.square(number) {
            Ok(square) => return Ok(square),
            Err(Error::Ipc(_)) if time::now() < deadline => {
                if !has_failed {
                    *crashes += 1;
                    has_failed = true;
                }
                time::sleep(PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
    }
}
