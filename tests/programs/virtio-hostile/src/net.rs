//! Attacks on the switch, each on a card that was reset before. Others talk through it meanwhile.

use core::time::Duration;

use l4_abi::timeout::Timeout;
use l4_rt::{println, time};
use l4_virtio::transport::kind;

use crate::rig::{DATA, Kind, Rig, SIZE, WRITE};
use crate::ring;

const NET: Kind = Kind("net", kind::NET);
const RECEIVE: u32 = 0;
const SEND: u32 = 1;

const ROUNDS: usize = 10;
const FRAME: usize = 60;
/// Before each frame.
const HEADER: usize = 12;
const EVERYBODY: [u8; 6] = [0xff; 6];
/// More ports than there are.
const PORTS: u8 = 32;

pub(crate) fn run() -> l4_rt::Result {
    for _ in 0..ROUNDS {
        ring::wrong_queues(NET, SEND)?;
        ring::wrong_chains(NET, SEND)?;
        wrong_frames()?;
        wrong_room()?;
        stolen_addresses()?;
        let rig = Rig::new(NET)?;
        rig.start(SEND)?;
        ring::take_memory_away(rig);
        flood()?;
    }
    println!("all attacks done");
    Ok(())
}

/// Frames that are too short, too long, to be written, or nowhere.
fn wrong_frames() -> l4_rt::Result {
    for buffer in [
        (DATA, 0, 0),
        (DATA, HEADER as u32 - 1, 0),
        (DATA, HEADER as u32 + 1, 0),
        (DATA, 0x1000, 0),
        (DATA, u32::MAX, 0),
        (DATA, 72, WRITE),
        (SIZE - 71, 72, 0),
        (u64::MAX, 72, 0),
    ] {
        offer(SEND, buffer, Duration::from_micros(100))?;
    }
    Ok(())
}

/// Room for frames that is none, until somebody sends to everybody.
fn wrong_room() -> l4_rt::Result {
    for buffer in [
        (DATA, 1600, 0),
        (DATA, 1, WRITE),
        (SIZE - 20, 1600, WRITE),
        (u64::MAX, 1600, WRITE),
    ] {
        offer(RECEIVE, buffer, Duration::from_millis(1))?;
    }
    Ok(())
}

/// Offers one buffer for a while.
fn offer(queue: u32, buffer: (u64, u32, u16), time: Duration) -> l4_rt::Result {
    let rig = Rig::new(NET)?;
    rig.start(queue)?;
    rig.descriptor(0, buffer.0, buffer.1, buffer.2, 0);
    rig.offer(1);
    time::sleep(time);
    Ok(())
}

/// Says to have the addresses of all others, to each of them and to everybody.
fn stolen_addresses() -> l4_rt::Result {
    let rig = Rig::new(NET)?;
    rig.start(SEND)?;
    let mut own = [0; 6];
    rig.driver.read_config(0, &mut own)?;
    let with_last = |last: u8| {
        let mut address = own;
        address[5] = last;
        address
    };
    for last in 0..PORTS {
        send(&rig, EVERYBODY, with_last(last));
        send(&rig, with_last(last), EVERYBODY);
        send(&rig, with_last(last), with_last(last));
    }
    Ok(())
}

fn flood() -> l4_rt::Result {
    let rig = Rig::new(NET)?;
    rig.start(SEND)?;
    let mut own = [0; 6];
    rig.driver.read_config(0, &mut own)?;
    for _ in 0..100 {
        (0..10).for_each(|_| rig.driver.notify());
        send(&rig, EVERYBODY, own);
    }
    Ok(())
}

/// Sends a frame, and waits until the switch has taken it.
fn send(rig: &Rig, target: [u8; 6], source: [u8; 6]) {
    let mut bytes = [0; HEADER + FRAME];
    bytes[HEADER..][..6].copy_from_slice(&target);
    bytes[HEADER + 6..][..6].copy_from_slice(&source);
    rig.memory.write(DATA, &bytes);
    rig.descriptor(0, DATA, bytes.len() as u32, 0, 0);
    let index_at = |ring: u64| {
        let mut index = [0; 2];
        rig.memory.read(ring + 2, &mut index);
        u16::from_le_bytes(index)
    };
    let sent = index_at(rig.layout.available()).wrapping_add(1);
    rig.offer(sent);
    while index_at(rig.layout.used()) != sent {
        let _ = rig.driver.wait(Timeout::from_micros(1000));
    }
}
