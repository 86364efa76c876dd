//! Reads text from shared memory, which it cannot write.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use core::convert::Infallible;

use dataspaces_interface::{Reader, ReaderServer};
use l4_memory::Shared;
use l4_rt::{Outcome, Request, ResultCode, env, println};
use l4re::Dataspace;

l4_rt::entry!(main);

struct View(Shared);

impl ReaderServer for View {
    fn published(&mut self, _: &mut Request<'_>, offset: u64, length: u64) -> Outcome<u64> {
        // What the writer says is a claim.
        if offset
            .checked_add(length)
            .is_none_or(|end| end > self.0.size())
        {
            return Err(ResultCode::ERANGE);
        }
        let mut text = alloc::vec![0; length as usize];
        self.0.read(offset, &mut text);
        Ok(text.iter().map(|byte| u64::from(*byte)).sum())
    }
}

fn main() -> l4_rt::Result<Infallible> {
    let dataspace = env::cap::<Dataspace>("shared")?;
    match Shared::writable(dataspace) {
        Ok(_) => return Err("the memory is writable, but should not be".into()),
        Err(error) => println!("may not write: {error}"),
    }
    let mut view = View(Shared::read_only(dataspace)?);
    l4_rt::serve("reader", |request| Reader::dispatch(&mut view, request))
}
