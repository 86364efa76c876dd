//! The meta protocol: which interfaces an object speaks (`abi/08` §1).

use l4_abi::error::ResultCode;
use l4_abi::protocol::label;

use crate::{Bytes, Label, Outcome, Request, Response};

crate::interface! {
    /// Any object of a server: which interfaces does it speak?
    pub interface Meta, served by MetaServer {
        protocol: label::META,
        opcode: i32,

        /// How many interfaces.
        fn num_interfaces() -> Label = 0;
        /// Protocol and name of interface number `index`. Error: ERANGE.
        fn interface(index: u64) -> (i64, Bytes) = 1;
        /// Label 1 if the object speaks `protocol`, else 0.
        fn supports(protocol: i64) -> Label = 2;
    }
}

/// Protocol labels and names.
type Interfaces<'a> = &'a [(i64, &'a str)];

impl MetaServer for Interfaces<'_> {
    fn num_interfaces(&mut self, _: &mut Request<'_>) -> Outcome<Label> {
        Ok(Label(self.len() as u32))
    }

    fn interface(&mut self, _: &mut Request<'_>, index: u64) -> Outcome<(i64, Bytes)> {
        let index = usize::try_from(index).map_err(|_| ResultCode::ERANGE)?;
        let (protocol, name) = self.get(index).ok_or(ResultCode::ERANGE)?;
        Ok((*protocol, Bytes::text(name.as_bytes())?))
    }

    fn supports(&mut self, _: &mut Request<'_>, protocol: i64) -> Outcome<Label> {
        let found = self.iter().any(|(own, _)| *own == protocol) || protocol == label::META;
        Ok(Label(found.into()))
    }
}

/// Answers a request that belongs to none of the object's `interfaces`: the meta protocol, or
/// EBADPROTO.
pub fn respond(request: &mut Request<'_>, mut interfaces: Interfaces<'_>) -> Response {
    if request.protocol() == label::META {
        Meta::dispatch(&mut interfaces, request)
    } else {
        Response::error(ResultCode::EBADPROTO)
    }
}
