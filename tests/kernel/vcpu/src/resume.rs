//! Resumes: user tasks, items, messages that wait, and what is refused.

use l4_test::abi::error::{IpcError, ResultCode};
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags, MapItem};
use l4_test::abi::message_tag::MessageTag;
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::abi::vcpu::{StateFlags, StickyFlags, UserTask};
use l4_test::memory::{PAGE_ORDER, allocate, store};
use l4_test::sys::object::Thread;
use l4_test::sys::vcpu::Vcpu;
use l4_test::sys::{Error, Object, Selector, Utcb};
use l4_test::{Outcome, own, refused, spawn};

use crate::arch;
use crate::guest::{DATA, Entry, Guest, NOTHING, USER, new_vcpu};
use crate::message::irq;

type Refusal = Result<(), Error>;

/// Resumes that are refused: the error, and the states after it.
fn try_resume(vcpu: Vcpu, task: UserTask) -> (Refusal, StateFlags, StateFlags) {
    vcpu.set_state(StateFlags::empty());
    vcpu.set_saved_state(StateFlags::USER_MODE);
    vcpu.set_user_task(task);
    let result = vcpu.run(&[]);
    (result, vcpu.state(), vcpu.saved_state())
}

pub(crate) fn user_mode_needs_a_user_task() {
    let worker = spawn(|| {
        let vcpu = new_vcpu();
        let user = StateFlags::USER_MODE;
        let expected = (refused(ResultCode::ENOENT), user, user);
        let gate = own::factory().create_unbound_gate().unwrap();
        let empty = Selector::new(0x300);
        for selector in [empty, gate.selector()] {
            let task = UserTask::new(selector);
            assert_eq!(try_resume(vcpu, task), expected);
            assert_eq!(vcpu.user_task(), task.cached());
        }
        let invalid = UserTask::from_raw(0x800);
        assert_eq!(try_resume(vcpu, invalid), expected);
        assert_eq!(vcpu.user_task(), invalid);
    });
    worker.join();
}

pub(crate) fn a_user_task_can_be_given_up() {
    let guest = Guest::new();
    let worker = spawn(move || {
        let vcpu = guest.vcpu(arch::undefined, 0);
        vcpu.run(&[]).unwrap();
        let user = StateFlags::USER_MODE;
        let gone = try_resume(vcpu, UserTask::from_raw(guest.user_task().raw() | 8));
        assert_eq!(gone, (refused(ResultCode::ENOENT), user, user));
    });
    worker.join();
}

pub(crate) fn a_user_task_needs_the_special_right() {
    let guest = Guest::new();
    let worker = spawn(move || {
        let vcpu = new_vcpu();
        let weak = own::copy(guest.task.as_cap(), CapabilityRights::RW);
        let task = UserTask::new(weak.selector());
        let expected = (
            refused(ResultCode::EPERM),
            StateFlags::empty(),
            StateFlags::USER_MODE,
        );
        assert_eq!(try_resume(vcpu, task), expected);
        assert_eq!(vcpu.user_task(), task);
        let enough = own::copy(guest.task.as_cap(), CapabilityRights::RS);
        guest.prepare(vcpu, arch::undefined, 0);
        vcpu.set_user_task(UserTask::new(enough.selector()));
        vcpu.run(&[]).unwrap();
        assert!(arch::is_undefined(&vcpu.registers()));
    });
    worker.join();
}

pub(crate) fn a_cached_user_task_is_not_looked_up_again() {
    let guest = Guest::new();
    let worker = spawn(move || {
        let vcpu = guest.vcpu(arch::undefined, 0);
        vcpu.run(&[]).unwrap();
        let cached = guest.user_task().cached();
        assert_eq!(vcpu.user_task(), cached);
        // Whatever else it says.
        vcpu.set_user_task(UserTask::from_raw(0x12_3000 | 1));
        vcpu.run(&[]).unwrap();
        assert!(arch::is_undefined(&vcpu.registers()));
    });
    worker.join();
}

pub(crate) fn only_the_thread_itself_resumes_and_only_as_a_vcpu() {
    fn resume(thread: impl Object) -> Outcome {
        use l4_test::Message;
        use l4_test::abi::protocol::{label, thread::Opcode};
        Message::new(label::THREAD)
            .words(&[Opcode::VcpuResume.word()])
            .call(thread)
            .outcome()
    }
    assert_eq!(resume(Thread::SELF), refused(ResultCode::EINVAL));
    let worker = spawn(|| {
        new_vcpu();
        l4_test::sys::ipc::sleep_forever();
    });
    assert_eq!(resume(*worker.thread()), refused(ResultCode::EINVAL));
}

fn page_item(from: u64, to: u64) -> MapItem {
    MapItem {
        control: ItemControl::map(to, ItemFlags::empty()),
        ..MapItem::memory(from, PAGE_ORDER, MemoryRights::RW)
    }
}

pub(crate) fn items_are_mapped_before_it_goes_on() {
    let guest = Guest::new();
    let page = allocate(PAGE_ORDER);
    store(page, 0x77);
    let worker = spawn(move || {
        let vcpu = guest.vcpu(arch::read, NOTHING);
        // A void item between them, and one for a page that is not there.
        let void = MapItem {
            control: ItemControl::from_raw(0),
            ..page_item(page, 0)
        };
        let absent = page_item(crate::guest::ABSENT, NOTHING + 0x1000);
        vcpu.run(&[void, absent, page_item(page, NOTHING)]).unwrap();
        let registers = vcpu.registers();
        assert!(arch::is_undefined(&registers), "{registers:?}");
        assert_eq!(arch::read_value(&registers), 0x77);
    });
    worker.join();
}

pub(crate) fn capabilities_can_be_mapped_too() {
    let guest = Guest::new();
    let worker = spawn(move || {
        let vcpu = guest.vcpu(arch::undefined, 0);
        let item = MapItem {
            control: ItemControl::map(0x41_2000, ItemFlags::empty()),
            ..own::log().pass(CapabilityRights::RWS).item()
        };
        vcpu.run(&[item]).unwrap();
        let there = l4_test::sys::Cap::<Thread>::at(0x412);
        assert_eq!(guest.task.is_valid(there), Ok(true));
    });
    worker.join();
}

pub(crate) fn items_for_a_task_that_is_gone_are_refused() {
    let guest = Guest::new();
    let page = guest.page;
    let worker = spawn(move || {
        let vcpu = guest.vcpu(arch::undefined, 0);
        vcpu.run(&[]).unwrap();
        guest.task.delete();
        let states = (vcpu.state(), vcpu.saved_state());
        let result = vcpu.run(&[page_item(page, NOTHING)]);
        assert_eq!(result, refused(ResultCode::ENOENT));
        assert_eq!((vcpu.state(), vcpu.saved_state()), states);
    });
    worker.join();
}

pub(crate) fn a_message_that_waits_enters_at_once() {
    let guest = Guest::new();
    let worker = spawn(move || {
        let vcpu = guest.vcpu(arch::undefined, 0);
        let irq = irq(own_thread(), 0x50);
        irq.trigger().unwrap();
        assert_eq!(vcpu.sticky_flags(), StickyFlags::IRQ_PENDING);
        vcpu.set_state(StateFlags::FPU_ENABLED);
        let wish = USER | StateFlags::IRQ;
        vcpu.set_saved_state(wish);
        vcpu.run(&[]).unwrap();
        let entry = Entry::of(vcpu);
        assert!(arch::is_message(&entry.registers), "{entry:?}");
        assert_eq!(
            entry.registers.instruction_pointer(),
            arch::undefined as *const () as u64
        );
        assert_eq!(
            (entry.state, entry.saved_state),
            (StateFlags::FPU_ENABLED, wish)
        );
        let message = vcpu.message();
        assert_eq!((message.tag, message.label), (MessageTag::EMPTY, 0x50));
        assert_eq!(vcpu.sticky_flags(), StickyFlags::empty());
    });
    worker.join();
}

pub(crate) fn a_message_that_does_not_wait_is_an_error() {
    let guest = Guest::new();
    let worker = spawn(move || {
        let vcpu = guest.vcpu(arch::undefined, 0);
        vcpu.set_sticky_flags(StickyFlags::IRQ_PENDING);
        vcpu.set_saved_state(USER | StateFlags::IRQ);
        vcpu.run(&[]).unwrap();
        assert!(arch::is_message(&vcpu.registers()));
        assert!(vcpu.message().tag.has_error());
        assert_eq!(Utcb::current().error(), IpcError::RECEIVE_TIMEOUT);
        assert_eq!(vcpu.sticky_flags(), StickyFlags::IRQ_PENDING);
    });
    worker.join();
}

pub(crate) fn without_the_flag_user_mode_goes_first() {
    let guest = Guest::new();
    let worker = spawn(move || {
        let vcpu = guest.vcpu(arch::read, DATA);
        let irq = irq(own_thread(), 0x60);
        irq.trigger().unwrap();
        vcpu.run(&[]).unwrap();
        let entry = Entry::of(vcpu);
        assert!(arch::is_undefined(&entry.registers), "{entry:?}");
        entry.check_from_user();
        assert_eq!(vcpu.sticky_flags(), StickyFlags::IRQ_PENDING);
        // Then it enters as the flag that was forced on says.
        vcpu.run(&[]).unwrap();
        assert!(arch::is_message(&vcpu.registers()));
        assert_eq!(vcpu.message().label, 0x60);
    });
    worker.join();
}

/// The capability of the calling worker, which is the only one.
fn own_thread() -> l4_test::sys::Cap<Thread> {
    l4_test::worker::current()
}

pub(crate) fn nothing_is_mapped_by_a_nil_flexpage() {
    let guest = Guest::new();
    let worker = spawn(move || {
        let vcpu = guest.vcpu(arch::undefined, 0);
        let nil = MapItem {
            flexpage: Flexpage::NIL,
            ..page_item(0, 0)
        };
        vcpu.run(&[nil]).unwrap();
        assert!(arch::is_undefined(&vcpu.registers()));
    });
    worker.join();
}
