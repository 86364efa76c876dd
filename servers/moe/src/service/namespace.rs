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

/// What a path ends at in moe's namespaces: the last one of them and the name in it, what that stands for, and what
/// is left of the path.
type Found<'p> = ((ObjectId, &'p [u8]), Target, Flags, &'p [u8]);

impl Service<'_> {
    fn namespace(&mut self) -> Outcome<(&mut Namespace, &mut Bank)> {
        self.moe.find(self.id)
    }

    /// Follows `path` as far as the namespaces are moe's own.
    fn resolve<'p>(&self, path: &'p [u8]) -> Outcome<Found<'p>> {
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
                _ if split(rest).0.is_empty() => return Ok(((id, name), target, flags, &[])),
                _ => return Ok(((id, name), target, flags, rest)),
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

    fn let_go(&mut self, namespace: ObjectId, target: Target) -> Outcome<()> {
        let (namespace, bank) = self.moe.find::<Namespace>(namespace)?;
        if let Target::Capability(_) = target {
            namespace.refund_capability(bank);
        }
        self.moe.release_target(target);
        Ok(())
    }

    /// Whether there is no object, and will be none.
    fn is_dead(&self, target: Target) -> Outcome<bool> {
        Ok(match target {
            Target::Announced => false,
            Target::Object(id) => self.moe.objects.get(id).is_none(),
            Target::Capability(selector) => {
                !Task::SELF.is_valid(Cap::<AnyObject>::new(selector))?
            }
        })
    }

    fn remove(&mut self, namespace: ObjectId, name: &[u8]) -> Outcome<()> {
        let (names, _) = self.moe.find::<Namespace>(namespace)?;
        let target = names.unlink(name)?;
        self.let_go(namespace, target)
    }
}

impl NamespaceServer for Service<'_> {
    fn query(
        &mut self,
        _: &mut Request<'_>,
        path: &[u8],
    ) -> Outcome<(Label, i32, Bytes, Passed<AnyObject>)> {
        let ((namespace, name), target, flags, rest) = self.resolve(path)?;
        if self.is_dead(target)? {
            // Those that were there from the beginning stay.
            let _ = self.remove(namespace, name);
            return Err(ResultCode::ENOENT);
        }
        let rights = CapabilityRights::READ
            | CapabilityRights::from_bits_truncate((flags & Flags::RWS).bits() as u8);
        let capability: Cap<AnyObject> = match target {
            Target::Announced => return Err(ResultCode::EAGAIN),
            Target::Object(id) => self.moe.gate(id)?.cast(),
            Target::Capability(selector) => Cap::new(selector),
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
        if let Ok((old, _)) = self.namespace()?.0.find(name)
            && self.is_dead(old)?
        {
            let _ = self.remove(self.id, name);
        }
        let (target, most) = self.hold(request, object)?;
        let asked = Flags::from_bits_truncate(flags);
        let flags = asked & (most | Flags::OVERWRITE | Flags::TRUSTED);
        let (namespace, bank) = self.namespace()?;
        match namespace.register(bank, name, target, flags) {
            Ok(None) => Ok(()),
            Ok(Some(replaced)) => self.let_go(self.id, replaced),
            Err(error) => {
                self.let_go(self.id, target)?;
                Err(error)
            }
        }
    }

    fn unlink(&mut self, _: &mut Request<'_>, name: &[u8]) -> Outcome<()> {
        self.remove(self.id, name)
    }
}
