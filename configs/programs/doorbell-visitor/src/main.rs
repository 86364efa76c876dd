//! Rings under each name that is among its arguments.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use doorbell_interface::Door;
use l4_rt::{env, println};

l4_rt::entry!(main);

fn main() -> l4_rt::Result {
    let door = env::cap::<Door>("door")?;
    for name in env::args().skip(1) {
        let number = door.ring(name)?;
        println!("{name} is number {number}");
    }
    Ok(())
}
