//! Requests to dataspaces.

use l4_abi::error::ResultCode;
use l4_abi::item::MapItem;
use l4_abi::protocol::region_map;
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_ipc::{Outcome, Received, Request};
use l4re::Dataspace as Interface;
use l4re::dataspace::{DataspaceServer, Flags, Info, MapInfo};

use super::Service;
use super::mapping::{self, Room};
use crate::bank::Bank;
use crate::moe::revoke;
use crate::object::dataspace::{self, Dataspace};
use crate::object::{Object, ObjectId};

impl Service<'_> {
    fn dataspace(&mut self) -> Outcome<(&mut Dataspace, &mut Bank)> {
        self.moe.find(self.id)
    }

    /// The dataspace, for someone who wants to change it.
    fn writable(&mut self, request: &Request<'_>) -> Outcome<(&mut Dataspace, &mut Bank)> {
        let may_write = request.rights().contains(CapabilityRights::WRITE);
        let (dataspace, bank) = self.dataspace()?;
        if may_write && dataspace.rights().contains(MemoryRights::WRITE) {
            Ok((dataspace, bank))
        } else {
            Err(ResultCode::EACCESS)
        }
    }
}

impl DataspaceServer for Service<'_> {
    fn map(
        &mut self,
        request: &mut Request<'_>,
        offset: u64,
        spot: u64,
        flags: u64,
        (): (),
    ) -> Outcome<MapItem> {
        let flags = Flags::from_bits_truncate(flags);
        let rights = MemoryRights::from_bits_truncate((flags & Flags::RIGHTS).bits() as u8);
        let (dataspace, bank) = if rights.contains(MemoryRights::WRITE) {
            self.writable(request)?
        } else {
            self.dataspace()?
        };
        let rights = (rights | MemoryRights::READ) & dataspace.rights();
        let caching = region_map::Flags::from_bits_truncate((flags & Flags::CACHING).bits() as u32);
        Ok(mapping::item(
            spot,
            dataspace.at(bank, offset)?,
            Room::ANY,
            rights,
            caching,
        ))
    }

    fn clear(&mut self, request: &mut Request<'_>, offset: u64, size: u64) -> Outcome<()> {
        let (dataspace, bank) = self.writable(request)?;
        dataspace.clear(bank, offset, size, &mut revoke)
    }

    fn info(&mut self, request: &mut Request<'_>) -> Outcome<Info> {
        let may_write = request.rights().contains(CapabilityRights::WRITE);
        let (dataspace, _) = self.dataspace()?;
        let mut flags = Flags::from_bits_truncate(dataspace.rights().bits().into());
        flags.set(Flags::WRITE, flags.contains(Flags::WRITE) && may_write);
        Ok(Info {
            size: dataspace.length(),
            flags: flags.bits(),
        })
    }

    fn copy_in(
        &mut self,
        request: &mut Request<'_>,
        offset: u64,
        source_offset: u64,
        size: u64,
        source: Received<Interface>,
    ) -> Outcome<()> {
        self.writable(request)?;
        let Received::Own(label) = source else {
            return Err(ResultCode::EINVAL);
        };
        let source = ObjectId::from_label(label).ok_or(ResultCode::EINVAL)?;
        let both = self
            .moe
            .objects
            .get_two_mut(self.id, source)
            .ok_or(ResultCode::EINVAL)?;
        match (&mut both.0.object, &mut both.1.object) {
            (Object::Dataspace(target), Object::Dataspace(source)) => dataspace::copy(
                &mut self.moe.bank,
                (target, offset),
                (source, source_offset),
                size,
            ),
            _ => Err(ResultCode::EINVAL),
        }
    }

    fn allocate(&mut self, request: &mut Request<'_>, offset: u64, size: u64) -> Outcome<()> {
        let (dataspace, bank) = self.writable(request)?;
        dataspace.allocate(bank, offset, size)
    }

    /// There is an MMU: a dataspace can be mapped anywhere.
    fn map_info(&mut self, _: &mut Request<'_>) -> Outcome<MapInfo> {
        Ok(MapInfo { start: 0, last: 0 })
    }
}
