//! Attacks on the block server, each on a device that was reset before.

use l4_abi::error::ResultCode;
use l4_ipc::CapabilityRights;
use l4_rt::{Cap, env, println, thread};
use l4_sys::{AnyObject, Error, Result};
use l4_virtio::transport::{kind, status};
use l4re::Dataspace;

use crate::rig::{DATA, HEADER, Kind, Rig, SIZE, WRITE};
use crate::ring;
use crate::witness;

pub(crate) const BLOCK: Kind = Kind("block", kind::BLOCK);

const READ_SECTORS: u32 = 0;
const WRITE_SECTORS: u32 = 1;
const IO_ERROR: u8 = 1;
const UNSUPPORTED: u8 = 2;

pub(crate) fn run() -> l4_rt::Result {
    wrong_messages()?;
    ring::wrong_queues(BLOCK, 0)?;
    ring::wrong_chains(BLOCK, 0)?;
    wrong_requests()?;
    spoiled_page()?;
    vanished_memory()?;
    flood()?;
    println!("all attacks done");
    witness::attacks_done()
}

fn error(code: ResultCode) -> Result<()> {
    Err(Error::Result(code))
}

fn wrong_messages() -> l4_rt::Result {
    let (rig, device) = (Rig::new(BLOCK)?, BLOCK.device()?);
    let share = |base, offset, size, dataspace: Cap<Dataspace>| {
        let passed = dataspace.pass(CapabilityRights::RW);
        device.register_dataspace(base, offset, size, passed)
    };
    let own = rig.dataspace.as_cap();
    assert_eq!(share(0x10000, 0, 1 << 40, own), error(ResultCode::ENOMEM));
    assert_eq!(share(0x10000, 0, u64::MAX, own), error(ResultCode::ENOMEM));
    assert_eq!(share(SIZE - 1, 0, 1, own), error(ResultCode::EINVAL));
    assert_eq!(share(u64::MAX, 0, 2, own), error(ResultCode::EINVAL));
    assert_eq!(share(0x10000, 0, 0, own), error(ResultCode::EINVAL));
    assert!(share(0x10000, u64::MAX, 0x1000, own).is_err());
    // What is no dataspace, or one that is never going to answer.
    let gate = env::factory().create_gate(thread::current(), 0x40)?;
    for other in [
        gate.as_cap().cast::<AnyObject>(),
        env::log().cast(),
        device.cast(),
    ] {
        assert!(share(0x10000, 0, 0x1000, other.cast()).is_err());
    }
    let read_only = own.pass(CapabilityRights::READ);
    let shared = device.register_dataspace(0x10000, 0, 0x1000, read_only);
    assert_eq!(shared, error(ResultCode::EACCESS));
    assert_eq!(device.config_queue(1), error(ResultCode::ERANGE));
    assert_eq!(device.config_queue(u32::MAX), error(ResultCode::ERANGE));
    assert!(device.device_irq(1).is_err());
    let irq = env::factory().create_irq()?;
    assert_eq!(
        device.icu().bind(9, irq.as_cap()),
        error(ResultCode::ERANGE)
    );
    // A gate in place of an interrupt: nobody waits there.
    device.icu().bind(0, gate.as_cap().cast())?;
    // The client's notification cannot be turned to somebody else.
    let doorbell = device.device_irq(0)?;
    assert!(doorbell.bind_thread(thread::current(), 0).is_err());
    rig.start(0)?;
    rig.descriptor(0, HEADER, 16, 0, 0);
    rig.offer(1);
    Ok(())
}

fn wrong_requests() -> l4_rt::Result {
    let rig = Rig::new(BLOCK)?;
    rig.start(0)?;
    assert_eq!(rig.request(READ_SECTORS, 0, (DATA, 512), WRITE), 0);
    for sector in [128, 127 + (1 << 32), u64::MAX, u64::MAX / 512] {
        assert_eq!(
            rig.request(READ_SECTORS, sector, (DATA, 512), WRITE),
            IO_ERROR
        );
        assert_eq!(rig.request(WRITE_SECTORS, sector, (DATA, 512), 0), IO_ERROR);
    }
    for (address, length) in [
        (DATA, 511),
        (DATA, u32::MAX),
        (SIZE - 511, 512),
        (u64::MAX, 512),
        (0x100_0000, 512),
        (0x1_0000_0000, 512),
    ] {
        let (read, write) = (
            rig.request(READ_SECTORS, 0, (address, length), WRITE),
            rig.request(WRITE_SECTORS, 0, (address, length), 0),
        );
        assert_eq!((read, write), (IO_ERROR, IO_ERROR), "{address:#x}");
    }
    assert_eq!(rig.request(0x55, 0, (DATA, 512), 0), UNSUPPORTED);
    assert_eq!(rig.request(READ_SECTORS, 0, (DATA, 512), WRITE), 0);
    Ok(())
}

/// The page belongs to both: what the driver spoils is its own loss.
fn spoiled_page() -> l4_rt::Result {
    let rig = Rig::new(BLOCK)?;
    let (_, page) = BLOCK.device()?.device_config()?;
    let page = l4_memory::Shared::writable(page.as_cap())?;
    let mut before = [0; 4096];
    page.read(0, &mut before);
    page.write(0, &[0xff; 4096]);
    let spoiled = BLOCK.device()?.config_queue(0);
    assert_eq!(spoiled, error(ResultCode::EINVAL));
    // Features that were never offered.
    BLOCK
        .device()?
        .set_status(status::FEATURES_OK | status::DRIVER_OK)?;
    assert_eq!(rig.driver.status()? & status::FEATURES_OK, 0);
    rig.driver.notify();
    page.write(0, &before);
    Ok(())
}

/// The memory goes while the device works on it.
fn vanished_memory() -> l4_rt::Result {
    for _ in 0..8 {
        let rig = Rig::new(BLOCK)?;
        rig.start(0)?;
        assert_eq!(rig.request(READ_SECTORS, 0, (DATA, 512), WRITE), 0);
        ring::take_memory_away(rig);
    }
    Ok(())
}

fn flood() -> l4_rt::Result {
    let rig = Rig::new(BLOCK)?;
    rig.start(0)?;
    for _ in 0..2000 {
        rig.driver.notify();
    }
    assert_eq!(rig.request(READ_SECTORS, 0, (DATA, 512), WRITE), 0);
    Ok(())
}
