//! What the CPUs of a machine share, and how they reach each other.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::error::Error;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crate::end::End;
use crate::statistics::Statistics;
use crate::x86_64::devices::local_apic::LocalApic;
use crate::x86_64::devices::paravirtual_clock::Scale;
use crate::x86_64::kernel_image::{self, Entry};
use crate::x86_64::platform::{Bus, Platform};
use l4_memory::Shared;
use l4_rt::sync::{Mutex, MutexGuard};
use l4_rt::{env, time};
use l4_sys::object::{Irq, Task};
use l4_sys::{Cap, OwnedCap};

use super::smp::{self, Power};
use super::{Stop, alarm};
use crate::vmm::files::BootFiles;
use crate::vmm::memory::Ram;
use crate::vmm::options::Options;
use crate::vmm::provider::Provider;
use crate::vmm::{devices, print};

/// A virtual machine.
pub(super) struct Machine {
    /// The devices. Their interrupts are for the first CPU.
    pub(super) platform: Mutex<Platform<Shared>>,
    pub(super) ram: Ram,
    pub(super) scale: Scale,
    /// When it started, in nanoseconds since boot.
    pub(super) started: u64,
    /// Its address space.
    pub(super) vm: OwnedCap<Task>,
    pub(super) cpus: Vec<Connection>,
    pub(super) statistics: Mutex<Statistics>,
    is_over: AtomicBool,
    end: Mutex<Option<Stop>>,
}

/// What others can do to a CPU.
pub(super) struct Connection {
    /// Interrupts its thread, to let it look.
    wake: OwnedCap<Irq>,
    pub(super) state: Mutex<State>,
}

/// What a CPU and the others know of it.
pub(super) struct State {
    /// In a machine with several CPUs.
    pub(super) apic: Option<LocalApic>,
    pub(super) power: Power,
    /// An interrupt that cannot be masked waits.
    pub(super) has_nmi: bool,
    /// Only other CPUs can make it go on.
    is_asleep: bool,
}

impl Machine {
    /// The machine, its memory filled with what its kernel needs, and how that is entered.
    pub(super) fn new(
        options: &Options,
        provider: Provider,
    ) -> Result<(Self, Entry), Box<dyn Error>> {
        let vm = (env::factory().create_vm())
            .map_err(|error| format!("the kernel has no virtual machines here: {error}"))?;
        let ram = Ram::new(options.memory, *vm, provider)?;
        let files = BootFiles::open(options.kernel, provider)?;
        // A PC tells nobody where its console is.
        let command_line = format!("console=ttyS0 {}", options.command_line);
        let tables = smp::write_tables(&ram.shared, options.cpus)?;
        let entry = kernel_image::load(
            &ram.shared,
            options.memory,
            files.kernel(),
            files.ram_disk(),
            &command_line,
            tables,
        )?;
        let bus = Bus::new(devices::open(options, &ram)?);
        let cpus = (0..options.cpus.into()).map(|id| {
            let state = State {
                apic: LocalApic::of(id, options.cpus),
                power: Power::at_first(id),
                has_nmi: false,
                is_asleep: false,
            };
            let wake = env::factory().create_irq()?;
            let state = Mutex::new(state);
            Ok(Connection { wake, state })
        });
        let machine = Self {
            platform: Mutex::new(Platform::new(Box::new(print), bus)),
            ram,
            scale: Scale::new(time::counter_frequency()),
            started: alarm::now(),
            vm,
            cpus: cpus.collect::<l4_sys::Result<_>>()?,
            statistics: Mutex::new(Statistics::default()),
            is_over: AtomicBool::new(false),
            end: Mutex::new(None),
        };
        Ok((machine, entry))
    }

    /// How many CPUs it has.
    pub(super) fn cpu_count(&self) -> u32 {
        self.cpus.len() as u32
    }

    /// Whether they have APICs.
    pub(super) fn has_apics(&self) -> bool {
        self.cpus.len() > 1
    }

    /// A CPU's state.
    pub(super) fn state(&self, id: u32) -> MutexGuard<'_, State> {
        self.cpus[id as usize].state.lock()
    }

    /// What wakes a CPU.
    pub(super) fn wake_up_call(&self, id: u32) -> Cap<Irq> {
        *self.cpus[id as usize].wake
    }

    /// Lets another CPU look what there is.
    pub(super) fn wake(&self, id: u32) {
        // A thread that is gone need not be told.
        let _ = self.cpus[id as usize].wake.trigger();
    }

    /// A CPU goes to sleep until another one makes it go on. If all sleep, nothing ever will.
    pub(super) fn sleep(&self, id: u32) {
        self.state(id).is_asleep = true;
        let sleeps = |connection: &Connection| {
            let state = connection.state.lock();
            state.is_asleep && !state.has_nmi && !state.power.is_starting()
        };
        if self.cpus.iter().all(sleeps) {
            self.end(Stop::End(End::Off));
        }
    }

    /// It goes on.
    pub(super) fn wake_from_sleep(&self, id: u32) {
        self.state(id).is_asleep = false;
    }

    /// The machine does not go on, for this reason if it is the first.
    pub(super) fn end(&self, stop: Stop) {
        self.end.lock().get_or_insert(stop);
        self.is_over.store(true, SeqCst);
        (0..self.cpu_count()).for_each(|id| self.wake(id));
    }

    /// Why it does not go on, if so.
    pub(super) fn ended(&self) -> Option<Stop> {
        match self.is_over.load(SeqCst) {
            true => *self.end.lock(),
            false => None,
        }
    }
}
