//! A server that makes a gate of its own for each client, and clients of it. The server dies once
//! all are served; its clients must get new gates from its next life, under the old names.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

mod client;
mod server;

use l4_ipc::Bytes;
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

l4_rt::entry!(main);

fn main() -> l4_rt::Result {
    match env::args().nth(1) {
        Some("server") => server::run(),
        Some(name) => client::run(name),
        None => Err("neither server nor client".into()),
    }
}
