//! All registers of a thread after each kind of stay in the kernel. What they are at the first
//! instruction of a thread is tested in `thread`, those of a vCPU's user mode in `vcpu`.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use core::time::Duration;

use l4_test::abi::flexpage::{Flexpage, Space};
use l4_test::abi::item::{ItemControl, ItemFlags, MapItem};
use l4_test::abi::message_tag::MessageTag;
use l4_test::abi::operation::Operation;
use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::protocol::thread::{ExRegsFlags, Opcode};
use l4_test::abi::protocol::{label, task};
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::timeout::{Timeout, TimeoutPair};
use l4_test::abi::vcpu::StateFlags;
use l4_test::memory::{PAGE_ORDER, UNUSED, allocate};
use l4_test::message::{wait, word};
use l4_test::suite::PRIORITY;
use l4_test::sys::object::Thread;
use l4_test::sys::vcpu::Vcpu;
use l4_test::sys::{Object, Selector, Utcb, ipc};
use l4_test::worker::settle;
use l4_test::{Message, Worker, own, spawn, spawn_on};

use crate::arch;
use crate::probe::{Probe, Results, kernel_user_page};

/// A slot that is always empty.
const EMPTY: Selector = Selector::new(0);
/// The calling thread.
const ITSELF: Selector = Selector::INVALID;

fn nothing() {}

/// What `server` answers: this tag and label.
const ANSWER: MessageTag = MessageTag::words_only(5, 2);
const ANSWER_LABEL: u64 = 0x77;

fn answer() {
    Message::new(ANSWER.label())
        .words(&[1, 2])
        .send_label(ANSWER_LABEL)
        .reply();
}

fn cpus() -> u32 {
    own::scheduler().info().unwrap().cpus.count_ones()
}

pub(crate) fn after_a_send_to_nobody() {
    let tag = MessageTag::EMPTY;
    let probe = Probe::calling(EMPTY, Operation::SEND, tag, TimeoutPair::NEVER, nothing);
    probe.go();
    probe.check_small_results();
}

pub(crate) fn after_an_operation_on_a_kernel_object() {
    let prepare = || {
        let valid = task::Opcode::CapabilityInfo.word();
        Utcb::current().set_messages(&[valid, own::task().selector().raw()]);
    };
    let tag = MessageTag::words_only(label::TASK, 2);
    let task = own::task().selector();
    let probe = Probe::calling(task, Operation::CALL, tag, TimeoutPair::NEVER, prepare);
    probe.go();
    probe.check_small_results();
}

pub(crate) fn after_an_operation_on_a_thread() {
    let prepare = || Utcb::current().set_messages(&[Opcode::StatsTime.word()]);
    let tag = MessageTag::words_only(label::THREAD, 1);
    let probe = Probe::calling(ITSELF, Operation::CALL, tag, TimeoutPair::NEVER, prepare);
    probe.go();
    probe.check_small_results();
}

fn call(server: Worker<()>) {
    let tag = MessageTag::words_only(0, 2);
    let server = server.selector();
    let probe = Probe::calling(server, Operation::CALL, tag, TimeoutPair::NEVER, nothing);
    for _ in 0..3 {
        probe.go();
        probe.check_results(Results {
            tag: ANSWER,
            label: ANSWER_LABEL,
        });
    }
}

fn serve() {
    loop {
        wait();
        answer();
    }
}

pub(crate) fn after_a_call_of_another_thread() {
    call(spawn(serve));
}

pub(crate) fn after_a_call_of_another_cpu() {
    call(spawn_on(cpus() - 1, serve));
}

pub(crate) fn after_a_message_that_came_later() {
    let tag = MessageTag::EMPTY;
    let probe = Probe::calling(ITSELF, Operation::WAIT, tag, TimeoutPair::NEVER, nothing);
    probe.go();
    settle();
    let message = Message::new(ANSWER.label()).words(&[1, 2]);
    let sent = message
        .send_label(ANSWER_LABEL)
        .send(*probe.worker().thread());
    assert!(sent.came());
    probe.check_results(Results {
        tag: ANSWER,
        label: ANSWER_LABEL,
    });
}

pub(crate) fn after_a_timeout() {
    for micros in [0, 300] {
        let timeout = match micros {
            0 => Timeout::ZERO,
            micros => Timeout::from_micros(micros),
        };
        let timeouts = TimeoutPair::new(Timeout::NEVER, timeout);
        let thread = own::thread().selector();
        let tag = MessageTag::EMPTY;
        let probe = Probe::calling(thread, Operation::RECEIVE, tag, timeouts, nothing);
        probe.go();
        probe.check_small_results();
    }
}

pub(crate) fn after_a_cancelled_wait() {
    let tag = MessageTag::EMPTY;
    let probe = Probe::calling(ITSELF, Operation::WAIT, tag, TimeoutPair::NEVER, nothing);
    probe.go();
    settle();
    let thread = probe.worker().thread();
    thread.ex_regs(None, None, ExRegsFlags::CANCEL).unwrap();
    probe.check_small_results();
}

pub(crate) fn after_a_page_fault() {
    let page = allocate(PAGE_ORDER);
    let mut probe = Probe::new(arch::touch, nothing);
    arch::set_argument(&mut probe.before, UNUSED);
    probe.go();
    let fault = wait();
    assert_eq!(fault.tag.label(), label::PAGE_FAULT);
    assert_eq!(word(0) & !7, UNUSED);
    let item = MapItem {
        control: ItemControl::map(UNUSED, ItemFlags::empty()),
        space: Space::Memory,
        ..MapItem::memory(page, PAGE_ORDER, MemoryRights::RW)
    };
    assert!(Message::new(0).item(item).reply().came());
    probe.check();
    let there = Flexpage::memory(UNUSED, PAGE_ORDER, MemoryRights::RWX);
    own::task().unmap(there, UnmapMask::ALL_SPACES).unwrap();
}

pub(crate) fn after_a_trap_for_the_fpu() {
    let probe = Probe::new(arch::use_fpu, nothing);
    // The runner has the FPU now.
    arch::fill_fpu();
    probe.go();
    probe.check();
}

/// Runs until it is stored to.
static FLAG: AtomicU64 = AtomicU64::new(0);

fn spinning() -> Probe {
    FLAG.store(0, SeqCst);
    let mut probe = Probe::new(arch::spin, nothing);
    arch::set_argument(&mut probe.before, FLAG.as_ptr() as u64);
    probe.go();
    probe
}

/// Ends [`spinning`], which reads the value that it has in the register already.
fn release(probe: &Probe) {
    FLAG.store(arch::spin_register(&probe.before), SeqCst);
}

pub(crate) fn after_preemption() {
    let probe = spinning();
    // Each time the runner wakes up it is interrupted.
    for _ in 0..20 {
        ipc::sleep(Duration::from_micros(300));
    }
    release(&probe);
    probe.check();
}

pub(crate) fn after_a_move_to_another_cpu() {
    let probe = spinning();
    for turn in 0..8 {
        let cpu = CpuSet::single(turn % cpus());
        let thread = probe.worker().thread();
        own::scheduler()
            .run_thread(thread, cpu, PRIORITY - 1, 0)
            .unwrap();
        ipc::sleep(Duration::from_micros(300));
    }
    release(&probe);
    probe.check();
}

pub(crate) fn in_a_triggered_exception() {
    let probe = spinning();
    ipc::sleep(Duration::from_millis(1));
    let thread = probe.worker().thread();
    let flags = ExRegsFlags::TRIGGER_EXCEPTION;
    thread.ex_regs(None, None, flags).unwrap();
    probe.check_spinning();
}

/// The entry point raises an exception at once, which shows the registers.
pub(crate) fn at_the_entry_of_a_vcpu() {
    let entry = arch::undefined as *const () as u64;
    let state = kernel_user_page();
    FLAG.store(0, SeqCst);
    let mut probe = Probe::new(arch::spin, move || {
        Thread::SELF.vcpu_control(state).unwrap();
        // SAFETY: a page of kernel-user memory of its own, which stays.
        let vcpu = unsafe { Vcpu::new(state as usize) };
        vcpu.set_entry_instruction(entry);
        vcpu.set_state(StateFlags::IRQ);
    });
    arch::set_argument(&mut probe.before, FLAG.as_ptr() as u64);
    probe.go();
    ipc::sleep(Duration::from_millis(1));
    assert!(Message::new(1).send(*probe.worker().thread()).came());
    let frame = probe.await_exception();
    arch::check_entry(&frame, entry, probe.before.stack_pointer(), state);
}
