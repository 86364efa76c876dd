//! Prints a line and ends.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use l4_rt::println;

l4_rt::entry!(main);

fn main() {
    println!("Hello, world!");
}
