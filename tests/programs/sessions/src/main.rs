//! A server that makes a gate of its own for each client, and clients of it. The server dies once
//! all are served; its clients must get new gates from its next life, under the old names; one that
//! gets none goes on.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

mod client;
mod server;

use l4_ipc::Bytes;
use l4_memory::Shared;
use l4_rt::env;

l4_ipc::interface! {
    /// What each client's own gate offers.
    interface Greeter, served by GreeterServer {
        protocol: 0x7010,
        opcode: i32,

        /// The words that ned gave to the server for this client.
        fn greet() -> Bytes = 0;
        /// Ends the server without an answer, if all clients have been greeted.
        fn die() = 1;
        /// When the server's life began, by its clock: it differs from life to life.
        fn birth() -> u64 = 2;
    }
}

/// In the first byte of the notes: the server died once, and has refused a client since.
const DIED: u8 = 1;
const REFUSAL: u8 = 2;

fn note(notes: &Shared) -> u8 {
    let mut note = [0];
    notes.read(0, &mut note);
    note[0]
}

l4_rt::entry!(main);

fn main() -> l4_rt::Result {
    match env::args().nth(1) {
        Some("server") => server::run(),
        Some(name) => client::run(name),
        None => Err("neither server nor client".into()),
    }
}
