//! Talks TCP over a port of the network switch, with smoltcp.
//!
//! * `echo ADDRESS` sends back whatever comes to port 7.
//! * `client ADDRESS SERVER` sends bytes there and compares what comes back. Then it looks into the
//!   capture of another port, if it has one, for frames that were none of that port's business.
//! * `clock ADDRESS` compares its clock with that of a host that tells the seconds since its boot to port 37,
//!   twice.
//! * `bystander` announces its card, and does nothing more.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod capture;
mod card;
mod clock;
mod host;

use core::time::Duration;

use card::Card;
use host::Host;
use l4_rt::{env, println, time};
use smoltcp::socket::tcp::State;
use smoltcp::wire::Ipv4Address;

l4_rt::entry!(main);

const ECHO: u16 = 7;
const BYTES: usize = 256 << 10;

fn main() -> l4_rt::Result {
    let mut card = Card::open("net")?;
    let own = card.address()?;
    match env::args().nth(1) {
        Some("echo") => echo(Host::new(card, address(2)?)?),
        Some("clock") => clock::compare(Host::new(card, address(2)?)?),
        Some("client") => {
            capture::wait()?;
            let mut host = Host::new(card, address(2)?)?;
            host.connect(address(3)?, ECHO)?;
            exchange(&mut host)?;
            capture::check(own)
        }
        Some("bystander") => {
            card.announce()?;
            loop {
                time::sleep(Duration::from_secs(3600));
            }
        }
        _ => Err("neither echo, clock, client nor bystander".into()),
    }
}

fn address(argument: usize) -> l4_rt::Result<Ipv4Address> {
    let text = env::args().nth(argument).ok_or("an address is missing")?;
    text.parse().map_err(|_| "this is no address".into())
}

fn echo(mut host: Host) -> l4_rt::Result {
    host.listen(ECHO)?;
    let mut buffer = [0; 2048];
    loop {
        host.poll();
        let socket = host.socket();
        while socket.can_recv() && socket.send_capacity() - socket.send_queue() >= buffer.len() {
            let Ok(length) = socket.recv_slice(&mut buffer) else {
                break;
            };
            let _ = socket.send_slice(&buffer[..length]);
        }
        // The other end has said all that it wanted to.
        if socket.state() == State::CloseWait {
            socket.close();
        }
        if !socket.is_open() {
            host.listen(ECHO)?;
        }
        host.poll();
        host.wait();
    }
}

/// What is sent as byte number `at`.
fn byte(at: usize) -> u8 {
    (at ^ at >> 8 ^ at >> 16) as u8
}

fn exchange(host: &mut Host) -> l4_rt::Result {
    let (mut sent, mut received) = (0, 0);
    let mut buffer = [0; 1024];
    while received < BYTES {
        host.poll();
        let socket = host.socket();
        if !socket.is_open() {
            return Err("the connection was refused".into());
        }
        while socket.can_send() && sent < BYTES {
            let length = buffer.len().min(BYTES - sent);
            for (place, at) in buffer[..length].iter_mut().zip(sent..) {
                *place = byte(at);
            }
            match socket.send_slice(&buffer[..length]) {
                Ok(0) | Err(_) => break,
                Ok(length) => sent += length,
            }
        }
        while socket.can_recv() {
            let Ok(length) = socket.recv_slice(&mut buffer) else {
                break;
            };
            if !(received..)
                .zip(&buffer[..length])
                .all(|(at, found)| byte(at) == *found)
            {
                return Err("what came back is not what was sent".into());
            }
            received += length;
        }
        host.poll();
        if received < BYTES {
            host.wait();
        }
    }
    println!("{received} bytes came back as they were sent");
    Ok(())
}
