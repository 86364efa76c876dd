//! Page faults that a thread handles itself.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::arch::native::exception::TRAP_FRAME_WORDS;
use l4_test::abi::error::ResultCode;
use l4_test::abi::exception::{ExceptionFrame, FRAME_WORDS};
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags};
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::thread::{
    Opcode, TRAMPOLINE_IN_PROGRESS, TRAMPOLINE_RAISE, TrampolineOpcode,
    trampoline_word as area_word,
};
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::fault::spawn_paged;
use l4_test::memory::{PAGE, PAGE_ORDER, UNUSED, allocate, load, store};
use l4_test::message::word;
use l4_test::sys::Utcb;
use l4_test::sys::object::Thread;
use l4_test::worker::{current, settle};
use l4_test::{Message, Outcome, own, refused, spawn};

use crate::arch;
use crate::handler::{answer, await_exception, await_page_fault};
use crate::page_fault::unmap;

/// What the next trampoline does.
static PLAN: AtomicU64 = AtomicU64::new(MAP);
/// Maps [`PAGE_TO_MAP`] to [`PLACE`], and goes on.
const MAP: u64 = 0;
/// Makes an exception of the fault.
const REFLECT: u64 = 1;
/// As [`MAP`], and asks for an exception afterwards.
const RAISE: u64 = 2;
/// Makes another page fault, and then does as [`MAP`].
const FAULT: u64 = 3;
/// Goes on behind the load with [`CHANGED`] as what it has read and as message register 0.
const CHANGE: u64 = 4;

const MESSAGE: u64 = 0x1234;
const CHANGED: u64 = 0x4321;

static PAGE_TO_MAP: AtomicU64 = AtomicU64::new(0);
/// What a trampoline was told: state, fault, message register 0 as the state has it.
static TOLD: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

const PLACE: u64 = UNUSED + 0x20_0000;
const ELSEWHERE: u64 = PLACE + PAGE;

fn request(
    operation: TrampolineOpcode,
    words: &[u64],
    thread: impl l4_test::sys::Object,
) -> Outcome {
    let mut all = [0; 3];
    all[0] = Opcode::PageFaultTrampoline.word() | operation.word() << 16;
    all[1..=words.len()].copy_from_slice(words);
    Message::new(label::THREAD)
        .words(&all[..=words.len()])
        .call(thread)
        .outcome()
}

/// What [`arch::trampoline`] calls.
pub(crate) extern "C" fn handle(area: u64, fault: u64) -> ! {
    let message = load(area + area_word::SAVED_MESSAGE as u64 * 8);
    for (place, value) in TOLD.iter().zip([area, fault, message]) {
        place.store(value, SeqCst);
    }
    assert_eq!(
        load(area + area_word::FLAGS as u64 * 8),
        TRAMPOLINE_IN_PROGRESS
    );
    let plan = PLAN.load(SeqCst);
    if plan == FAULT {
        load(ELSEWHERE);
    }
    if plan == CHANGE {
        change(area);
    } else if plan != REFLECT {
        let control = ItemControl::map(PLACE, ItemFlags::empty());
        let flexpage = Flexpage::memory(PAGE_TO_MAP.load(SeqCst), PAGE_ORDER, MemoryRights::RW);
        own::task().map(own::task(), control, flexpage).unwrap();
    }
    if plan == RAISE {
        let flags = TRAMPOLINE_IN_PROGRESS | TRAMPOLINE_RAISE;
        store(area + area_word::FLAGS as u64 * 8, flags);
    }
    let operation = match plan {
        REFLECT => TrampolineOpcode::Reflect,
        _ => TrampolineOpcode::Resume,
    };
    let result = request(operation, &[], Thread::SELF);
    panic!("the resume fails: {result:?}");
}

/// Lets the state say that the load has been made.
fn change(area: u64) {
    let word = |index: usize| area + (area_word::FRAME + index) as u64 * 8;
    let mut words = [0; FRAME_WORDS];
    for (index, value) in words[..TRAP_FRAME_WORDS].iter_mut().enumerate() {
        *value = load(word(index));
    }
    let mut frame = ExceptionFrame::from_words(&words);
    arch::leave_load(&mut frame, CHANGED);
    for (index, value) in frame.to_words()[..TRAP_FRAME_WORDS].iter().enumerate() {
        store(word(index), *value);
    }
    store(area + area_word::SAVED_MESSAGE as u64 * 8, CHANGED);
}

/// A new state for a trampoline.
fn new_area() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(UNUSED + 0x1000_0000);
    let address = NEXT.fetch_add(PAGE, SeqCst);
    let area = Flexpage::memory(address, PAGE_ORDER, MemoryRights::RW);
    own::task().add_kernel_user_memory(area).unwrap();
    store(address, arch::trampoline as *const () as u64);
    address
}

fn prepare(plan: u64) -> u64 {
    PLAN.store(plan, SeqCst);
    let page = allocate(PAGE_ORDER);
    store(page + 8, 0x99);
    PAGE_TO_MAP.store(page, SeqCst);
    new_area()
}

/// Sets the trampoline up and reads a word that is not there.
fn fault_with(area: u64) -> u64 {
    request(TrampolineOpcode::Setup, &[area], Thread::SELF).unwrap();
    Utcb::current().set_message(0, MESSAGE);
    let value = arch::load_here(PLACE + 8);
    let changed = PLAN.load(SeqCst) == CHANGE;
    assert_eq!(word(0), if changed { CHANGED } else { MESSAGE });
    value
}

/// What the last trampoline was told.
fn told() -> [u64; 3] {
    TOLD.each_ref().map(|word| word.swap(0, SeqCst))
}

pub(crate) fn a_page_fault_is_handled_by_the_thread_itself() {
    let area = prepare(MAP);
    let worker = spawn_paged(move || {
        let first = fault_with(area);
        assert_eq!(told(), [area, (PLACE + 8) | arch::READ, MESSAGE]);
        // It is enabled again.
        unmap(PLACE);
        assert_eq!(arch::load_here(PLACE + 8), 0x99);
        first
    });
    assert_eq!(worker.join(), 0x99);
    assert_eq!(told()[..2], [area, (PLACE + 8) | arch::READ]);
    assert_eq!(load(area + area_word::FLAGS as u64 * 8), 0);
    let ip = area_word::FRAME as u64 + arch::INSTRUCTION_POINTER_WORD;
    assert_eq!(load(area + ip * 8), arch::place_of_load());
    unmap(PLACE);
}

pub(crate) fn what_it_changes_in_the_state_counts() {
    let area = prepare(CHANGE);
    let worker = spawn_paged(move || fault_with(area));
    assert_eq!(worker.join(), CHANGED);
}

pub(crate) fn it_is_for_one_fault_at_a_time() {
    let area = prepare(FAULT);
    let worker = spawn_paged(move || fault_with(area));
    let (fault, _) = await_page_fault();
    assert_eq!(fault, ELSEWHERE | arch::READ);
    let page = PAGE_TO_MAP.load(SeqCst);
    let item = crate::handler::page_item(page, ELSEWHERE, MemoryRights::RW);
    Message::new(0).item(item).reply();
    assert_eq!(worker.join(), 0x99);
    unmap(PLACE);
    unmap(ELSEWHERE);
}

pub(crate) fn a_fault_can_be_reflected_to_the_exception_handler() {
    let area = prepare(REFLECT);
    let worker = spawn_paged(move || fault_with(area));
    let mut frame = await_exception();
    assert!(arch::is_page_fault(&frame, PLACE + 8), "{frame:?}");
    assert_eq!(frame.instruction_pointer(), arch::place_of_load());
    arch::leave_load(&mut frame, 0x66);
    answer(0, &frame);
    assert_eq!(worker.join(), 0x66);
}

pub(crate) fn an_exception_can_be_raised_after_it() {
    let area = prepare(RAISE);
    let worker = spawn_paged(move || fault_with(area));
    let frame = await_exception();
    assert!(arch::is_triggered(&frame), "{frame:?}");
    assert_eq!(frame.instruction_pointer(), arch::place_of_load());
    answer(0, &frame);
    assert_eq!(worker.join(), 0x99);
    unmap(PLACE);
}

pub(crate) fn it_can_be_disabled_and_enabled() {
    let area = prepare(MAP);
    told();
    let worker = spawn_paged(move || {
        let disable = || {
            request(TrampolineOpcode::Disable, &[], Thread::SELF).unwrap();
            word(0)
        };
        assert_eq!(disable(), 0);
        request(TrampolineOpcode::Setup, &[area], Thread::SELF).unwrap();
        assert_eq!([disable(), disable()], [1, 0]);
        assert_eq!(arch::load_here(PLACE + 8), 0x99);
        let while_disabled = told();
        unmap(PLACE);
        request(TrampolineOpcode::Enable, &[], Thread::SELF).unwrap();
        assert_eq!(arch::load_here(PLACE + 8), 0x99);
        assert_eq!(disable(), 1);
        (while_disabled, told())
    });
    // One fault comes to the pager, which has not waited for it: that of the disabled one.
    settle();
    let (fault, _) = await_page_fault();
    assert_eq!(fault, (PLACE + 8) | arch::READ);
    let page = PAGE_TO_MAP.load(SeqCst);
    let item = crate::handler::page_item(page, PLACE, MemoryRights::RW);
    Message::new(0).item(item).reply();
    let (while_disabled, [told_area, told_fault, _]) = worker.join();
    assert_eq!(while_disabled, [0; 3]);
    assert_eq!([told_area, told_fault], [area, (PLACE + 8) | arch::READ]);
    unmap(PLACE);
}

pub(crate) fn wrong_requests_are_refused() {
    let area = prepare(MAP);
    let worker = spawn(move || {
        let invalid = refused(ResultCode::EINVAL);
        for operation in [
            TrampolineOpcode::Enable,
            TrampolineOpcode::Resume,
            TrampolineOpcode::Reflect,
        ] {
            assert_eq!(request(operation, &[], Thread::SELF), invalid);
        }
        use TrampolineOpcode::{Enable, Resume, Setup};
        let size = (area_word::FRAME + TRAP_FRAME_WORDS) as u64 * 8;
        for address in [0, UNUSED, area + 4, area + PAGE - size + 8] {
            assert_eq!(request(Setup, &[address], Thread::SELF), invalid);
        }
        assert_eq!(request(Setup, &[area + PAGE - size], Thread::SELF), Ok(0));
        // It is enabled: there is nothing to resume.
        assert_eq!(request(Resume, &[], Thread::SELF), invalid);
        let long = refused(ResultCode::EMSGTOOLONG);
        assert_eq!(request(Enable, &[1], Thread::SELF), long);
        assert_eq!(request(Setup, &[area, 1], Thread::SELF), long);
        let short = refused(ResultCode::EMSGTOOSHORT);
        assert_eq!(request(Setup, &[], Thread::SELF), short);
        let with_item = |operation: u64| {
            Message::new(label::THREAD)
                .words(&[Opcode::PageFaultTrampoline.word() | operation << 16])
                .capability(current(), CapabilityRights::RWS)
                .call(Thread::SELF)
                .outcome()
        };
        assert_eq!(with_item(4), long);
        let unknown: Outcome = Message::new(label::THREAD)
            .words(&[Opcode::PageFaultTrampoline.word() | 5 << 16])
            .call(Thread::SELF)
            .outcome();
        assert_eq!(unknown, refused(ResultCode::ENOSYS));
        // Of another thread.
        let other = refused(ResultCode::EPERM);
        assert_eq!(request(Resume, &[], *own::thread()), other);
    });
    worker.join();
}
