//! Programs at EL1, by ex_regs (`abi/05`). They make system calls with `hvc`.

use core::arch::naked_asm;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::error::ResultCode;
use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::protocol::thread::ExRegsFlags;
use l4_test::guest::State;
use l4_test::long_operation::LongOperation;
use l4_test::sys::object::{Control, Thread};
use l4_test::sys::{Cap, Object, OwnedCap, Utcb};
use l4_test::worker::{comes, settle};
use l4_test::{own, refused, spawn, spawn_on};

use super::code;
use super::machine::{Machine, VirtualCpu};

/// The levels in ex_regs' flags.
const AT_EL0: u64 = 1 << 24;
const AT_EL1: u64 = 2 << 24;
/// CurrentEL at EL1.
const CURRENT_EL1: u64 = 1 << 2;
/// Of a message tag: the system call failed.
const FAILED: u64 = 1 << 15;

macro_rules! program {
    ($($(#[$doc:meta])* $name:ident: $($line:literal),+ $(=> $operand:ident)?;)*) => {
        $(
            $(#[$doc])*
            #[unsafe(naked)]
            extern "C" fn $name() {
                naked_asm!(
                    $($line,)+
                    // Waits for itself, for ever.
                    "2:", "mov x0, xzr", "mov x2, #-2046", "mov x3, xzr", "hvc #0", "b 2b",
                    $($operand = sym $operand,)?
                )
            }
        )*
    };
}

program! {
    /// Stores its level, and the tag of a wait that fails at once.
    tell: "mov x0, xzr", "mov x2, #-2046", "mov x3, #0x400", "hvc #0", "mrs x1, currentel",
        "stp x1, x0, [sp]";
    /// Stores what it finds in registers of EL1, and leaves something there.
    look: "mrs x1, vbar_el1", "mrs x2, tpidr_el1", "stp x1, x2, [sp]", "mov x1, #0x8000",
        "msr vbar_el1, x1", "msr tpidr_el1, x1", "msr elr_el1, x1", "msr ttbr0_el1, x1",
        "mrs x1, sctlr_el1", "orr x1, x1, #1", "msr sctlr_el1, x1", "isb", "mov x1, #1",
        "str x1, [sp, #16]";
    /// Runs the guest; a tag comes only with an error.
    resume: "mrs x5, tpidrro_el0", "mov x4, #4", "str x4, [x5]", "mov x0, #1",
        "movk x0, #0xfff4, lsl #16", "movk x0, #0xffff, lsl #32", "movk x0, #0xffff, lsl #48",
        "mov x2, #-2045", "mov x3, xzr", "hvc #0", "str x0, [sp]";
    /// The same, with another value in one of the guest's registers.
    change_and_resume: "mov x1, #0x10000", "msr vbar_el1, x1", "b {resume}" => resume;
    /// Where the guest comes out: stores what that has, and the own level.
    entry: "mrs x1, vbar_el1", "mrs x2, currentel", "stp x1, x2, [sp]";
}

/// What a program stores where its stack pointer is.
#[repr(align(16))]
struct Dump([AtomicU64; 4]);

impl Dump {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 4])
    }

    fn address(&self) -> u64 {
        self.0.as_ptr() as u64
    }

    fn words(&self) -> [u64; 4] {
        core::array::from_fn(|index| self.0[index].load(SeqCst))
    }
}

/// The last UTCB of the runner's page, which nobody uses.
fn spare_utcb() -> usize {
    Utcb::current().address() + 3 * 1024
}

/// A thread that does not run yet.
fn thread(utcb: usize) -> OwnedCap<Thread> {
    let thread = own::factory().create_thread().unwrap();
    let control = Control {
        pager: Some(own::pager().selector()),
        bind: Some((own::task(), utcb)),
        ..Control::default()
    };
    thread.control(control).unwrap();
    thread
}

/// Its next instruction and stack, and its level or 0; what the flags were.
fn set(thread: &Thread, program: extern "C" fn(), dump: &Dump, level: u64) -> u64 {
    let flags = ExRegsFlags::from_bits_retain(level) | ExRegsFlags::CANCEL;
    let program = Some(program as *const () as u64);
    let registers = thread.ex_regs(program, Some(dump.address()), flags);
    registers.unwrap().flags
}

fn run(thread: Cap<Thread>) {
    own::scheduler()
        .run_thread(thread, CpuSet::ALL, 101, 0)
        .unwrap();
    settle();
}

pub(crate) fn a_program_can_be_at_el1() {
    let (thread, dump) = (thread(spare_utcb()), Dump::new());
    assert_eq!(set(&thread, tell, &dump, AT_EL1), AT_EL0);
    run(thread.as_cap());
    let [level, tag, ..] = dump.words();
    assert_eq!((level, tag & FAILED), (CURRENT_EL1, FAILED));
    // It stays there until it is told otherwise.
    assert_eq!(set(&thread, tell, &dump, 0), AT_EL1);
    assert_eq!(set(&thread, tell, &dump, AT_EL0), AT_EL1);
    assert_eq!(set(&thread, tell, &dump, AT_EL1), AT_EL0);
}

pub(crate) fn a_program_goes_to_el1_in_the_middle_of_an_operation() {
    static ROUNDS: AtomicU64 = AtomicU64::new(0);
    if own::scheduler().info().unwrap().cpus.count_ones() < 2 {
        return;
    }
    let busy = spawn_on(1, || {
        let operation = LongOperation::new();
        while ROUNDS.fetch_add(1, SeqCst) < u64::MAX {
            operation.run();
        }
    });
    assert!(comes(|| ROUNDS.load(SeqCst) > 0));
    let dump = Dump::new();
    set(&busy.thread(), tell, &dump, AT_EL1);
    assert!(comes(|| dump.words()[0] == CURRENT_EL1));
}

pub(crate) fn programs_at_el1_find_nothing_of_guests_and_leave_nothing() {
    let machine = Machine::new();
    let (value, utcb) = (machine.page & !0x7ff, spare_utcb());
    let guest = spawn(move || {
        let cpu = machine.vcpu(code::keep, value);
        cpu.run_to_call();
        for _ in 0..2 {
            let (thread, dump) = (thread(utcb), Dump::new());
            set(&thread, look, &dump, AT_EL1);
            run(thread.as_cap());
            assert_eq!(dump.words(), [0, 0, 1, 0]);
        }
        cpu.run_to_call().1
    });
    assert_eq!(guest.join()[1..4], [value; 3]);
}

pub(crate) fn a_vmm_at_el1_reaches_the_registers_of_its_guest() {
    let (machine, thread, dump) = (Machine::new(), thread(spare_utcb()), Dump::new());
    let value = machine.page & !0x7ff;
    machine.map_code(code::keep);
    set(&thread, resume, &dump, AT_EL1);
    let state = State::new().enter_for(&thread);
    let cpu = VirtualCpu::of(state, &machine.task, code::keep, value);
    assert_eq!(cpu.guest.all().host_hcr & 1 << 27, 0);
    cpu.vcpu.set_entry_instruction(entry as *const () as u64);
    cpu.vcpu.set_entry_stack(dump.address());
    run(thread.as_cap());
    assert_eq!(dump.words(), [value, CURRENT_EL1, 0, 0]);
    // It cannot go elsewhere any more.
    let refused = refused(ResultCode::EINVAL);
    for level in [AT_EL0, AT_EL1] {
        let flags = ExRegsFlags::from_bits_retain(level);
        assert_eq!(thread.ex_regs(None, None, flags).map(|_| 0), refused);
    }
    cpu.skip();
    set(&thread, change_and_resume, &dump, 0);
    settle();
    assert_eq!(dump.words(), [0x10000, CURRENT_EL1, 0, 0]);
    let x = cpu.vcpu.registers().x;
    assert_eq!(x[1..4], [value, 0x10000, value]);
}
