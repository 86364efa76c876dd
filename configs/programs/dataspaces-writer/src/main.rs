//! Writes text into shared memory and tells the reader.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use dataspaces_interface::Reader;
use l4_memory::Shared;
use l4_rt::{env, println};
use l4re::Dataspace;

l4_rt::entry!(main);

const TEXT: &str = "Memory can be shared without being trusted. ";

fn main() -> l4_rt::Result {
    let reader = env::cap::<Reader>("reader")?;
    let shared = Shared::writable(env::cap::<Dataspace>("shared")?)?;
    let length = TEXT.len() as u64;
    let sum: u64 = TEXT.bytes().map(u64::from).sum();
    let copies = shared.size() / length;
    for copy in 0..copies {
        shared.write(copy * length, TEXT.as_bytes());
        if reader.published(copy * length, length)? != sum {
            return Err("the reader saw something else than was written".into());
        }
    }
    println!(
        "{copies} texts in {} bytes were read as written",
        shared.size()
    );
    Ok(())
}
