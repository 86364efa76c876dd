//! Guests of virtual machines: memory that begins with code, vCPUs that run it, and what VMMs of all kinds of
//! machines must stand.
//!
//! What a vCPU's state begins with, and what a guest exits with, is for a [`Guest`] to say.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use core::time::Duration;

use l4_abi::flexpage::Flexpage;
use l4_abi::item::{ItemControl, ItemFlags};
use l4_abi::rights::MemoryRights;
use l4_abi::timeout::TimeoutPair;
use l4_abi::vcpu::{StateFlags, UserTask};
use l4_sys::object::{Factory, Irq, Task, Thread};
use l4_sys::vcpu::{ExtendedVcpu, GuestEnd, Vcpu};
use l4_sys::{Cap, Object, OwnedCap, ipc};

use crate::memory::{PAGE, PAGE_ORDER, UNUSED, allocate, load, store};
use crate::suite::{self, PRIORITY};
use crate::worker::comes;
use crate::{Worker, console, own, spawn, spawn_at};

/// Where the code of a [`Machine`] is, guest-physical; the page before is for tables.
pub const CODE: u64 = 0x1000;
/// Where it has data.
pub const DATA: u64 = 0x2000;
/// The end of its stack.
pub const STACK: u64 = 0x4000;
/// An address below 64 KiB where there is nothing.
pub const NOTHING: u64 = 0x8000;

/// What a resume to a guest asks for.
pub const GUEST: StateFlags = StateFlags::USER_MODE.union(StateFlags::FPU_ENABLED);
/// The flags after it.
pub const AFTER: StateFlags = StateFlags::FPU_ENABLED;

/// A vCPU of one kind of virtual machine.
pub trait Guest: Copy + 'static {
    /// The calling thread, about to run a machine's code.
    fn new() -> Self;

    /// What all vCPUs have.
    fn vcpu(self) -> Vcpu;

    /// Is about to run the code again.
    fn reset(self);

    /// Why it has exited.
    fn exit(self) -> u64;

    /// Runs until there is something for the VMM.
    fn run(self) -> GuestEnd {
        self.vcpu().run_guest(&[]).unwrap()
    }
}

/// A virtual machine with four pages of memory, whose vCPUs are `G`.
pub struct Machine<G> {
    /// Its address space.
    pub vm: OwnedCap<Task>,
    /// Where its memory is in the own task.
    pub memory: u64,
    vcpus: PhantomData<G>,
}

impl<G: Guest> Machine<G> {
    /// One that begins with `code`.
    pub fn new(code: &[u8]) -> Self {
        Self::made_by(own::factory(), code)
    }

    /// The same, made and paid for by a factory.
    pub fn made_by(factory: Cap<Factory>, code: &[u8]) -> Self {
        let vm = factory.create_vm().unwrap();
        let memory = allocate(PAGE_ORDER + 2);
        for word in 0..4 * PAGE / 8 {
            store(memory + word * 8, 0);
        }
        let machine = Self {
            vm,
            memory,
            vcpus: PhantomData,
        };
        machine.write(CODE, code);
        let all = Flexpage::memory(memory, PAGE_ORDER + 2, MemoryRights::RWX);
        machine.map(all, 0);
        machine
    }

    /// Maps memory of the own task to it.
    pub fn map(&self, flexpage: Flexpage, to: u64) {
        map(*self.vm, flexpage, to);
    }

    /// Writes to its memory.
    pub fn write(&self, address: u64, bytes: &[u8]) {
        for (address, byte) in (self.memory + address..).zip(bytes) {
            let (word, shift) = (address & !7, address % 8 * 8);
            let others = load(word) & !(0xff << shift);
            store(word, others | u64::from(*byte) << shift);
        }
    }

    /// The calling thread as a vCPU of it, at the start of its code.
    pub fn vcpu(&self) -> G {
        let guest = G::new();
        let task = UserTask::new(self.vm.selector());
        guest.vcpu().set_user_task(task);
        guest
    }

    /// Runs it in a thread of its own until it exits.
    pub fn run<R: 'static>(self, look: impl FnOnce(G) -> R + 'static) -> R {
        self.run_prepared(|_| (), look)
    }

    /// Runs what `prepare` makes of it in a thread of its own until it exits.
    pub fn run_prepared<R: 'static>(
        self,
        prepare: impl FnOnce(G) + 'static,
        look: impl FnOnce(G) -> R + 'static,
    ) -> R {
        let worker = spawn(move || {
            let guest = self.vcpu();
            prepare(guest);
            assert_eq!(guest.vcpu().run_guest(&[]), Ok(GuestEnd::Exit));
            look(guest)
        });
        worker.join()
    }
}

/// Maps memory of the own task to a virtual machine.
pub fn map(vm: Cap<Task>, flexpage: Flexpage, to: u64) {
    let control = ItemControl::map(to, ItemFlags::empty());
    vm.map(own::task(), control, flexpage).unwrap();
}

/// A new page of kernel-user memory.
pub fn kernel_user_page() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(UNUSED + 0x3f00_0000);
    let address = NEXT.fetch_add(PAGE, SeqCst);
    let area = Flexpage::memory(address, PAGE_ORDER, MemoryRights::RW);
    own::task().add_kernel_user_memory(area).unwrap();
    address
}

/// Where a vCPU of guests has its state: a page of kernel-user memory of its own.
#[derive(Clone, Copy)]
pub struct State(u64);

impl State {
    /// A new one.
    #[expect(clippy::new_without_default, reason = "it takes a page")]
    pub fn new() -> Self {
        Self(kernel_user_page())
    }

    /// Where it is.
    pub fn address(self) -> usize {
        self.0 as usize
    }

    /// Makes the calling thread the vCPU with this state.
    pub fn enter(self) -> ExtendedVcpu {
        self.enter_for(&Thread::SELF)
    }

    /// Makes `thread` that vCPU.
    pub fn enter_for(self, thread: &Thread) -> ExtendedVcpu {
        thread.vcpu_control_extended(self.0).unwrap();
        // SAFETY: a page of kernel-user memory of its own, which stays.
        unsafe { ExtendedVcpu::new(self.address()) }
    }
}

/// Waits until it is so.
pub fn settle(condition: impl Fn() -> bool) {
    assert!(comes(condition), "it does not come to that");
}

/// An interrupt for a thread.
pub fn irq(thread: Cap<Thread>, label: u64) -> OwnedCap<Irq> {
    let irq = own::factory().create_irq().unwrap();
    irq.bind_thread(thread, label).unwrap();
    irq
}

/// A thread in whose guest `code` counts in its data, less urgent than the runner, until something comes.
pub fn counting<G: Guest, R: 'static>(
    code: &[u8],
    flags: StateFlags,
    look: impl FnOnce(G, GuestEnd) -> R + 'static,
) -> Worker<R> {
    let machine = Machine::new(code);
    let memory = machine.memory;
    let worker = spawn_at(PRIORITY - 1, move || {
        let guest: G = machine.vcpu();
        guest.vcpu().set_saved_state(flags);
        let end = guest.vcpu().run_guest(&[]).unwrap();
        look(guest, end)
    });
    settle(|| load(memory + DATA) != 0);
    worker
}

/// The label of the interrupt that comes for [`interrupted`].
pub const LABEL: u64 = 0x1230;

/// Lets an interrupt come for a thread in whose guest `code` counts.
pub fn interrupted<G: Guest>(
    code: &[u8],
    flags: StateFlags,
    look: impl FnOnce(G, GuestEnd) + 'static,
) {
    let worker = counting(code, flags, look);
    let irq = irq(worker.thread(), LABEL);
    irq.trigger().unwrap();
    worker.join();
}

/// The xorshift* generator.
pub struct Random(pub u64);

impl Random {
    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// One below the limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        (self.number() >> 33) % limit
    }

    /// A number that is more likely than others to be something special.
    pub fn word(&mut self) -> u64 {
        match self.below(5) {
            0 => 1 << self.below(64),
            1 => !(1 << self.below(64)),
            2 => self.below(0x1_0000),
            3 => u64::MAX,
            _ => self.number(),
        }
    }
}

/// Runs what `spoil` makes of a vCPU's state, and random code, so many times, for which the CPU may do anything but
/// harm. Of these runs `exits` must end by an exit; and in the end `calm`, [`Guest::reset`] and the code `end` must
/// make it as good as ever, so that it exits for `reason`.
pub fn run_wild<G: Guest>(
    mut random: Random,
    (rounds, exits): (u64, u64),
    spoil: impl Fn(G, &mut Random) + 'static,
    calm: impl Fn(G) + 'static,
    (end, reason): (&'static [u8], u64),
) {
    static DONE: AtomicBool = AtomicBool::new(false);
    DONE.store(false, SeqCst);
    let machine = Machine::<G>::new(end);
    let worker = spawn_at(PRIORITY - 1, move || {
        let guest = machine.vcpu();
        let mut seen = 0;
        for _ in 0..rounds {
            spoil(guest, &mut random);
            // What it runs, and its interrupt table.
            for word in 0..16 {
                store(machine.memory + CODE + word * 8, random.number());
                store(machine.memory + random.below(0x400) / 8 * 8, random.word());
            }
            match guest.vcpu().run_guest(&[]) {
                Ok(GuestEnd::Exit) => seen += 1,
                Ok(_) => drain(),
                Err(_) => {}
            }
        }
        assert!(seen > exits, "{seen} exits");
        calm(guest);
        guest.reset();
        machine.write(CODE, end);
        let mut result = GuestEnd::Pending;
        while result == GuestEnd::Pending {
            drain();
            result = guest.vcpu().run_guest(&[]).unwrap();
        }
        assert_eq!((result, guest.exit()), (GuestEnd::Exit, reason));
        DONE.store(true, SeqCst);
    });
    // No guest runs for ever.
    let alarm = irq(worker.thread(), 0x10);
    while !DONE.load(SeqCst) {
        ipc::sleep(Duration::from_micros(500));
        alarm.trigger().unwrap();
        suite::is_alive();
    }
    worker.join();
}

/// How many times as many wild states as usual there shall be, and a generator for them. Whoever started the test is
/// asked.
pub fn ask_for_wild(start: u64) -> (u64, Random) {
    let question = "how many times as many wild states, from which seed?";
    let [times, seed] = console::ask(question, [1, 0]);
    console::print(format_args!("{times} times as many, seed {seed}"));
    (times, Random(start.wrapping_add(seed)))
}

/// Takes all messages that wait.
fn drain() {
    while ipc::wait(TimeoutPair::RECEIVE_ZERO).is_ok() {}
}
