//! Writes who rings into the guest book, and rings the bell, once it has one.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::convert::Infallible;

use doorbell_interface::{Door, DoorServer};
use l4_memory::Shared;
use l4_rt::{Outcome, OwnedCap, Received, Request, ResultCode, env};
use l4_sys::object::Irq;
use l4re::Dataspace;

l4_rt::entry!(main);

/// How many bytes of the guest book each guest has.
const LINE: u64 = 16;

struct House {
    guests: u64,
    book: Shared,
    bell: Option<OwnedCap<Irq>>,
}

impl DoorServer for House {
    fn ring(&mut self, _: &mut Request<'_>, name: &str) -> Outcome<u64> {
        // What a client says is a claim: the name may be too long, and the book full.
        let line = self.guests * LINE;
        if name.len() as u64 > LINE || line + LINE > self.book.size() {
            return Err(ResultCode::ERANGE);
        }
        self.book.write(line, name.as_bytes());
        self.guests += 1;
        if let Some(bell) = &self.bell {
            // If it is gone, the butler is, and nobody needs to hear it.
            let _ = bell.trigger();
        }
        Ok(self.guests)
    }

    fn guests(&mut self, _: &mut Request<'_>) -> Outcome<u64> {
        Ok(self.guests)
    }

    fn hang(&mut self, request: &mut Request<'_>, bell: Received<Irq>) -> Outcome<()> {
        self.bell = Some(request.keep(bell)?);
        Ok(())
    }
}

fn main() -> l4_rt::Result<Infallible> {
    let mut house = House {
        guests: 0,
        book: Shared::writable(env::cap::<Dataspace>("guest-book")?)?,
        bell: None,
    };
    l4_rt::serve("door", |request| Door::dispatch(&mut house, request))
}
