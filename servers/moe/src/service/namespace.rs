//! Requests to namespaces.

use l4_abi::error::ResultCode;
use l4_abi::protocol::namespace::PARTLY_RESOLVED;
use l4_abi::rights::CapabilityRights;
use l4_ipc::{Bytes, Label, Outcome, Received, Request};
use l4_sys::object::Task;
use l4_sys::{AnyObject, Cap, Object as _, Passed};
use l4re::namespace::{Flags, NamespaceServer};

use super::Service;
use crate::bank::Bank;
use crate::object::namespace::{Namespace, Target, split};
use crate::object::{Object, ObjectId};

impl Service<'_> {
    fn namespace(&mut self) -> Outcome<(&mut Namespace, &mut Bank)> {
        self.moe.find(self.id)
    }

    /// Follows `path` as far as the namespaces are moe's own: what it ends at, and what is left.
    fn resolve<'p>(&self, path: &'p [u8]) -> Outcome<(Target, Flags, &'p [u8])> {
        let (mut id, mut path) = (self.id, path);
        // Each round takes at least one byte off the path.
        loop {
            let entry = self.moe.objects.get(id).ok_or(ResultCode::ENOENT)?;
            let Object::Namespace(namespace) = &entry.object else {
                return Err(ResultCode::ENOENT);
            };
            let (name, rest) = split(path);
            let (target, flags) = namespace.find(name)?;
            match target {
                Target::Object(next) if !split(rest).0.is_empty() => (id, path) = (next, rest),
                _ if split(rest).0.is_empty() => return Ok((target, flags, &[])),
                _ => return Ok((target, flags, rest)),
            }
        }
    }

    fn hold(
        &mut self,
        request: &mut Request<'_>,
        object: Option<Received<AnyObject>>,
    ) -> Outcome<(Target, Flags)> {
        match object {
            None => Ok((Target::Announced, Flags::RWS)),
            Some(Received::Own(label)) => {
                let id = ObjectId::from_label(label).ok_or(ResultCode::EINVAL)?;
                if self.moe.objects.get(id).is_none() {
                    return Err(ResultCode::EINVAL);
                }
                self.moe.add_reference(id);
                let passed = CapabilityRights::from_bits_truncate(label as u8)
                    & CapabilityRights::INVOCATION;
                let rights = Flags::from_bits_truncate(passed.bits().into());
                Ok((Target::Object(id), rights | Flags::RO))
            }
            Some(received) => {
                let (namespace, bank) = self.namespace()?;
                namespace.charge_capability(bank)?;
                match request.keep(received) {
                    Ok(kept) => Ok((Target::Capability(kept.leak().selector()), Flags::RWS)),
                    Err(error) => {
                        let (namespace, bank) = self.namespace()?;
                        namespace.refund_capability(bank);
                        Err(error)
                    }
                }
            }
        }
    }

    fn let_go(&mut self, target: Target) -> Outcome<()> {
        let (namespace, bank) = self.namespace()?;
        if let Target::Capability(_) = target {
            namespace.refund_capability(bank);
        }
        self.moe.release_target(target);
        Ok(())
    }
}

impl NamespaceServer for Service<'_> {
    fn query(
        &mut self,
        _: &mut Request<'_>,
        path: &[u8],
    ) -> Outcome<(Label, i32, Bytes, Passed<AnyObject>)> {
        let (target, flags, rest) = self.resolve(path)?;
        let rights = CapabilityRights::READ
            | CapabilityRights::from_bits_truncate((flags & Flags::RWS).bits() as u8);
        let capability: Cap<AnyObject> = match target {
            Target::Announced => return Err(ResultCode::EAGAIN),
            Target::Object(id) => self.moe.gate(id)?.cast(),
            Target::Capability(selector) => {
                let capability = Cap::new(selector);
                if !Task::SELF.is_valid(capability)? {
                    return Err(ResultCode::ENOENT);
                }
                capability
            }
        };
        let label = if rest.is_empty() {
            0
        } else {
            PARTLY_RESOLVED as u32
        };
        Ok((Label(label), 0, Bytes::new(rest)?, capability.pass(rights)))
    }

    fn register(
        &mut self,
        request: &mut Request<'_>,
        flags: u32,
        name: &[u8],
        object: Option<Received<AnyObject>>,
    ) -> Outcome<()> {
        let (target, most) = self.hold(request, object)?;
        let asked = Flags::from_bits_truncate(flags);
        let flags = asked & (most | Flags::OVERWRITE | Flags::TRUSTED);
        let (namespace, bank) = self.namespace()?;
        match namespace.register(bank, name, target, flags) {
            Ok(None) => Ok(()),
            Ok(Some(replaced)) => self.let_go(replaced),
            Err(error) => {
                self.let_go(target)?;
                Err(error)
            }
        }
    }

    fn unlink(&mut self, _: &mut Request<'_>, name: &[u8]) -> Outcome<()> {
        let target = self.namespace()?.0.unlink(name)?;
        self.let_go(target)
    }
}
