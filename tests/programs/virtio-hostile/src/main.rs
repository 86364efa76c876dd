//! Clients that do to the block server, or the switch, what they can; and a witness whose disk must not
//! notice.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

mod block;
mod net;
mod rig;
mod ring;
mod witness;

use l4_rt::env;

l4_rt::entry!(main);

fn main() -> l4_rt::Result {
    match env::args().nth(1) {
        Some("attacker") => block::run(),
        Some("network-attacker") => net::run(),
        Some("witness") => witness::run(),
        Some("glutton") => witness::fill_and_fail(),
        _ => Err("neither attacker, network-attacker, witness nor glutton".into()),
    }
}
