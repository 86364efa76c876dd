//! Guests in a PC's real mode, under SVM or VMX: what is the same for both.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use core::time::Duration;

use l4_abi::flexpage::Flexpage;
use l4_abi::protocol::scheduler::CpuSet;
use l4_abi::protocol::task::UnmapMask;
use l4_abi::rights::MemoryRights;
use l4_abi::timeout::TimeoutPair;
use l4_abi::vcpu::{StateFlags, StickyFlags, UserTask};
use l4_sys::vcpu::GuestEnd;
use l4_sys::{Object, ipc};

use crate::guest::{
    AFTER, CODE, DATA, GUEST, Guest, LABEL, Machine, NOTHING, STACK, interrupted, irq, settle,
};
use crate::memory::{PAGE_ORDER, allocate, load, store};
use crate::suite::PRIORITY;
use crate::worker::current;
use crate::{Worker, own, spawn, spawn_at, spawn_on};

/// `hlt`.
pub const HALT: &[u8] = &[0xf4];
/// `inc word [DATA]; jmp back`.
pub const COUNT: &[u8] = &[0xff, 0x06, 0x00, 0x20, 0xeb, 0xfa];
/// `inc word [DATA]; cli; jmp back`: interrupts are masked.
pub const COUNT_MASKED: &[u8] = &[0xff, 0x06, 0x00, 0x20, 0xfa, 0xeb, 0xf9];

/// More CPUs than machines of tests have.
const CPUS_MAX: usize = 64;

/// A vCPU in real mode.
pub trait Pc: Guest {
    /// What it exits with if the host is interrupted; if it halts; if a page is missing.
    const INTERRUPT: u64;
    /// See [`Self::INTERRUPT`].
    const HALTED: u64;
    /// See [`Self::INTERRUPT`].
    const PAGE_FAULT: u64;

    /// Goes on there.
    fn go_to(self, address: u64);

    /// Its flags.
    fn flags(self) -> u64;

    /// Where the page is missing, guest-physical.
    fn missing(self) -> u64;

    /// Its accumulator.
    fn ax(self) -> u64;
}

/// The last CPU: another one than the runner's, if there is any.
fn last_cpu() -> u32 {
    own::scheduler().info().unwrap().cpus.count_ones() - 1
}

/// A message has ended the run, and waits.
pub fn check_pending<G: Pc>(guest: G, end: GuestEnd) {
    assert_eq!((end, guest.exit()), (GuestEnd::Pending, G::INTERRUPT));
    assert_eq!(guest.vcpu().saved_state(), GUEST);
    assert_eq!(guest.vcpu().sticky_flags(), StickyFlags::IRQ_PENDING);
}

/// Takes it.
pub fn fetch<G: Pc>(guest: G) {
    let arrival = ipc::wait(TimeoutPair::RECEIVE_ZERO).expect("a message waits");
    assert_eq!(arrival.label, LABEL);
    assert_eq!(guest.vcpu().sticky_flags(), StickyFlags::empty());
}

/// Such a guest runs until a message comes, and is not run before that is taken.
pub fn a_message_ends_the_run<G: Pc>() {
    interrupted(COUNT, GUEST, |guest: G, end| {
        check_pending(guest, end);
        for _ in 0..3 {
            check_pending(guest, guest.run());
        }
        fetch(guest);
    });
}

/// So does one that masks interrupts.
pub fn a_message_ends_the_run_of_a_guest_that_masks_interrupts<G: Pc>() {
    interrupted(COUNT_MASKED, GUEST, |guest: G, end| {
        check_pending(guest, end);
        assert_eq!(guest.flags() & 1 << 9, 0);
        fetch(guest);
    });
}

/// A vCPU that takes messages is entered.
pub fn a_message_enters_if_the_flag_says_so<G: Pc>() {
    let flags = GUEST | StateFlags::IRQ;
    interrupted(COUNT, flags, move |guest: G, end| {
        let vcpu = guest.vcpu();
        assert_eq!((end, vcpu.state()), (GuestEnd::Entered, AFTER));
        assert_eq!(vcpu.saved_state(), flags);
        assert_eq!(vcpu.message().label, LABEL);
        assert_eq!(vcpu.sticky_flags(), StickyFlags::empty());
    });
}

/// Two guests and a native thread share a CPU.
pub fn a_guest_that_spins_takes_turns_with_others<G: Pc>() {
    static TURNS: AtomicU64 = AtomicU64::new(0);
    TURNS.store(0, SeqCst);
    let machines = [(); 2].map(|()| Machine::<G>::new(COUNT));
    let memories = [0, 1].map(|index: usize| machines[index].memory + DATA);
    let guests = machines.map(|machine| {
        spawn_at(PRIORITY - 1, move || {
            machine.vcpu().run();
        })
    });
    let native: Worker<()> = spawn_at(PRIORITY - 1, || {
        loop {
            TURNS.fetch_add(1, SeqCst);
        }
    });
    // All on this CPU, with short time slices.
    for thread in guests.iter().map(Worker::thread).chain([native.thread()]) {
        own::scheduler()
            .run_thread(thread, CpuSet::single(0), PRIORITY - 1, 1000)
            .unwrap();
    }
    let turns = || [TURNS.load(SeqCst), load(memories[0]), load(memories[1])];
    for _ in 0..3 {
        let before = turns();
        settle(|| turns().iter().zip(before).all(|(now, then)| *now != then));
    }
    for worker in guests {
        let irq = irq(worker.thread(), 0);
        irq.trigger().unwrap();
        worker.join();
    }
}

/// The FPU's registers are not the guest's own.
pub fn floating_point_registers_are_the_threads<G: Pc>() {
    // movd mm0, ebx; movd edx, mm1; hlt
    let machine = Machine::<G>::new(&[0x0f, 0x6e, 0xc3, 0x0f, 0x7e, 0xca, 0xf4]);
    let worker = spawn(move || {
        let (guest, value) = (machine.vcpu(), 0x1234_5678_u64);
        let mut registers = guest.vcpu().registers();
        registers.rbx = 1;
        guest.vcpu().set_registers(registers);
        // SAFETY: the program has no FPU registers of its own.
        unsafe { asm!("movq mm1, {}", in(reg) value) };
        assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, G::HALTED));
        assert_eq!(guest.vcpu().registers().rdx, value);
        let first: u64;
        // SAFETY: as above.
        unsafe { asm!("movq {}, mm0", "emms", out(reg) first) };
        assert_eq!(first, 1);
    });
    worker.join();
}

/// One vCPU goes from one machine to the other, without a change of its registers.
pub fn each_machine_has_its_own_memory<G: Pc>() {
    let worker = spawn(|| {
        let machines = [0x1111, 0x2222, 0x3333].map(|number| {
            // mov ax, [DATA]; hlt
            let machine = Machine::<G>::new(&[0xa1, 0x00, 0x20, 0xf4]);
            store(machine.memory + DATA, number);
            (machine, number)
        });
        let guest = G::new();
        for (machine, number) in machines.iter().cycle().take(12) {
            let task = UserTask::new(machine.vm.selector());
            guest.vcpu().set_user_task(task);
            guest.reset();
            assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, G::HALTED));
            assert_eq!(guest.ax(), *number);
        }
    });
    worker.join();
}

/// A page that its guest uses on another CPU.
pub fn a_page_is_taken_away_while_the_guest_runs<G: Pc>() {
    let machine = Machine::<G>::new(COUNT);
    let memory = machine.memory;
    let worker = spawn_on(last_cpu(), move || {
        let guest = machine.vcpu();
        assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, G::PAGE_FAULT));
        assert_eq!(guest.missing(), DATA);
    });
    settle(|| load(memory + DATA) != 0);
    let page = Flexpage::memory(memory + DATA, PAGE_ORDER, MemoryRights::RWX);
    own::task().unmap(page, UnmapMask::OTHER_SPACES).unwrap();
    let last = load(memory + DATA);
    worker.join();
    let now = load(memory + DATA);
    assert_eq!(now, last, "nothing is written after the unmap");
}

/// Two vCPUs, on two CPUs if there are.
pub fn vcpus_of_a_machine_share_its_memory<G: Pc>() {
    // The first one writes 1 and waits for 2; the second one waits for 1 and writes 2.
    // movb [DATA], 1; cmpb [DATA], 2; jne back; hlt
    const FIRST: &[u8] = &[
        0xc6, 0x06, 0x00, 0x20, 0x01, 0x80, 0x3e, 0x00, 0x20, 0x02, 0x75, 0xf9, 0xf4,
    ];
    // cmpb [DATA], 1; jne back; movb [DATA], 2; hlt
    const SECOND: &[u8] = &[
        0x80, 0x3e, 0x00, 0x20, 0x01, 0x75, 0xf9, 0xc6, 0x06, 0x00, 0x20, 0x02, 0xf4,
    ];
    const OTHER_CODE: u64 = STACK - 0x800;
    let machine = Machine::<G>::new(FIRST);
    machine.write(OTHER_CODE, SECOND);
    let task = UserTask::new(machine.vm.selector());
    let start = move |cpu, code: Option<u64>| {
        spawn_on(cpu, move || {
            let guest = G::new();
            guest.vcpu().set_user_task(task);
            code.into_iter().for_each(|code| guest.go_to(code));
            assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, G::HALTED));
        })
    };
    let other = start(last_cpu(), Some(OTHER_CODE));
    start(0, None).join();
    other.join();
    drop(machine);
}

/// A machine on each CPU. Each guest waits in its machine until all have come, so all run at the same time.
pub fn guests_run_on_all_cpus_at_once<G: Pc>() {
    let shared = allocate(PAGE_ORDER);
    store(shared, 0);
    let [low, high, ..] = NOTHING.to_le_bytes();
    let all = last_cpu() as u8 + 1;
    let mut workers = [const { None }; CPUS_MAX];
    // The own CPU comes last: this thread goes on when that one's guest has.
    for (place, cpu) in workers.iter_mut().zip((0..=last_cpu()).rev()) {
        // mov ax, CPU; lock incb [NOTHING]; cmpb [NOTHING], ALL; jne back; hlt
        let code = [
            0xb8, cpu as u8, 0x55, 0xf0, 0xfe, 0x06, low, high, 0x80, 0x3e, low, high, all, 0x75,
            0xf9, 0xf4,
        ];
        let machine = Machine::<G>::new(&code);
        let page = Flexpage::memory(shared, PAGE_ORDER, MemoryRights::RW);
        machine.map(page, NOTHING);
        *place = Some(spawn_on(cpu, move || {
            let guest = machine.vcpu();
            assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, G::HALTED));
            assert_eq!(guest.ax() & 0xffff, 0x5500 | u64::from(cpu));
        }));
    }
    workers.into_iter().flatten().for_each(Worker::join);
}

/// The virtual machine goes first.
pub fn a_machine_ends_while_its_guest_runs<G: Pc>() {
    let machine = Machine::<G>::new(COUNT);
    let memory = machine.memory;
    let task = UserTask::new(machine.vm.selector());
    let worker = spawn_on(last_cpu(), move || {
        let guest = G::new();
        guest.vcpu().set_user_task(task);
        assert_eq!(guest.run(), GuestEnd::Exit);
        guest.exit()
    });
    settle(|| load(memory + DATA) != 0);
    drop(machine);
    // All its memory has gone.
    assert_eq!(worker.join(), G::PAGE_FAULT);
}

/// The vCPU goes first.
pub fn a_thread_ends_while_its_guest_runs<G: Pc>() {
    for _ in 0..5 {
        let machine = Machine::<G>::new(COUNT);
        let memory = machine.memory;
        let worker = spawn_on(last_cpu(), move || machine.vcpu().run());
        settle(|| load(memory + DATA) != 0);
        drop(worker);
        let last = load(memory + DATA);
        ipc::sleep(Duration::from_millis(2));
        assert_eq!(load(memory + DATA), last);
    }
    // The CPU is free for others.
    spawn_on(last_cpu(), || Machine::<G>::new(HALT).vcpu().run()).join();
}

/// One that goes from CPU to CPU finds its registers there.
pub fn a_vcpu_moves_with_its_registers<G: Pc>() {
    // inc bx; hlt
    let machine = Machine::<G>::new(&[0x43, 0xf4]);
    let worker = spawn_on(0, move || {
        let guest = machine.vcpu();
        for round in 0..10 {
            let cpu = if round % 2 == 0 { 0 } else { last_cpu() };
            own::scheduler()
                .run_thread(current(), CpuSet::single(cpu), PRIORITY, 0)
                .unwrap();
            let mut registers = guest.vcpu().registers();
            assert_eq!(registers.rbx, round);
            registers.rdx = round;
            guest.vcpu().set_registers(registers);
            guest.go_to(CODE);
            assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, G::HALTED));
            assert_eq!(guest.vcpu().registers().rdx, round);
        }
    });
    worker.join();
}
