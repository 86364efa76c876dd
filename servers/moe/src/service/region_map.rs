//! Requests to region maps: attaching memory, and the page faults of their tasks.

use l4_abi::error::ResultCode;
use l4_abi::exception::{ExceptionFrame, FRAME_WORDS, FaultWord};
use l4_abi::item::MapItem;
use l4_abi::protocol::label;
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_ipc::{Bytes, Label, Outcome, Received, Request, Response, Writer, dispatch};
use l4_sys::object::Irq;
use l4_sys::utcb::MESSAGE_BYTES;
use l4_sys::{Cap, Object as _};
use l4re::Dataspace as DataspaceInterface;
use l4re::pager::{Pager, PagerServer};
use l4re::region_map::{
    DetachFlags, Detached, Flags, Region, RegionEntry, RegionList, RegionMap as RegionMapInterface,
    RegionMapServer,
};
use l4re::remote_access::{RemoteAccess, RemoteAccessServer};
use l4re::watch::{Watch, WatchServer};

use super::Service;
use super::mapping::{self, Room};
use crate::bank::Bank;
use crate::memory;
use crate::moe::revoke;
use crate::object::dataspace::{Dataspace, Stretch};
use crate::object::region_map::{self, KEPT_FLAGS, Name, Place, RegionMap};
use crate::object::{Object, ObjectId};

/// Handles a request to a region map: one of the interfaces, or a thread's exception.
pub(super) fn answer(service: &mut Service<'_>, request: &mut Request<'_>) -> Response {
    if request.protocol() == label::EXCEPTION {
        return service.exception(request);
    }
    dispatch!(service, request; Pager, RegionMapInterface, Watch, RemoteAccess)
}

impl Service<'_> {
    /// A thread failed. Without an answer it stays where it is.
    fn exception(&mut self, request: &Request<'_>) -> Response {
        let mut words = [0; FRAME_WORDS];
        let mut reader = request.reader();
        for word in &mut words {
            *word = reader.scalar().unwrap_or_default();
        }
        let frame = ExceptionFrame::from_words(&words);
        if self.moe.first_map == Some(self.id) {
            let (at, fault) = (frame.instruction_pointer(), frame.fault_address);
            super::first_program_ended(format_args!("failed at {at:#x}, fault address {fault:#x}"));
        }
        let Ok((map, _)) = self.region_map() else {
            return Response::None;
        };
        if let Some(target) = map.rescue_from(frame.instruction_pointer()) {
            return resume(frame.with_instruction_pointer(target));
        }
        if map.keep_exception(&words)
            && let Some(watcher) = map.watcher()
        {
            // Sent without waiting, so it does no harm if it is no interrupt.
            let _ = Cap::<Irq>::new(watcher).trigger();
        }
        Response::None
    }

    fn region_map(&mut self) -> Outcome<(&mut RegionMap, &mut Bank)> {
        self.moe.find(self.id)
    }

    /// The memory at `address`, if the region there allows `access`.
    fn memory_at(
        &mut self,
        address: u64,
        access: MemoryRights,
    ) -> Outcome<(Stretch, region_map::Region)> {
        let region = self.region_map()?.0.region_for(address, access)?;
        let id = region.memory.ok_or(ResultCode::ENODEV)?;
        // A dataspace is gone, attached or not, when the factory that made it is.
        let entry = self.moe.objects.get_mut(id).ok_or(ResultCode::ENOMEM)?;
        let Object::Dataspace(dataspace) = &mut entry.object else {
            return Err(ResultCode::ENODEV);
        };
        let offset = region.offset.checked_add(address - region.first);
        let offset = offset.ok_or(ResultCode::ENOMEM)?;
        let stretch = dataspace
            .at(&mut self.moe.bank, offset)
            .or(Err(ResultCode::ENOMEM))?;
        Ok((stretch, region))
    }

    fn map_page(&mut self, address: u64, access: MemoryRights) -> Outcome<MapItem> {
        let (stretch, region) = self.memory_at(address, access)?;
        let room = Room {
            before: address - region.first,
            after: region.last - address + 1,
        };
        Ok(mapping::item(
            address,
            stretch,
            room,
            region.rights(),
            region.flags,
        ))
    }

    /// The dataspace that a client wants to attach with these rights.
    fn attachable(
        &self,
        dataspace: Received<DataspaceInterface>,
        rights: MemoryRights,
    ) -> Outcome<ObjectId> {
        // Somebody else's dataspace: to get its pages moe would have to wait for that server.
        let Received::Own(label) = dataspace else {
            return Err(ResultCode::ENOENT);
        };
        let id = ObjectId::from_label(label).ok_or(ResultCode::ENOENT)?;
        let entry = self.moe.objects.get(id).ok_or(ResultCode::ENOENT)?;
        let Object::Dataspace(dataspace) = &entry.object else {
            return Err(ResultCode::ENOENT);
        };
        let mut allowed = dataspace.rights();
        allowed.set(
            MemoryRights::WRITE,
            allowed.contains(MemoryRights::WRITE)
                && CapabilityRights::from_bits_truncate(label as u8)
                    .contains(CapabilityRights::WRITE),
        );
        if allowed.contains(rights) {
            Ok(id)
        } else {
            Err(ResultCode::EACCESS)
        }
    }

    /// What a region loses of the memory that it alone has is of no use to anybody.
    fn give_back(&mut self, memory: ObjectId, detached: &region_map::Detached) {
        let region = detached.region;
        if let Ok((dataspace, bank)) = self.moe.find::<Dataspace>(memory)
            && region.owns_memory
        {
            let offset = region.offset + (detached.first - region.first);
            let size = detached.last - detached.first + 1;
            // Whole pages of the dataspace: it cannot fail.
            let _ = dataspace.clear(bank, offset, size, &mut revoke);
        }
    }

    /// Memory for a region that is attached without a dataspace.
    fn anonymous_memory(&mut self, size: u64) -> Outcome<ObjectId> {
        let payer = self
            .moe
            .objects
            .get(self.id)
            .ok_or(ResultCode::ENOENT)?
            .payer;
        self.moe.insert(
            payer,
            Object::Dataspace(Dataspace::on_demand(payer.account, size)?),
        )
    }
}

impl PagerServer for Service<'_> {
    fn page_fault(
        &mut self,
        _: &mut Request<'_>,
        fault: u64,
        _instruction_pointer: u64,
        (): (),
    ) -> Outcome<MapItem> {
        let fault = FaultWord::from_raw(fault);
        let access = if fault.is_write() {
            MemoryRights::WRITE
        } else if fault.is_fetch() {
            MemoryRights::EXECUTE
        } else {
            MemoryRights::READ
        };
        self.map_page(fault.address(), access)
    }
}

impl RegionMapServer for Service<'_> {
    fn attach(
        &mut self,
        _: &mut Request<'_>,
        start: u64,
        size: u64,
        flags: u32,
        offset: u64,
        alignment: u8,
        client_capability: u64,
        name: &[u8],
        backing_offset: u64,
        dataspace: Option<Received<DataspaceInterface>>,
    ) -> Outcome<u64> {
        let flags = Flags::from_bits_truncate(flags);
        let rights = MemoryRights::from_bits_truncate((flags & Flags::RIGHTS).bits() as u8);
        let owns_memory = dataspace.is_none() && flags.contains(Flags::ANONYMOUS);
        let (memory, offset) = match dataspace {
            // What is written there would be everybody's.
            Some(_) if flags.contains(Flags::PRIVATE | Flags::WRITE) => {
                return Err(ResultCode::ENOSYS);
            }
            Some(dataspace) => (Some(self.attachable(dataspace, rights)?), offset),
            None if owns_memory => (Some(self.anonymous_memory(size)?), 0),
            None => (None, offset),
        };
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let region = region_map::Region {
            first: 0,
            last: 0,
            flags: flags & KEPT_FLAGS,
            memory,
            owns_memory,
            offset: offset & !(l4re::PAGE_SIZE - 1),
            client_capability,
            backing_offset,
            name: Name::new(name),
        };
        if let Some(memory) = memory {
            self.moe.add_reference(memory);
        }
        let place = Place {
            start,
            size,
            flags,
            alignment,
        };
        let (map, bank) = self.region_map()?;
        map.attach(bank, place, region).inspect_err(|_| {
            if let Some(memory) = memory {
                self.moe.remove_reference(memory);
            }
        })
    }

    fn detach(
        &mut self,
        _: &mut Request<'_>,
        start: u64,
        size: u64,
        flags: u32,
    ) -> Outcome<(Label, Detached)> {
        let (map, bank) = self.region_map()?;
        let detached = map.detach(bank, start, size, DetachFlags::from_bits_truncate(flags))?;
        if let Some(memory) = detached.region.memory {
            self.give_back(memory, &detached);
            match detached.regions_more {
                1 => self.moe.add_reference(memory),
                -1 => self.moe.remove_reference(memory),
                _ => {}
            }
        }
        let result = Detached {
            start: detached.first,
            size: detached.last - detached.first + 1,
            client: detached.region.client_capability,
        };
        Ok((Label(detached.result as u32), result))
    }

    fn find(&mut self, _: &mut Request<'_>, address: u64, size: u64) -> Outcome<Region> {
        let found = self.region_map()?.0.find(address, size)?;
        Ok(Region {
            start: found.first,
            size: found.last - found.first + 1,
            flags: found.flags.bits(),
            offset: found.offset,
            client: found.client_capability,
        })
    }

    fn reserve_area(
        &mut self,
        _: &mut Request<'_>,
        start: u64,
        size: u64,
        flags: u32,
        alignment: u8,
    ) -> Outcome<u64> {
        let flags = Flags::from_bits(flags).ok_or(ResultCode::EINVAL)?;
        let (map, bank) = self.region_map()?;
        map.reserve(
            bank,
            Place {
                start,
                size,
                flags,
                alignment,
            },
        )
    }

    fn free_area(&mut self, _: &mut Request<'_>, address: u64) -> Outcome<()> {
        self.region_map()?.0.free_area(address)
    }

    fn get_regions(&mut self, _: &mut Request<'_>, start: u64) -> Outcome<RegionList> {
        Ok(list(self.region_map()?.0.regions_from(start)))
    }

    fn get_areas(&mut self, _: &mut Request<'_>, start: u64) -> Outcome<RegionList> {
        Ok(list(self.region_map()?.0.areas_from(start)))
    }

    fn get_info(&mut self, _: &mut Request<'_>, address: u64) -> Outcome<(Bytes, u64)> {
        let region = self
            .region_map()?
            .0
            .region_at(address)
            .ok_or(ResultCode::ENOENT)?;
        Ok((Bytes::text(region.name.as_bytes())?, region.backing_offset))
    }

    fn add_rescue_jump(
        &mut self,
        _: &mut Request<'_>,
        first: u64,
        end: u64,
        target: u64,
    ) -> Outcome<()> {
        let (map, bank) = self.region_map()?;
        map.add_rescue_jump(bank, (first, end), target)
    }

    fn remove_rescue_jump(&mut self, _: &mut Request<'_>, address: u64) -> Outcome<()> {
        self.region_map()?.0.remove_rescue_jump(address)
    }

    fn page_in(
        &mut self,
        _: &mut Request<'_>,
        min: u64,
        _max: u64,
        rights: u16,
        (): (),
    ) -> Outcome<(u64, MapItem)> {
        let access = MemoryRights::from_bits_truncate(rights as u8);
        Ok((0, self.map_page(min, access)?))
    }
}

impl WatchServer for Service<'_> {
    fn watch(&mut self, request: &mut Request<'_>, irq: Received<Irq>) -> Outcome<()> {
        let irq = request.keep(irq)?;
        let (map, bank) = self.region_map()?;
        map.watch(bank, irq.selector())?;
        irq.leak();
        Ok(())
    }

    fn exception(&mut self, _: &mut Request<'_>) -> Outcome<Bytes> {
        let (map, _) = self.region_map()?;
        let words = map.exception().ok_or(ResultCode::ENOENT)?;
        let mut bytes = [0; FRAME_WORDS * 8];
        for (target, word) in bytes.chunks_exact_mut(8).zip(words) {
            target.copy_from_slice(&word.to_le_bytes());
        }
        Bytes::new(&bytes[..words.len() * 8])
    }
}

impl RemoteAccessServer for Service<'_> {
    /// What the task itself could read, a word at a time: for backtraces.
    fn read_memory(&mut self, request: &mut Request<'_>, address: u64, width: u8) -> Outcome<u64> {
        request.require(CapabilityRights::SPECIAL)?;
        if u64::from(width) != size_of::<u64>() as u64 || !address.is_multiple_of(8) {
            return Err(ResultCode::EINVAL);
        }
        let (stretch, _) = self.memory_at(address, MemoryRights::READ)?;
        Ok(memory::read_word(stretch.address))
    }
}

/// The answer that lets a thread go on with these registers.
fn resume(frame: ExceptionFrame) -> Response {
    let mut writer = Writer::new();
    let written = frame
        .to_words()
        .into_iter()
        .try_for_each(|word| writer.scalar(word));
    match written.and_then(|()| writer.finish_answer()) {
        Ok(tag) => Response::Answer(tag),
        Err(error) => Response::error(error),
    }
}

fn list(ranges: &[region_map::Region]) -> RegionList {
    let mut list = RegionList::default();
    // What does not fit is asked for with a higher start.
    for range in (ranges.iter()).take(MESSAGE_BYTES / size_of::<RegionEntry>()) {
        list.push(RegionEntry {
            start: range.first,
            last: range.last,
            flags: range.flags.bits() as u16,
            ..Default::default()
        });
    }
    list
}
