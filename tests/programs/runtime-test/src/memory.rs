//! Dataspaces and the region map, as their interfaces offer them.

use l4_abi::error::ResultCode;
use l4_abi::rights::CapabilityRights;
use l4_rt::{env, println};
use l4_sys::Error;
use l4_sys::slots::SLOTS;

const PAGE: u64 = 4096;

pub(crate) fn check() -> l4_rt::Result {
    println!("memory");
    let used = SLOTS.used();
    dataspaces()?;
    assert_eq!(SLOTS.used(), used);
    Ok(())
}

fn dataspaces() -> l4_rt::Result {
    use l4_rt::re::mem_alloc::DataspaceFlags;
    use l4_rt::re::region_map::Flags;

    let allocator = env::mem_alloc();
    let dataspace = allocator.create_dataspace(3 * PAGE, DataspaceFlags::empty(), 0)?;
    assert_eq!(dataspace.size()?, 3 * PAGE);

    let map = env::region_map();
    let passed = dataspace.pass(CapabilityRights::RW);
    let address = map.attach_anywhere(passed, 0, 3 * PAGE, Flags::RW)?;
    assert_eq!(address % PAGE, 0);
    let region = map.find(address + PAGE, 1)?;
    assert_eq!((region.start, region.size), (address, 3 * PAGE));

    // The same place cannot be taken twice.
    let taken = map.attach_at(address, passed, 0, PAGE, Flags::RW);
    assert_eq!(taken, Err(Error::Result(ResultCode::EADDRNOTAVAIL)));

    let detached = map.detach_range(address, 3 * PAGE)?;
    assert_eq!((detached.start, detached.size), (address, 3 * PAGE));
    let gone = map.find(address, 1).map(|region| region.start);
    assert_eq!(gone, Err(Error::Result(ResultCode::ENOENT)));

    let nothing = allocator
        .create_dataspace(0, DataspaceFlags::empty(), 0)
        .map(drop);
    assert_eq!(nothing, Err(Error::Result(ResultCode::EINVAL)));
    Ok(())
}
