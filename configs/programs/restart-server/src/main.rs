//! Crashes now and then: once by a panic, once by using up its stack, and so on.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::convert::Infallible;
use core::hint::black_box;

use l4_rt::{Outcome, Request};
use restart_interface::{Calculator, CalculatorServer};

l4_rt::entry!(main);

/// Requests that one life lasts.
const REQUESTS_PER_LIFE: u32 = 3;

struct Server {
    requests: u32,
}

impl CalculatorServer for Server {
    fn square(&mut self, _: &mut Request<'_>, number: u64) -> Outcome<u64> {
        if self.requests == REQUESTS_PER_LIFE {
            if number.is_multiple_of(2) {
                panic!("no more squares today");
            }
            recurse(0);
        }
        self.requests += 1;
        Ok(number * number)
    }
}

/// Ends at the guard page below the stack.
#[expect(unconditional_recursion, reason = "that is the point")]
fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1))) + depth
}

fn main() -> l4_rt::Result<Infallible> {
    let mut server = Server { requests: 0 };
    l4_rt::serve("squares", |request| {
        Calculator::dispatch(&mut server, request)
    })
}
