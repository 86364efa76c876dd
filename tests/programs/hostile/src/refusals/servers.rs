//! Requests to moe and ned that ask for more than there is to have.

use l4_abi::error::ResultCode;
use l4_abi::protocol::label;
use l4_ipc::factory::Varg;
use l4_rt::{Cap, CapabilityRights, env};
use l4_sys::{AnyObject, Object};
use l4re::mem_alloc::DataspaceFlags;
use l4re::region_map::Flags;
use l4re::{Dataspace, Namespace, PAGE_SIZE};

use super::{not_accepted, refused, refused_with};
use crate::raw::call;

pub(super) fn check() -> l4_rt::Result {
    protocols_and_lengths();
    dataspaces()?;
    region_map()?;
    allocator()?;
    rom()
}

fn protocols_and_lengths() {
    let servers = [
        (env::region_map().selector(), label::REGION_MAP),
        (env::mem_alloc().selector(), label::MEM_ALLOC),
        (env::mem_alloc().selector(), label::FACTORY),
    ];
    for (server, protocol) in servers {
        refused(call(server, 0x7777, &[0; 8], 0), ResultCode::EBADPROTO);
        refused(call(server, protocol, &[], 0), ResultCode::EMSGTOOSHORT);
        // Items that name nothing, are none, or are more than anyone takes.
        not_accepted(call(server, protocol, &[0x77, 1, 2, 8, 0x33_3037], 1));
        not_accepted(call(server, protocol, &[0x77, 1, 2, 4, 0x3037], 1));
        not_accepted(call(server, protocol, &[8; 63], 31));
    }
    // A fault that did not happen.
    refused(
        call(
            env::region_map().selector(),
            label::PAGE_FAULT,
            &[0x1234_5000],
            0,
        ),
        ResultCode::EMSGTOOSHORT,
    );
    refused(
        call(env::parent().selector(), label::DATASPACE, &[0; 4], 0),
        ResultCode::EBADPROTO,
    );
    refused(
        call(env::parent().selector(), label::PARENT, &[7, 0, 0], 0),
        ResultCode::ENOSYS,
    );
    refused(
        call(env::parent().selector(), label::PARENT, &[0], 0),
        ResultCode::EMSGTOOSHORT,
    );
    refused(
        call(env::log().selector(), label::LOG, &[1 << 16 | 1], 0),
        ResultCode::EPERM,
    );
}

fn dataspaces() -> l4_rt::Result {
    let memory = env::mem_alloc();
    let own = memory.create_dataspace(4 * PAGE_SIZE, DataspaceFlags::empty(), 0)?;
    for (offset, size) in [
        (4 * PAGE_SIZE, 1),
        (1, 4 * PAGE_SIZE),
        (u64::MAX, 2),
        (8, u64::MAX),
    ] {
        refused_with(own.clear(offset, size), ResultCode::ERANGE);
        refused_with(own.allocate(offset, size), ResultCode::ERANGE);
        let copied = own.copy_in(offset, 0, size, own.as_cap().into());
        assert!(copied.is_err());
    }
    let other = memory.create_dataspace(PAGE_SIZE, DataspaceFlags::empty(), 0)?;
    refused_with(
        own.copy_in(0, 1, PAGE_SIZE, other.as_cap().into()),
        ResultCode::ERANGE,
    );
    // Not a dataspace, and not even moe's.
    let map = env::region_map().cast::<Dataspace>().into();
    refused_with(own.copy_in(0, 0, 8, map), ResultCode::EINVAL);
    refused_with(
        own.copy_in(0, 0, 8, env::parent().cast::<Dataspace>().into()),
        ResultCode::EINVAL,
    );
    refused_with(
        own.copy_in(0, 0, 8, env::task().cast::<Dataspace>().into()),
        ResultCode::EINVAL,
    );
    for size in [0, 1 << 48, i64::MIN as u64, u64::MAX] {
        let created = memory.create_dataspace(size, DataspaceFlags::empty(), 0);
        assert!(created.is_err(), "{size:#x} bytes");
    }
    for (flags, alignment) in [
        (DataspaceFlags::FIXED_ADDRESS, 0),
        (DataspaceFlags::CONTINUOUS, 63),
    ] {
        assert!(
            memory
                .create_dataspace(PAGE_SIZE, flags, alignment)
                .is_err()
        );
    }
    Ok(())
}

fn region_map() -> l4_rt::Result {
    let map = env::region_map();
    let own = env::mem_alloc().create_dataspace(PAGE_SIZE, DataspaceFlags::empty(), 0)?;
    let attach = |start, size, dataspace| map.attach_at(start, dataspace, 0, size, Flags::RW);
    let passed = own.pass(CapabilityRights::RW);
    let no_room = ResultCode::EADDRNOTAVAIL;
    refused_with(attach(0x7000_0000, 0, passed), ResultCode::EINVAL);
    refused_with(attach(u64::MAX, 2 * PAGE_SIZE, passed), ResultCode::EINVAL);
    refused_with(attach(0, PAGE_SIZE, passed), no_room);
    refused_with(attach(0x100_0000, PAGE_SIZE, passed), no_room);
    refused_with(attach(0xffff_8000_0000_0000, PAGE_SIZE, passed), no_room);
    refused_with(
        attach(0x7000_0000, u64::MAX - PAGE_SIZE, passed),
        ResultCode::EINVAL,
    );
    let last_page = 0_u64.wrapping_sub(PAGE_SIZE);
    refused_with(
        map.attach_at(0x7000_0000, passed, last_page, 2 * PAGE_SIZE, Flags::RW),
        ResultCode::ERANGE,
    );
    refused_with(
        attach(0x7000_0000, PAGE_SIZE, own.as_cap().into()),
        ResultCode::EACCESS,
    );
    refused_with(
        attach(
            0x7000_0000,
            PAGE_SIZE,
            env::parent().cast::<Dataspace>().into(),
        ),
        ResultCode::ENOENT,
    );
    refused_with(map.detach_range(0x6000_0000, PAGE_SIZE), ResultCode::ENOENT);
    refused_with(map.free_area(0x6000_0000), ResultCode::ENOENT);
    refused_with(map.reserve_area(0x1000, u64::MAX, 0, 0), ResultCode::EINVAL);
    refused_with(map.reserve_area(0x1000, 1, u32::MAX, 0), ResultCode::EINVAL);
    Ok(())
}

fn allocator() -> l4_rt::Result {
    let memory = env::mem_alloc();
    let limit = memory.info()?.memory_limit;
    for quota in [0, limit + 1, 1 << 40, i64::MIN as u64, i64::MAX as u64] {
        assert!(
            memory.create_mem_alloc(quota).is_err(),
            "a part of {quota:#x} bytes"
        );
    }
    let create =
        |kind, arguments: &[Varg<'_>]| memory.factory().create::<AnyObject>(kind, arguments);
    refused_with(create(label::TASK, &[]), ResultCode::ENODEV);
    refused_with(create(label::SIGMA0, &[]), ResultCode::ENODEV);
    refused_with(create(label::DATASPACE, &[]), ResultCode::EINVAL);
    refused_with(
        create(label::DATASPACE, &[Varg::Text(b"many")]),
        ResultCode::EINVAL,
    );
    refused_with(
        create(label::SCHEDULER, &[Varg::Signed(-1)]),
        ResultCode::EINVAL,
    );
    // The console's input is not for whoever asks.
    let log = memory.create_log("console", "red", true)?;
    let read = log.read(&mut [0; 8])?;
    assert_eq!((read.count, read.exhausted), (0, true));
    let irq = env::factory().create_irq()?;
    refused_with(log.icu().bind(0, irq.as_cap()), ResultCode::EINVAL);
    Ok(())
}

/// The files of the component can be read, not changed.
fn rom() -> l4_rt::Result {
    let rom = env::cap::<Namespace>("rom")?;
    let file: l4_sys::OwnedCap<Dataspace> = rom.lookup("hostile")?;
    refused_with(file.clear(0, 8), ResultCode::EACCESS);
    refused_with(
        env::region_map().attach_anywhere(file.pass(CapabilityRights::RW), 0, PAGE_SIZE, Flags::RW),
        ResultCode::EACCESS,
    );
    let object: Cap<AnyObject> = env::log().cast();
    refused_with(
        rom.register(7, b"hostile", Some(object.into())),
        ResultCode::EPERM,
    );
    refused_with(rom.unlink(b"hostile"), ResultCode::EPERM);
    refused_with(rom.lookup::<AnyObject>("ned"), ResultCode::ENOENT);
    refused_with(rom.lookup::<AnyObject>("../ned"), ResultCode::ENOENT);
    refused_with(rom.lookup::<AnyObject>(""), ResultCode::ENOENT);
    Ok(())
}
