//! Hits every ball back.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::convert::Infallible;

use l4_rt::{Outcome, Request};
use pingpong_interface::{PingPong, PingPongServer};

l4_rt::entry!(main);

struct Player;

impl PingPongServer for Player {
    fn ping(&mut self, _: &mut Request<'_>, ball: u64) -> Outcome<u64> {
        Ok(ball.wrapping_add(1))
    }
}

fn main() -> l4_rt::Result<Infallible> {
    l4_rt::serve("ping", |request| PingPong::dispatch(&mut Player, request))
}
