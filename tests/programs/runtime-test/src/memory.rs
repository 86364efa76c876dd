//! Dataspaces and the region map, as their interfaces offer them.

use l4_abi::error::ResultCode;
use l4_abi::rights::CapabilityRights;
use l4_memory::{Inaccessible, Shared};
use l4_rt::{env, println};
use l4_sys::Error;
use l4_sys::slots::SLOTS;

const PAGE: u64 = 4096;

pub(crate) fn check() -> l4_rt::Result {
    println!("memory");
    let used = SLOTS.used();
    dataspaces()?;
    shared_memory()?;
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

/// What is shared can be seen in part, and may vanish while it is used.
fn shared_memory() -> l4_rt::Result {
    use l4_rt::re::mem_alloc::{ComponentLimits, DataspaceFlags};

    let limits = ComponentLimits {
        memory: 16 * PAGE,
        tag: "owner",
        priority: 1,
        cpus: 1,
    };
    let owner = env::mem_alloc().create_limited(limits, None)?;
    let dataspace = owner.create_dataspace(3 * PAGE, DataspaceFlags::empty(), 0)?;
    let whole = Shared::writable(dataspace.as_cap())?;
    let part = Shared::part(dataspace.as_cap(), PAGE - 4, PAGE)?;
    whole.write(PAGE - 8, b"12345678 twenty bytes");
    let mut text = [0; 17];
    part.read(0, &mut text);
    assert_eq!(&text, b"5678 twenty bytes");
    assert_eq!(part.try_store(8, 0xabcd), Ok(()));
    assert_eq!(part.try_load(8), Ok(0xabcd));
    whole.read(PAGE + 4, &mut text[..2]);
    assert_eq!(text[..2], [0xcd, 0xab]);
    let outside = [
        part.try_read(PAGE - 1, &mut text),
        part.try_write(u64::MAX, &text),
        part.try_load(1).map(drop),
        part.try_load(PAGE).map(drop),
    ];
    assert_eq!(outside, [Err(Inaccessible); 4]);
    let too_long = Shared::part(dataspace.as_cap(), 2 * PAGE, 2 * PAGE)?;
    assert_eq!(too_long.try_store(0, 1), Ok(()));
    assert_eq!(too_long.try_store(PAGE, 1), Err(Inaccessible));

    // Its owner ends: each kind of access fails, and the program goes on.
    owner.delete();
    let gone = [
        part.try_read(0, &mut text),
        part.try_write(0, &text),
        part.try_load(8).map(drop),
        part.try_store(8, 1),
        whole.try_read(0, &mut text),
    ];
    assert_eq!(gone, [Err(Inaccessible); 5]);
    Ok(())
}
