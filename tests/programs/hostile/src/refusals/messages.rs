//! Messages that make no sense, to every object that the component has or can make.

use l4_abi::protocol::label;
use l4_rt::env;
use l4_sys::{Object, Selector};
use l4re::mem_alloc::DataspaceFlags;

use super::not_accepted;
use crate::raw::call;

/// Every protocol that somebody speaks, and two that nobody does.
const PROTOCOLS: [i64; 18] = [
    label::PAGE_FAULT,
    label::EXCEPTION,
    label::SIGMA0,
    label::TASK,
    label::THREAD,
    label::LOG,
    label::SCHEDULER,
    label::FACTORY,
    label::VM,
    label::SEMAPHORE,
    label::IOMMU,
    label::DEBUGGER,
    label::DATASPACE,
    label::NAMESPACE,
    label::PARENT,
    label::REGION_MAP,
    0x7777,
    i16::MIN as i64,
];

/// It takes the faults of its threads: who sends it one himself has failed himself.
const REGION_MAP: &[i64] = &[
    label::REGION_MAP,
    label::DATASPACE,
    label::PAGE_FAULT,
    label::EXCEPTION,
];

/// An object and the protocols that it speaks.
type Target<'a> = (Selector, &'a [i64]);

/// Calls `body` with every kind of object that the component can get hold of.
fn with_targets(body: impl Fn(&[Target<'_>])) -> l4_rt::Result {
    let (factory, memory) = (env::factory(), env::mem_alloc());
    let part = factory.create_factory(16 << 10)?;
    let gate = factory.create_gate(l4_rt::thread::current(), 0x10)?;
    let irq = factory.create_irq()?;
    let semaphore = factory.create_semaphore()?;
    let dataspace = memory.create_dataspace(4 << 10, DataspaceFlags::empty(), 0)?;
    let map = memory.create_region_map()?;
    let names = memory.create_namespace()?;
    body(&[
        (env::task().selector(), &[label::TASK]),
        (env::main_thread().selector(), &[label::THREAD]),
        (factory.selector(), &[label::FACTORY]),
        (part.selector(), &[label::FACTORY]),
        (gate.selector(), &[label::KERNEL_OBJECT]),
        (irq.selector(), &[label::IRQ, label::IRQ_SENDER]),
        (semaphore.selector(), &[label::IRQ, label::SEMAPHORE]),
        (env::region_map().selector(), REGION_MAP),
        (map.selector(), REGION_MAP),
        (memory.selector(), &[label::FACTORY, label::MEM_ALLOC]),
        (dataspace.selector(), &[label::DATASPACE]),
        (names.selector(), &[label::NAMESPACE]),
        (env::log().selector(), &[label::LOG, label::IRQ]),
        (env::scheduler().selector(), &[label::SCHEDULER]),
        (env::parent().selector(), &[label::PARENT]),
    ]);
    Ok(())
}

pub(super) fn protocols() -> l4_rt::Result {
    with_targets(|targets| {
        for (object, spoken) in targets {
            for protocol in PROTOCOLS
                .iter()
                .filter(|protocol| !spoken.contains(protocol))
            {
                not_accepted(call(*object, *protocol, &[0, 0, 0], 0));
            }
        }
    })
}

pub(super) fn opcodes() -> l4_rt::Result {
    with_targets(|targets| {
        for (object, spoken) in targets {
            for opcode in [0x77, 0xffff, u64::MAX] {
                not_accepted(call(*object, spoken[0], &[opcode, 0, 0], 0));
            }
        }
    })
}

pub(super) fn lengths() -> l4_rt::Result {
    with_targets(|targets| {
        for (object, spoken) in targets {
            // To these an empty message is a signal.
            if spoken[0] != label::IRQ {
                not_accepted(call(*object, spoken[0], &[], 0));
            }
            not_accepted(call(*object, spoken[0], &[u64::MAX; 63], 0));
            // Items in place of words, and more of them than anyone takes.
            not_accepted(call(*object, spoken[0], &[0x77, 8, 0x33_3037], 1));
            not_accepted(call(*object, spoken[0], &[8; 63], 31));
        }
    })
}
