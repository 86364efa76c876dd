//! Hangs a bell at the door, and tells who comes, until as many have come as its argument says.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use doorbell_interface::Door;
use l4_abi::timeout::Timeout;
use l4_memory::Shared;
use l4_rt::{CapabilityRights, env, println, thread};
use l4re::Dataspace;

l4_rt::entry!(main);

/// How many bytes of the guest book each guest has.
const LINE: u64 = 16;

fn main() -> l4_rt::Result {
    let expected = env::args().nth(1).ok_or("how many guests?")?.parse()?;
    let door = env::cap::<Door>("door")?;
    let book = Shared::read_only(env::cap::<Dataspace>("guest-book")?)?;

    let bell = env::factory().create_irq()?;
    bell.bind_thread(thread::current(), 0)?;
    door.hang(bell.pass(CapabilityRights::RW))?;

    let mut told = 0;
    loop {
        // Rings in quick succession are one interrupt: the door knows how many there were.
        let guests = door.guests()?;
        for guest in told..guests {
            let mut line = [0; LINE as usize];
            book.read(guest * LINE, &mut line);
            let name = line.split(|byte| *byte == 0).next().unwrap_or_default();
            println!("{} is here", name.escape_ascii());
        }
        told = guests;
        if told >= expected {
            return Ok(());
        }
        bell.receive(Timeout::NEVER)?;
    }
}
