//! A client whose disk must stay as it is, whatever the others do; and a glutton, who writes all that
//! it may and then fails, in each of its lives.

use core::time::Duration;

use l4_memory::Shared;
use l4_rt::{env, println, time};
use l4re::Dataspace;

use crate::block::BLOCK;
use crate::rig::{DATA, Rig, WRITE};

/// Words of the memory that the three share: lives of the glutton, and whether the attacks are done.
const LIVES: u64 = 0;
const ATTACKS: u64 = 8;
/// Together they write several times what the server has.
const ENOUGH_LIVES: u64 = 20;

const SECTORS: u64 = 128;

fn board() -> l4_rt::Result<Shared> {
    Ok(Shared::writable(env::cap::<Dataspace>("board")?)?)
}

pub(crate) fn attacks_done() -> l4_rt::Result {
    board()?.write_word(ATTACKS, 1);
    Ok(())
}

pub(crate) fn run() -> l4_rt::Result {
    let (board, rig) = (board()?, Rig::new(BLOCK)?);
    rig.start(0)?;
    let fill = |sector: u64| [sector as u8 ^ 0x5a; 512];
    for sector in 0..SECTORS {
        rig.memory.write(DATA, &fill(sector));
        assert_eq!(rig.request(1, sector, (DATA, 512), 0), 0);
    }
    loop {
        let is_over = board.read_word(LIVES) >= ENOUGH_LIVES && board.read_word(ATTACKS) == 1;
        for sector in 0..SECTORS {
            assert_eq!(rig.request(0, sector, (DATA, 512), WRITE), 0);
            let mut found = [0; 512];
            rig.memory.read(DATA, &mut found);
            assert_eq!(found, fill(sector));
        }
        if is_over {
            println!("the disk is as it was");
            return Ok(());
        }
        time::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn fill_and_fail() -> l4_rt::Result {
    let (board, rig) = (board()?, Rig::new(BLOCK)?);
    rig.start(0)?;
    for sector in (0..SECTORS).step_by(8) {
        assert_eq!(rig.request(1, sector, (DATA, 4096), 0), 0, "no room");
    }
    // And no more than that.
    assert_ne!(rig.request(1, SECTORS, (DATA, 4096), 0), 0);
    let lives = board.read_word(LIVES) + 1;
    board.write_word(LIVES, lives);
    match lives {
        ENOUGH_LIVES.. => Ok(()),
        _ => Err("as it always does".into()),
    }
}
