//! Being the server of a channel.

use core::convert::Infallible;

use l4_ipc::{Request, Response};
use l4_sys::object::IpcGate;

use crate::{Result, env, thread};

/// Label of the channel's gate; any value without rights bits would do.
const LABEL: u64 = 0x10;

/// Serves the channel `name` with the calling thread, for ever.
///
/// `handle` is mostly the `dispatch` of an interface:
/// `l4_rt::serve("ping", |request| Ping::dispatch(&mut server, request))`.
///
/// # Errors
/// If the program has no such channel, or is not its server.
pub fn serve(
    name: &'static str,
    handle: impl FnMut(&mut Request<'_>) -> Response,
) -> Result<Infallible> {
    env::cap::<IpcGate>(name)?.bind_thread(thread::current(), LABEL)?;
    Ok(l4_ipc::serve(handle)?)
}
