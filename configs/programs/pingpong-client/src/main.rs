//! Plays as many balls as its argument says, 1000 if it has none.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use l4_rt::{env, println, time};
use pingpong_interface::PingPong;

l4_rt::entry!(main);

fn main() -> l4_rt::Result {
    let balls = env::args().nth(1).map_or(Ok(1000), str::parse)?;
    let other = env::cap::<PingPong>("ping")?;

    let start = time::now();
    for ball in 0..balls {
        let returned = other.ping(ball)?;
        if returned != ball + 1 {
            return Err("a ball went out".into());
        }
    }
    let duration = time::now() - start;
    println!("{balls} balls came back in {} µs", duration.as_micros());
    Ok(())
}
