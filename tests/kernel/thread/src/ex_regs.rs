//! Exchanging registers, and starting with it.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::error::ResultCode;
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::protocol::thread::ExRegsFlags;
use l4_test::abi::rights::CapabilityRights;
use l4_test::sys::object::{Control, Registers};
use l4_test::worker::settle;
use l4_test::{Message, own, refused, spawn};

use crate::arch;
use crate::binding::{bind, spare_utcb, thread};

pub(crate) fn registers_are_exchanged() {
    let thread = thread();
    bind(thread.as_cap(), own::task(), spare_utcb()).unwrap();
    let none = ExRegsFlags::empty();
    let first = thread.ex_regs(Some(0x1000), Some(0x2000), none).unwrap();
    assert_eq!(first.flags, arch::FRESH_FLAGS);
    let kept = thread.ex_regs(None, None, none).unwrap();
    let expected = Registers {
        flags: arch::FRESH_FLAGS,
        instruction_pointer: 0x1000,
        stack_pointer: 0x2000,
    };
    assert_eq!(kept, expected);
    assert_eq!(thread.ex_regs(Some(0x3000), None, none).unwrap(), expected);
    let last = thread.ex_regs(None, Some(0x4000), none).unwrap();
    assert_eq!(
        (last.instruction_pointer, last.stack_pointer),
        (0x3000, 0x2000)
    );
}

pub(crate) fn three_words_are_needed() {
    let thread = thread();
    for words in [&[1][..], &[1, 0], &[1, 0, 0, 0]] {
        let reply = Message::new(label::THREAD).words(words).call(**thread);
        assert_eq!(reply.outcome(), refused(ResultCode::EINVAL));
    }
}

pub(crate) fn no_right_is_needed() {
    let thread = thread();
    let weak = own::copy(thread.as_cap(), CapabilityRights::READ);
    let registers = weak.ex_regs(Some(0x1000), None, ExRegsFlags::empty());
    assert!(registers.is_ok());
}

pub(crate) fn unknown_flags_are_refused() {
    let thread = thread();
    for flags in arch::REFUSED_FLAGS {
        let reply = Message::new(label::THREAD)
            .words(&[1 | flags, u64::MAX, u64::MAX])
            .call(**thread);
        assert_eq!(reply.outcome(), refused(ResultCode::EINVAL), "{flags:#x}");
    }
}

/// Where a thread stores the registers that it begins with: the stack pointer points at the end.
#[repr(align(16))]
struct Dump([AtomicU64; arch::DUMP_WORDS]);

static DUMP: Dump = Dump([const { AtomicU64::new(!0) }; arch::DUMP_WORDS]);

pub(crate) fn a_thread_begins_with_clean_registers() {
    let thread = thread();
    let control = Control {
        pager: Some(l4_test::sys::Object::selector(&*own::pager())),
        bind: Some((own::task(), spare_utcb())),
        ..Control::default()
    };
    thread.control(control).unwrap();
    let entry = arch::dump_registers as *const () as u64;
    let stack = DUMP.0.as_ptr_range().end as u64;
    own::scheduler()
        .run_thread(thread.as_cap(), CpuSet::ALL, 101, 0)
        .unwrap();
    thread
        .ex_regs(Some(entry), Some(stack), ExRegsFlags::empty())
        .unwrap();
    settle();
    let registers = core::array::from_fn(|index| DUMP.0[index].load(SeqCst));
    arch::check_first_registers(registers, stack, spare_utcb() as u64);
}

static RAN: AtomicU64 = AtomicU64::new(0);

extern "C" fn count_and_sleep() -> ! {
    RAN.fetch_add(1, SeqCst);
    l4_test::sys::ipc::sleep_forever()
}

pub(crate) fn the_order_of_starting_is_free() {
    RAN.store(0, SeqCst);
    let lender = spawn(|| ());
    let stack = (lender.thread())
        .ex_regs(None, None, ExRegsFlags::empty())
        .unwrap()
        .stack_pointer;
    let entry = Some(count_and_sleep as *const () as u64);
    let start = |registers_first: bool| {
        let thread = thread();
        let control = Control {
            pager: Some(l4_test::sys::Object::selector(&*own::pager())),
            bind: Some((own::task(), spare_utcb())),
            ..Control::default()
        };
        thread.control(control).unwrap();
        let stack = Some((stack & !15) - arch::STACK_BIAS);
        let set = || thread.ex_regs(entry, stack, ExRegsFlags::empty()).unwrap();
        if registers_first {
            set();
        }
        own::scheduler()
            .run_thread(thread.as_cap(), CpuSet::ALL, 101, 0)
            .unwrap();
        if !registers_first {
            set();
        }
        settle();
    };
    start(true);
    assert_eq!(RAN.load(SeqCst), 1);
    start(false);
    assert_eq!(RAN.load(SeqCst), 2);
}

pub(crate) fn an_unbound_thread_can_be_prepared() {
    let thread = thread();
    let registers = thread.ex_regs(Some(0x1000), Some(0x2000), ExRegsFlags::empty());
    assert!(registers.is_ok());
    let scheduled = own::scheduler().run_thread(thread.as_cap(), CpuSet::ALL, 50, 0);
    assert_eq!(scheduled, Ok(()));
}
