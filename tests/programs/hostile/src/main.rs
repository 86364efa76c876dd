//! A component that does its best to harm the others, in the way that its argument names. Another
//! one, the witness, looks whether they can still do their work.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod fatal;
mod forger;
mod raw;
mod refusals;
mod spinner;
mod witness;

use l4_rt::env;

l4_rt::entry!(main);

fn main() -> l4_rt::Result {
    match env::args().nth(1).unwrap_or_default() {
        "witness" => witness::run(),
        "refusals" => refusals::run(),
        "spinner" => spinner::run(),
        "forger" => forger::run(),
        "stack" => fatal::use_up_the_stack(),
        "memory" => fatal::use_revoked_memory(),
        "thread" => fatal::start_an_absurd_thread(),
        other => Err(alloc::format!("no such attack: `{other}`").into()),
    }
}
