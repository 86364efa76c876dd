//! The capture of another port: what it has to say about frames of this one.

use core::time::Duration;

use l4_memory::Shared;
use l4_rt::{env, println, time};
use l4re::Dataspace;

const FILE_HEADER: u64 = 24;
const RECORD_HEADER: u64 = 16;
const LENGTH: u64 = 8;

/// Waits until the other port has announced itself.
pub(crate) fn wait() -> l4_rt::Result {
    const PAUSE: Duration = Duration::from_millis(5);
    let Ok(dataspace) = env::cap::<Dataspace>("capture") else {
        return Ok(());
    };
    let file = Shared::read_only(dataspace)?;
    let mut length = [0; 4];
    while length == [0; 4] {
        time::sleep(PAUSE);
        file.read(FILE_HEADER + LENGTH, &mut length);
    }
    Ok(())
}

/// A port that does nothing gets frames for everybody, but none for one; and from an isolated port to
/// an isolated one none at all: the argument `isolated` says that these two are.
pub(crate) fn check(own: [u8; 6]) -> l4_rt::Result {
    let Ok(dataspace) = env::cap::<Dataspace>("capture") else {
        return Ok(());
    };
    let file = Shared::read_only(dataspace)?;
    let mut magic = [0; 4];
    file.read(0, &mut magic);
    if magic != 0xa1b2_c3d4_u32.to_le_bytes() {
        return Err("this is no capture".into());
    }
    let mut place = FILE_HEADER;
    let (mut frames, mut from_here) = (0, 0);
    loop {
        let mut length = [0; 4];
        file.read(place + LENGTH, &mut length);
        let length = u64::from(u32::from_le_bytes(length));
        if length == 0 {
            break;
        }
        let mut addresses = [0; 12];
        file.read(place + RECORD_HEADER, &mut addresses);
        if addresses[0] & 1 == 0 {
            return Err("the other port got a frame for somebody else".into());
        }
        from_here += u32::from(addresses[6..] == own);
        frames += 1;
        place += RECORD_HEADER + length;
    }
    let is_isolated = env::args().any(|argument| argument == "isolated");
    println!("the other port got {from_here} of this one's frames");
    match (is_isolated, from_here, frames) {
        (true, 0, _) | (false, 1.., _) => Ok(()),
        _ => Err("the ports are not as isolated as they should be".into()),
    }
}
