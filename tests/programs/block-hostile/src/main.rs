//! A client that does to the block server what it can; and a witness whose disk must not notice.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

mod attacks;
mod rig;
mod witness;

use l4_rt::env;

l4_rt::entry!(main);

fn main() -> l4_rt::Result {
    match env::args().nth(1) {
        Some("attacker") => attacks::run(),
        Some("witness") => witness::run(),
        Some("glutton") => witness::fill_and_fail(),
        _ => Err("neither attacker, witness nor glutton".into()),
    }
}
