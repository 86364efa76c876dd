//! x86_64: a PC under SVM or VMX (`abi/06` §5). Each of its CPUs is a thread with a [`Processor`]; what they share is
//! the [`Machine`].

mod cpu;
mod exits;
mod machine;
mod processor;
#[cfg_attr(not(feature = "smp"), path = "no_smp.rs")]
mod smp;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::error::Error;

use crate::statistics::Statistics;
use crate::vmm::options::Options;
use crate::vmm::provider::Provider;
use crate::vmm::{Stop, alarm, host_cpu};
use l4_abi::protocol::scheduler::MAX_PRIORITY;
use l4_rt::thread::{self, Builder, JoinHandle};
use l4_rt::{env, println};

use machine::Machine;
use processor::Processor;

/// Runs the guest until it ends.
pub(crate) fn run(
    options: &Options,
    provider: Provider,
) -> Result<(Stop, Statistics), Box<dyn Error>> {
    let (machine, entry) = Machine::new(options, provider)?;
    let machine = Arc::new(machine);
    if options.cpus > 1 {
        let place = host_cpu(0)?;
        env::scheduler().run_thread(thread::current(), place, MAX_PRIORITY, 0)?;
    }
    let others = (1..u32::from(options.cpus)).map(|id| start(&machine, id));
    let others: Vec<_> = others.collect::<Result<_, _>>()?;
    let mut first = Processor::new(machine.clone(), 0)?;
    first.start(&entry, options.statistics)?;
    let stop = first.run()?;
    for other in others {
        other.join()?;
    }
    let statistics = core::mem::take(&mut *machine.statistics.lock());
    Ok((stop, statistics))
}

/// Another CPU than the first, which waits until it is started.
fn start(machine: &Arc<Machine>, id: u32) -> l4_sys::Result<JoinHandle<()>> {
    let machine = machine.clone();
    let place = Builder::new().cpus(host_cpu(id as usize)?);
    place.spawn(move || {
        let run =
            |machine| -> Result<Stop, Box<dyn Error>> { Ok(Processor::new(machine, id)?.run()?) };
        if let Err(error) = run(machine.clone()) {
            println!("CPU {id}: {error}");
            machine.end(Stop::Fault);
        }
    })
}
