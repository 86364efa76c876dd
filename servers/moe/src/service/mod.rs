//! What clients can ask of each kind of object: the server side of the interfaces in `l4re`.
//!
//! Everything in a request is a claim by somebody who may be hostile. The interface layer has
//! checked lengths; sizes, offsets, addresses and rights are checked where they are used. moe never
//! calls or sends to a capability that a client gave: it would wait for whoever that client chose.

mod dataspace;
mod factory;
mod log;
mod mapping;
mod namespace;
mod region_map;
mod scheduler;

use l4_abi::capability::slot;
use l4_abi::error::ResultCode;
use l4_ipc::dispatch;
use l4_ipc::factory::ServerFactory;
use l4_ipc::{Outcome, Request, Response};
use l4_sys::Cap;
use l4_sys::fatal::end_system;
use l4_sys::object::{Log as KernelLog, PlatformControl};
use l4re::icu::IcuInterface;
use l4re::log::LogInterface;
use l4re::parent::{Parent, ParentServer};
use l4re::scheduler::SchedulerInterface;
use l4re::{Dataspace, MemAlloc, Namespace};

use crate::moe::Moe;
use crate::object::{Object, ObjectId};

/// Label of the interrupt that comes when a gate was destroyed. Objects have larger ones.
pub const DELETION_LABEL: u64 = 8;

/// One object while it handles a request.
struct Service<'a> {
    moe: &'a mut Moe,
    id: ObjectId,
}

/// Handles whatever arrived.
pub fn answer(moe: &mut Moe, request: &mut Request<'_>) -> Response {
    if request.raw_label() == DELETION_LABEL {
        moe.sweep();
        return Response::None;
    }
    let id = ObjectId::from_label(request.label());
    let Some((id, entry)) = id.and_then(|id| Some((id, moe.objects.get(id)?))) else {
        // The object was destroyed while the message was under way.
        return Response::error(ResultCode::ENOENT);
    };
    match entry.object {
        Object::Dataspace(_) => dispatch!(&mut Service { moe, id }, request; Dataspace),
        Object::RegionMap(_) => region_map::answer(&mut Service { moe, id }, request),
        Object::Namespace(_) => dispatch!(&mut Service { moe, id }, request; Namespace),
        Object::Factory(_) => dispatch!(&mut Service { moe, id }, request; ServerFactory, MemAlloc),
        Object::Log(_) => dispatch!(&mut Service { moe, id }, request; LogInterface, IcuInterface),
        Object::Scheduler(_) => dispatch!(&mut Service { moe, id }, request; SchedulerInterface),
        Object::Parent => dispatch!(&mut Service { moe, id }, request; Parent),
    }
}

impl ParentServer for Service<'_> {
    /// The first program never ends as long as the system runs.
    fn signal(&mut self, _: &mut Request<'_>, signal: u64, value: u64) -> Outcome<()> {
        first_program_ended(format_args!("ended with signal {signal}, value {value}"))
    }
}

fn first_program_ended(how: core::fmt::Arguments<'_>) -> ! {
    let log = *Cap::<KernelLog>::at(slot::LOG);
    let platform = *Cap::<PlatformControl>::at(slot::ICU);
    end_system(log, platform, "ned", how)
}
