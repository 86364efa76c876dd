//! Entries from the vCPU's kernel mode, which is the program itself.

use core::cell::Cell;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags};
use l4_test::abi::protocol::label;
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::timeout::Timeout;
use l4_test::abi::vcpu::{StateFlags, StickyFlags};
use l4_test::fault::spawn_paged;
use l4_test::memory::{PAGE, PAGE_ORDER, UNUSED, allocate, load};
use l4_test::message::{wait, wait_for};
use l4_test::suite::PRIORITY;
use l4_test::sys::vcpu::Vcpu;
use l4_test::worker::current;
use l4_test::{Message, own, spawn, spawn_at};

use crate::arch::{self, Access};
use crate::guest::{Entry, kernel_user_page, new_vcpu};
use crate::message::irq;

/// Runs `body` in the calling thread, which is `vcpu`; each entry goes to `handler`, and then back
/// to where it came from.
fn with_entries(vcpu: Vcpu, mut handler: impl FnMut(Vcpu), body: impl FnOnce()) {
    let mut handler: &mut dyn FnMut(Vcpu) = &mut handler;
    vcpu.set_user_data(0, &raw mut handler as u64);
    vcpu.set_entry_instruction(arch::entry as *const () as u64);
    body();
    vcpu.set_state(StateFlags::empty());
}

/// What [`arch::entry`] calls.
pub(crate) extern "C" fn entered(address: usize) -> ! {
    // SAFETY: the kernel passes the address of the state.
    let vcpu = unsafe { Vcpu::new(address) };
    // SAFETY: `with_entries` is on this thread's stack, further up, and has put it there.
    let handler = unsafe { &mut *(vcpu.user_data(0) as *mut &mut dyn FnMut(Vcpu)) };
    handler(vcpu);
    // SAFETY: back to where it was interrupted.
    let result = unsafe { vcpu.resume(&[]) };
    panic!("the resume fails: {result:?}");
}

/// Checks what all entries from kernel mode have in common.
fn check(vcpu: Vcpu, state: StateFlags) {
    assert_eq!(vcpu.state(), StateFlags::empty());
    assert_eq!(vcpu.saved_state(), state);
    assert_eq!(vcpu.reserved_stack(), vcpu.registers().stack_pointer());
}

pub(crate) fn an_exception_enters() {
    let worker = spawn(|| {
        let vcpu = new_vcpu();
        let entries = Cell::new(0);
        let handler = |vcpu: Vcpu| {
            let mut registers = vcpu.registers();
            assert!(arch::is_undefined(&registers));
            check(vcpu, StateFlags::EXCEPTIONS);
            let next = registers.instruction_pointer() + arch::INSTRUCTION;
            arch::set_instruction_pointer(&mut registers, next);
            vcpu.set_registers(registers);
            entries.set(entries.get() + 1);
        };
        with_entries(vcpu, handler, || {
            vcpu.set_state(StateFlags::EXCEPTIONS);
            assert!(arch::keeps_registers(arch::undefined_and_return));
            assert!(arch::keeps_registers(arch::undefined_and_return));
        });
        entries.get()
    });
    assert_eq!(worker.join(), 2);
}

pub(crate) fn a_page_fault_enters() {
    let page = allocate(PAGE_ORDER);
    let worker = spawn(move || {
        let vcpu = new_vcpu();
        let handler = |vcpu: Vcpu| {
            let registers = vcpu.registers();
            assert!(
                arch::is_page_fault(&registers, Access::Read, UNUSED + 8),
                "{registers:?}"
            );
            check(vcpu, StateFlags::PAGE_FAULTS);
            let control = ItemControl::map(UNUSED, ItemFlags::empty());
            let flexpage = Flexpage::memory(page, PAGE_ORDER, MemoryRights::RW);
            own::task().map(own::task(), control, flexpage).unwrap();
        };
        l4_test::memory::store(page + 8, 55);
        with_entries(vcpu, handler, || {
            vcpu.set_state(StateFlags::PAGE_FAULTS);
            assert_eq!(load(UNUSED + 8), 55);
        });
    });
    worker.join();
    unmap(UNUSED);
}

fn unmap(address: u64) {
    use l4_test::abi::protocol::task::UnmapMask;
    let flexpage = Flexpage::memory(address, PAGE_ORDER, MemoryRights::RWX);
    own::task().unmap(flexpage, UnmapMask::ALL_SPACES).unwrap();
}

pub(crate) fn an_own_interrupt_enters_behind_its_trigger() {
    let worker = spawn(|| {
        let vcpu = new_vcpu();
        let label = Cell::new(0);
        let handler = |vcpu: Vcpu| {
            assert!(arch::is_message(&vcpu.registers()));
            check(vcpu, StateFlags::IRQ);
            label.set(vcpu.message().label);
        };
        with_entries(vcpu, handler, || {
            let irq = irq(current(), 0x90);
            vcpu.set_state(StateFlags::IRQ);
            irq.trigger().unwrap();
            assert_eq!(label.get(), 0x90);
            assert_eq!(vcpu.state(), StateFlags::IRQ);
        });
    });
    worker.join();
}

static ENTERED: AtomicBool = AtomicBool::new(false);

pub(crate) fn an_interrupt_of_others_enters() {
    ENTERED.store(false, SeqCst);
    let address = kernel_user_page();
    // SAFETY: a page of kernel-user memory, which stays.
    let vcpu = unsafe { Vcpu::new(address as usize) };
    let worker = spawn_at(PRIORITY - 1, move || {
        current().vcpu_control(address).unwrap();
        let handler = |vcpu: Vcpu| {
            assert!(arch::is_message(&vcpu.registers()));
            check(vcpu, StateFlags::IRQ);
            assert_eq!(vcpu.message().label, 0x80);
            vcpu.set_saved_state(StateFlags::empty());
            ENTERED.store(true, SeqCst);
        };
        with_entries(vcpu, handler, || {
            vcpu.set_state(StateFlags::IRQ);
            while !ENTERED.load(SeqCst) {
                core::hint::spin_loop();
            }
            // Gone on exactly there.
            assert_eq!(vcpu.state(), StateFlags::empty());
        });
    });
    crate::guest::settle(|| vcpu.state() == StateFlags::IRQ);
    let irq = irq(worker.thread(), 0x80);
    irq.trigger().unwrap();
    worker.join();
}

pub(crate) fn the_flag_alone_chooses_the_stack() {
    let worker = spawn(|| {
        let vcpu = new_vcpu();
        let stack = allocate(PAGE_ORDER) + PAGE;
        vcpu.set_entry_stack(stack);
        let seen = Cell::new(false);
        let handler = |vcpu: Vcpu| {
            let here = 0_u8;
            let place = &raw const here as u64;
            assert!((stack - PAGE..stack).contains(&place), "{place:#x}");
            assert_eq!(vcpu.reserved_stack(), stack);
            assert_eq!(vcpu.saved_state(), StateFlags::IRQ | StateFlags::USER_MODE);
            vcpu.set_saved_state(StateFlags::empty());
            seen.set(true);
        };
        with_entries(vcpu, handler, || {
            let irq = irq(current(), 0x90);
            vcpu.set_state(StateFlags::IRQ | StateFlags::USER_MODE);
            irq.trigger().unwrap();
            assert!(seen.get());
        });
    });
    worker.join();
}

pub(crate) fn system_calls_stay_system_calls() {
    let worker = spawn(|| {
        let vcpu = new_vcpu();
        with_entries(
            vcpu,
            |_| panic!("it enters"),
            || {
                vcpu.set_state(StateFlags::ENTRY);
                assert!(current().time().is_ok());
                assert_eq!(vcpu.state(), StateFlags::ENTRY);
            },
        );
    });
    worker.join();
}

pub(crate) fn who_receives_gets_messages_the_normal_way() {
    let worker = spawn(|| {
        let vcpu = new_vcpu();
        let labels = Cell::new([0; 2]);
        with_entries(
            vcpu,
            |_| panic!("it enters"),
            || {
                let irq = irq(current(), 0xa0);
                irq.trigger().unwrap();
                vcpu.set_state(StateFlags::IRQ);
                let queued = wait_for(Timeout::ZERO).label;
                let sent = wait_for(Timeout::NEVER).label;
                labels.set([queued, sent]);
                assert_eq!(vcpu.message().label, 0);
            },
        );
        labels.get()
    });
    Message::new(1).send_label(0xb0).send(*worker.thread());
    assert_eq!(worker.join(), [0xa0, 0xb0]);
}

pub(crate) fn messages_are_held_while_a_fault_is_reported() {
    let address = kernel_user_page();
    // SAFETY: a page of kernel-user memory, which stays.
    let vcpu = unsafe { Vcpu::new(address as usize) };
    let worker = spawn_paged(move || {
        current().vcpu_control(address).unwrap();
        let label = Cell::new(0);
        with_entries(
            vcpu,
            |vcpu| label.set(vcpu.message().label),
            || {
                vcpu.set_state(StateFlags::IRQ);
                arch::undefined_and_return();
                let after = vcpu.state();
                assert_eq!(after, StateFlags::IRQ);
                // It has entered when that was over.
                assert_eq!(label.get(), 0xc0);
                assert_eq!(vcpu.sticky_flags(), StickyFlags::empty());
            },
        );
    });
    let reply = wait();
    assert_eq!(reply.tag.label(), label::EXCEPTION);
    let mut frame = Entry::of_message();
    assert_eq!(vcpu.state(), StateFlags::empty());
    let irq = irq(worker.thread(), 0xc0);
    irq.trigger().unwrap();
    assert_eq!(vcpu.sticky_flags(), StickyFlags::IRQ_PENDING);
    let next = frame.instruction_pointer() + arch::INSTRUCTION;
    arch::set_instruction_pointer(&mut frame, next);
    Message::new(0).words(&frame.to_words()).reply();
    worker.join();
}
