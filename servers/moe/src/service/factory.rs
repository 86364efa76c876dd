//! Requests to factories: making objects.

use l4_abi::capability::Selector;
use l4_abi::error::ResultCode;
use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;
use l4_ipc::factory::{Arguments, FactoryServer, Varg};
use l4_ipc::{Argument, Outcome, Request};
use l4_sys::{AnyObject, Cap, Object as _, OwnedCap, Passed};
use l4re::mem_alloc::{DataspaceFlags, MemAllocServer, Usage};

use super::Service;
use crate::object::dataspace::Dataspace;
use crate::object::factory::{Factory, Limits};
use crate::object::log::{Log, Tag};
use crate::object::namespace::Namespace;
use crate::object::region_map::RegionMap;
use crate::object::scheduler::Scheduler;
use crate::object::{Object, Payer};

/// log2 of the largest alignment of a dataspace: 1 GiB.
const LARGEST_ALIGNMENT: i64 = 30;
const SUPERPAGE_ALIGNMENT: u32 = 21;

impl Service<'_> {
    fn factory(&mut self) -> Outcome<Factory> {
        Ok(*self.moe.find(self.id)?.0)
    }

    fn new_dataspace(&mut self, factory: Factory, arguments: &mut Arguments) -> Outcome<Dataspace> {
        let size = arguments.integer(None)?;
        let flags = DataspaceFlags::from_bits_truncate(arguments.integer(Some(0))? as u64);
        let alignment = arguments.integer(Some(0))?;
        if flags.contains(DataspaceFlags::FIXED_ADDRESS)
            || !(0..=LARGEST_ALIGNMENT).contains(&alignment)
        {
            return Err(ResultCode::EINVAL);
        }
        let is_run = flags.contains(DataspaceFlags::CONTINUOUS);
        let size = match u64::try_from(size) {
            Ok(size) => size,
            // "As much as there is" makes sense only for memory that is taken at once.
            Err(_) if is_run || flags.contains(DataspaceFlags::PINNED) => {
                let statement = self.moe.bank.statement(factory.payer.account);
                statement.limit - statement.used
            }
            Err(_) => return Err(ResultCode::EINVAL),
        };
        let bank = &mut self.moe.bank;
        if is_run || alignment > 0 {
            let superpages = flags.contains(DataspaceFlags::SUPER_PAGES);
            let natural = if superpages { SUPERPAGE_ALIGNMENT } else { 0 };
            return Dataspace::run(
                bank,
                factory.payer.account,
                size,
                natural.max(alignment as u32),
            );
        }
        let mut dataspace = Dataspace::on_demand(factory.payer.account, size)?;
        if flags.contains(DataspaceFlags::PINNED)
            && let Err(error) = dataspace.allocate(bank, 0, dataspace.size())
        {
            dataspace.destroy(bank, &mut |_, _| ());
            return Err(error);
        }
        Ok(dataspace)
    }

    /// A factory with part of this one's memory: quota, then tag, priority and CPUs that it is
    /// limited to. The first program may also give it a kernel factory of its own.
    fn new_factory(
        &mut self,
        request: &mut Request<'_>,
        parent: Factory,
        arguments: &mut Arguments,
    ) -> Outcome<Factory> {
        let quota = arguments.integer(None)?;
        let quota = u64::try_from(quota).ok().filter(|quota| *quota > 0);
        let quota = quota.ok_or(ResultCode::EINVAL)?;
        let tag = arguments.text()?.map(|text| child_tag(parent.limits, text));
        let priority = arguments.integer(Some(parent.limits.priority.into()))?;
        let cpus = cpu_set(arguments)?;
        let limits = Limits {
            tag: tag.or(parent.limits.tag),
            priority: priority.clamp(1, parent.limits.priority.into()) as u8,
            cpus: cpus & parent.limits.cpus,
        };
        let kernel_factory = self.own_kernel_factory(request, parent)?;
        let account = self.moe.bank.open(parent.payer.account, quota);
        let account = account.inspect_err(|_| drop_owned(kernel_factory))?;
        Ok(Factory {
            payer: Payer {
                account,
                kernel_factory: kernel_factory.unwrap_or(parent.payer.kernel_factory),
            },
            owns_kernel_factory: kernel_factory.is_some(),
            limits,
        })
    }

    /// moe calls this capability, so it takes one only from who has no limits.
    fn own_kernel_factory(
        &mut self,
        request: &mut Request<'_>,
        parent: Factory,
    ) -> Outcome<Option<Selector>> {
        if parent.limits.tag.is_some() {
            return Ok(None);
        }
        let received = <Option<Cap<AnyObject>> as Argument>::read(&mut request.reader())?;
        let Some(received) = received else {
            return Ok(None);
        };
        Ok(Some(request.keep(received)?.leak().selector()))
    }

    fn new_log(&mut self, factory: Factory, arguments: &mut Arguments) -> Outcome<Log> {
        let tag = child_tag(factory.limits, arguments.text()?.unwrap_or_default());
        let colour = match arguments.argument()? {
            Some(Varg::Text(name)) => colour(name),
            Some(Varg::Signed(number)) => colour_number(number as u64),
            Some(Varg::Unsigned(number)) => colour_number(number),
            _ => DEFAULT_COLOUR,
        };
        let has_input = arguments.integer(Some(0))? != 0 && factory.limits.tag.is_none();
        Log::new(
            &mut self.moe.bank,
            factory.payer.account,
            tag,
            colour,
            has_input,
        )
    }

    fn new_scheduler(factory: Factory, arguments: &mut Arguments) -> Outcome<Scheduler> {
        let limit = arguments.integer(None)?;
        let base = arguments.integer(Some(0))?;
        let cpus = cpu_set(arguments)?;
        let limit = limit.min(factory.limits.priority.into());
        Scheduler::new(limit, base, cpus & factory.limits.cpus)
    }
}

impl FactoryServer for Service<'_> {
    fn create(
        &mut self,
        request: &mut Request<'_>,
        kind: i64,
        arguments: &mut Arguments,
    ) -> Outcome<Passed<AnyObject>> {
        let factory = self.factory()?;
        let account = factory.payer.account;
        let object = match kind {
            label::DATASPACE => Object::Dataspace(self.new_dataspace(factory, arguments)?),
            label::NAMESPACE => Object::Namespace(Namespace::new(account)),
            label::REGION_MAP => {
                let last = self.moe.last_address;
                Object::RegionMap(RegionMap::new(&mut self.moe.bank, account, last)?)
            }
            label::FACTORY => Object::Factory(self.new_factory(request, factory, arguments)?),
            label::LOG => Object::Log(self.new_log(factory, arguments)?),
            label::SCHEDULER => Object::Scheduler(Self::new_scheduler(factory, arguments)?),
            _ => return Err(ResultCode::ENODEV),
        };
        let gate = self.moe.insert_for_client(factory.payer, object)?;
        Ok(gate.cast::<AnyObject>().pass(CapabilityRights::RWSD))
    }
}

impl MemAllocServer for Service<'_> {
    fn info(&mut self, _: &mut Request<'_>) -> Outcome<Usage> {
        let account = self.factory()?.payer.account;
        let statement = self.moe.bank.statement(account);
        Ok(Usage {
            quota: statement.limit,
            quota_used: statement.used,
            memory_limit: statement.limit,
            memory_used: statement.used,
            memory_free: statement.limit - statement.used,
        })
    }
}

/// A bitmap of CPUs; all of them if it is left out.
fn cpu_set(arguments: &mut Arguments) -> Outcome<u64> {
    match arguments.argument()? {
        Some(Varg::Unsigned(cpus)) => Ok(cpus),
        // As scripts have their numbers.
        Some(Varg::Signed(cpus)) => Ok(cpus as u64),
        Some(Varg::Nil) | None => Ok(u64::MAX),
        Some(_) => Err(ResultCode::EINVAL),
    }
}

fn child_tag(limits: Limits, text: &[u8]) -> Tag {
    limits
        .tag
        .map_or_else(|| Tag::new(text), |tag| tag.child(text))
}

fn drop_owned(selector: Option<Selector>) {
    drop(selector.map(OwnedCap::<AnyObject>::from_selector));
}

/// Select-graphic-rendition parameter (ECMA-48) for a log without a colour of its own.
const DEFAULT_COLOUR: u8 = 37;

/// L4Re looks at the first letter only; as a capital it makes the colour bright.
fn colour(name: &[u8]) -> u8 {
    const LETTERS: &[u8] = b"nrgybmcw";
    let first = *name.first().unwrap_or(&b' ');
    let is_first = |letter: &u8| *letter == first.to_ascii_lowercase();
    match LETTERS.iter().position(is_first) {
        _ if name == b"grey" => 90,
        Some(number) if first.is_ascii_uppercase() => 90 + number as u8,
        Some(number) => 30 + number as u8,
        None => DEFAULT_COLOUR,
    }
}

/// L4Re numbers the colours from 0 (black) to 7; from 8 on they are bright.
fn colour_number(number: u64) -> u8 {
    match number {
        0..=7 => 30 + number as u8,
        8..=15 => 90 + (number as u8 - 8),
        _ => DEFAULT_COLOUR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_have_names_letters_and_numbers() {
        for (name, expected) in [
            (&b"red"[..], 31),
            (b"r", 31),
            (b"Red", 91),
            (b"B", 94),
            (b"white", 37),
            (b"grey", 90),
            (b"green", 32),
            (b"", DEFAULT_COLOUR),
            (b"?", DEFAULT_COLOUR),
        ] {
            assert_eq!(colour(name), expected, "{name:?}");
        }
        let numbers = [1, 9, 16, u64::MAX].map(colour_number);
        assert_eq!(numbers, [31, 91, DEFAULT_COLOUR, DEFAULT_COLOUR]);
    }
}
