//! Stands in for the loader of L4Re, as the boot module `l4re` of a component with that runtime, and
//! checks what that loader relies on: the name of the program to load, where it finds it, priorities,
//! and that its region map lets it survive bad pointers of others.
#![no_std]
#![no_main]

#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
mod arch;
mod try_read;

use l4_abi::error::ResultCode;
use l4_memory::Shared;
use l4_rt::{env, println};
use l4_sys::Error;
use l4re::{Dataspace, Namespace};

use try_read::{end, failed, first, try_read};

l4_rt::entry!(main);

/// Nothing is attached there.
const NOWHERE: u64 = 0x1234_5000;

fn main() -> l4_rt::Result {
    the_program_is_named_and_found()?;
    rescue_jumps()?;
    println!("all checks passed");
    Ok(())
}

fn the_program_is_named_and_found() -> l4_rt::Result {
    assert!(env::args().eq(["rom/tree", "one", "two"]));
    let rom = env::cap::<Namespace>("rom")?;
    for name in ["tree", "l4re-stand-in.toml"] {
        let file = rom.lookup::<Dataspace>(name)?;
        let mut start = [0; 4];
        Shared::read_only(file.as_cap())?.read(0, &mut start);
        assert_eq!(&start == b"\x7fELF", name == "tree");
    }
    Ok(())
}

fn rescue_jumps() -> l4_rt::Result {
    let map = env::region_map();
    map.add_rescue_jump(first(), end(), failed())?;
    let again = map.add_rescue_jump(first(), end(), failed());
    assert_eq!(again, Err(Error::Result(ResultCode::EEXIST)));
    let none = map.add_rescue_jump(end(), end(), failed());
    assert_eq!(none, Err(Error::Result(ResultCode::EINVAL)));

    let word = 0x1122_3344_5566_7788;
    assert_eq!(try_read((&raw const word) as u64), Some(word));
    for _ in 0..3 {
        assert_eq!(try_read(NOWHERE), None);
    }
    assert_eq!(try_read((&raw const word) as u64), Some(word));

    map.remove_rescue_jump(first())?;
    let gone = map.remove_rescue_jump(first());
    assert_eq!(gone, Err(Error::Result(ResultCode::ENOENT)));
    Ok(())
}
