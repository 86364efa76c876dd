//! Segment descriptors of a task: a table of its own, beside those that each thread sets for itself.

use core::arch::{asm, naked_asm};
use core::hint::spin_loop;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::arch::x86_64::segment::LOCAL_DESCRIPTORS;
use l4_test::abi::error::ResultCode;
use l4_test::abi::exception::{ExceptionFrame, FRAME_WORDS};
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::protocol::task::Opcode;
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::vcpu::{StateFlags, UserTask};
use l4_test::arch::segments::{data, selector, set};
use l4_test::memory::{PAGE_ORDER, UNUSED, store};
use l4_test::message::{wait, word};
use l4_test::other_task::{End, OtherTask};
use l4_test::sys::object::Thread;
use l4_test::sys::vcpu::Vcpu;
use l4_test::sys::{Cap, Object};
use l4_test::worker::settle;
use l4_test::{Message, hoard, own, refused, spawn, spawn_on};

const LAST: u64 = LOCAL_DESCRIPTORS as u64 - 1;

/// What segments begin with.
static WORDS: [u64; 3] = [0x1111_1111, 0x2222_2222, 0x3333_3333];

/// A data segment that begins with a word.
fn segment(index: usize) -> u64 {
    data((&raw const WORDS[index]).addr() as u64)
}

fn has_segment(entry: u64) -> bool {
    let valid: u8;
    // SAFETY: reads a descriptor, or nothing.
    unsafe {
        asm!("verr {:x}", "setz {}", in(reg) selector(entry), out(reg_byte) valid, options(nostack));
    }
    valid != 0
}

fn load_fs(selector: u16) {
    // SAFETY: compiled code here does not use FS.
    unsafe { asm!("mov fs, {:x}", in(reg) selector, options(nostack, preserves_flags)) };
}

/// The word that FS begins with, if it has a segment.
fn read_fs() -> Option<u64> {
    let (selector, value): (u64, u64);
    // SAFETY: there is a word.
    unsafe {
        asm!("mov {0:e}, fs", out(reg) selector, options(nostack, preserves_flags));
        if selector == 0 {
            return None;
        }
        asm!("mov {}, fs:0", out(reg) value, options(nostack, preserves_flags, readonly));
    }
    Some(value)
}

/// What FS has with this entry after `between`.
fn through_fs(entry: u64, between: impl FnOnce()) -> Option<u64> {
    load_fs(selector(entry));
    between();
    let value = read_fs();
    load_fs(0);
    value
}

/// An exception, after which the runner chooses the selectors; what FS has then.
fn with_selectors_of_the_runner() -> u64 {
    // SAFETY: goes on behind the instruction.
    unsafe { asm!("ud2", options(nostack)) };
    read_fs().unwrap_or_default()
}

/// Runs [`with_selectors_of_the_runner`] in another task with FS of its entry 0.
fn choose_fs(other: &OtherTask) -> End {
    let thread = other.prepare(with_selectors_of_the_runner);
    assert!(wait().came());
    let words: [u64; FRAME_WORDS] = core::array::from_fn(word);
    let mut frame = ExceptionFrame::from_words(&words);
    frame.rip += 2;
    frame.fs = selector(0);
    Message::new(0).words(&frame.to_words()).reply();
    other.finish(thread)
}

/// With FS of its entry 0 it waits for a message, which it answers with what FS has then.
fn wait_with_fs() -> u64 {
    let value = through_fs(0, || assert!(wait().came()));
    Message::new(0).words(&[value.unwrap_or_default()]).reply();
    0
}

pub(super) fn segment_descriptors() {
    requests_are_checked();
    // The own task has no descriptors so far.
    a_selector_is_loaded_with_the_table_of_its_task();
    segments_have_their_bases();
    tasks_do_not_see_those_of_others();
    both_modes_of_a_vcpu_have_their_tasks();
    who_has_lost_the_descriptor_has_none();
    other_cpus_see_them_at_once();
    a_task_ends_while_its_table_is_loaded();
    the_quota_pays();
}

fn requests_are_checked() {
    let invalid = refused(ResultCode::EINVAL);
    let good = segment(0);
    for (first, descriptors) in [
        (0, &[][..]),
        (LAST + 1, &[good]),
        (LAST, &[good, good]),
        (u64::MAX, &[good]),
        (u64::MAX, &[good, good]),
    ] {
        assert_eq!(set(own::task(), first, descriptors), invalid, "{first:#x}");
    }
    let words = [Opcode::LdtSet.word()];
    let request = Message::new(label::TASK).words(&words);
    assert_eq!(request.call(*own::task()).outcome(), invalid);
    for (what, unsafe_one) in [
        ("a call gate", 0x0000_ec00_0008_0000),
        ("a table of descriptors", 0x0000_e200_0000_0fff),
        ("a task state", 0x0000_e900_0000_0fff),
        ("a segment of the kernel", 0x00cf_9300_0000_ffff),
        ("64-bit code", 0x00af_fb00_0000_ffff),
        ("conforming code", 0x00cf_ff00_0000_ffff),
        ("a segment that is not present", 0x00cf_7300_0000_ffff),
        ("a 16-bit stack", 0x008f_f300_0000_ffff),
        ("a 16-bit stack that grows down", 0x0000_f600_0000_0000),
        ("what the other kernel's stub sends", 0x1111_1111_1111_1111),
    ] {
        assert_eq!(set(own::task(), 0, &[unsafe_one]), invalid, "{what}");
        assert_eq!(set(own::task(), 0, &[good, unsafe_one]), invalid, "{what}");
    }
    assert!(!has_segment(0), "a refused request has left something");
    for (what, safe_one) in [
        ("data that cannot be a stack", 0x008f_f100_0000_ffff),
        ("16-bit code", 0x008f_fb00_0000_ffff),
        ("nothing", 0),
    ] {
        assert!(set(own::task(), 0, &[safe_one]).is_ok(), "{what}");
    }
}

fn a_selector_is_loaded_with_the_table_of_its_task() {
    let other = OtherTask::new();
    assert_eq!(choose_fs(&other), End::Value(0));
    assert_eq!(set(other.task.as_cap(), 0, &[segment(1)]), Ok(0));
    assert_eq!(choose_fs(&other), End::Value(WORDS[1]));
    assert!(!has_segment(0), "it is another task's");
}

fn segments_have_their_bases() {
    assert_eq!(set(own::task(), 0, &[segment(0), segment(1)]), Ok(0));
    assert_eq!(set(own::task(), LAST, &[segment(2)]), Ok(0));
    let own = through_fs(0, || {
        let others = spawn(|| [through_fs(1, settle), through_fs(LAST, || ())]).join();
        assert_eq!(others, [Some(WORDS[1]), Some(WORDS[2])]);
    });
    assert_eq!(own, Some(WORDS[0]));
    assert!(!has_segment(2) && !has_segment(LAST + 1));
}

fn tasks_do_not_see_those_of_others() {
    let other = OtherTask::new();
    let has_one = || u64::from(has_segment(0));
    assert_eq!(other.run(has_one), End::Value(0));
    assert_eq!(choose_fs(&other), End::Value(0));
    assert!(has_segment(0));

    // Both use the same selector, and change places at once.
    assert_eq!(set(other.task.as_cap(), 0, &[segment(2)]), Ok(0));
    let thread = other.prepare(wait_with_fs);
    settle();
    let mut told = 0;
    let own = through_fs(0, || {
        assert!(Message::new(0).call(**thread).came());
        told = word(0);
    });
    assert_eq!((own, told), (Some(WORDS[0]), WORDS[2]));
    assert_eq!(other.finish(thread), End::Value(0));
}

/// Its user mode and its kernel mode have the same selector, of two tables.
fn both_modes_of_a_vcpu_have_their_tasks() {
    const STATE: u64 = UNUSED + 0x3000_0000;
    const HOST_SELECTORS: u64 = 0x188;
    let area = Flexpage::memory(STATE, PAGE_ORDER, MemoryRights::RW);
    own::task().add_kernel_user_memory(area).unwrap();
    let other = OtherTask::new();
    assert_eq!(set(other.task.as_cap(), 0, &[segment(2)]), Ok(0));
    let user_task = UserTask::new(other.task.selector());
    let ends = spawn(move || {
        Thread::SELF.vcpu_control(STATE).unwrap();
        // SAFETY: a page of kernel-user memory of its own.
        let vcpu = unsafe { Vcpu::new(STATE as usize) };
        store(STATE + HOST_SELECTORS, u64::from(selector(0)) << 32);
        vcpu.set_user_task(user_task);
        // Later resumes go the short way.
        [(); 3].map(|()| {
            vcpu.set_saved_state(StateFlags::USER_MODE);
            vcpu.set_registers(ExceptionFrame {
                rip: read_fs_in_user_mode as *const () as u64,
                cs: 0x2b,
                ss: 0x23,
                rflags: 0x202,
                fs: selector(0),
                ..ExceptionFrame::default()
            });
            vcpu.run(&[]).unwrap();
            let own = read_fs();
            let frame = vcpu.registers();
            (frame.rax, frame.fs, own)
        })
    });
    assert_eq!(ends.join(), [(WORDS[2], selector(0), Some(WORDS[0])); 3]);
}

#[unsafe(naked)]
extern "C" fn read_fs_in_user_mode() {
    naked_asm!("mov rax, fs:0", "syscall", "ud2")
}

fn who_has_lost_the_descriptor_has_none() {
    // What it has loaded since it was in the kernel stays.
    let set_another = || assert_eq!(set(own::task(), 1, &[segment(1)]), Ok(0));
    assert_eq!(through_fs(0, set_another), Some(WORDS[0]));
    let clear = || assert_eq!(set(own::task(), 0, &[0]), Ok(0));
    assert_eq!(through_fs(0, clear), None);
    assert!(!has_segment(0) && has_segment(1));
    assert_eq!(set(own::task(), 0, &[segment(0)]), Ok(0));
    let worker = spawn(|| through_fs(0, settle));
    clear();
    assert_eq!(worker.join(), None);
    assert_eq!(set(own::task(), 0, &[segment(0)]), Ok(0));
}

/// The last CPU.
fn last_cpu() -> u32 {
    own::scheduler().info().unwrap().cpus.count_ones() - 1
}

/// The worker stays in user mode: if the kernel does not interrupt it, it has what it had.
fn other_cpus_see_them_at_once() {
    static ROUND: AtomicU64 = AtomicU64::new(0);
    static SEEN: AtomicU64 = AtomicU64::new(0);
    const ROUNDS: u64 = 20;
    if last_cpu() == 0 {
        return;
    }
    let tell = |round: u64, what: bool| SEEN.store(round << 1 | u64::from(what), SeqCst);
    let worker = spawn_on(last_cpu(), move || {
        load_fs(selector(0));
        tell(1, true);
        for round in 2..ROUNDS {
            while ROUND.load(SeqCst) < round {
                spin_loop();
            }
            let has_one = has_segment(0);
            if has_one {
                load_fs(selector(0));
            }
            assert_eq!(read_fs(), has_one.then_some(WORDS[0]));
            tell(round, has_one);
        }
    });
    for round in 1..ROUNDS {
        let expected = round % 2;
        while SEEN.load(SeqCst) >> 1 < round {
            spin_loop();
        }
        assert_eq!(SEEN.load(SeqCst) & 1, expected, "round {round}");
        let next = if expected == 1 { 0 } else { segment(0) };
        assert_eq!(set(own::task(), 0, &[next]), Ok(0));
        ROUND.store(round + 1, SeqCst);
    }
    worker.join();
    assert_eq!(set(own::task(), 0, &[segment(0)]), Ok(0));
}

fn a_task_ends_while_its_table_is_loaded() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    for _ in 0..10 {
        let other = OtherTask::new();
        assert_eq!(set(other.task.as_cap(), 0, &[segment(1)]), Ok(0));
        RUNS.store(0, SeqCst);
        let thread = other.prepare(|| {
            load_fs(selector(0));
            loop {
                RUNS.store(read_fs().unwrap_or_default(), SeqCst);
            }
        });
        run_on(thread.as_cap(), last_cpu());
        while RUNS.load(SeqCst) == 0 {
            l4_test::sys::ipc::sleep(core::time::Duration::from_micros(500));
        }
        other.task.delete();
        // It faults, has no pager any more, and ends: who waits for it hears so.
        assert!(!Message::new(0).send(**thread).came());
        assert!(has_segment(0), "of the own task");
    }
}

fn run_on(thread: Cap<Thread>, cpu: u32) {
    let priority = l4_test::suite::PRIORITY - 1;
    (own::scheduler().run_thread(thread, CpuSet::single(cpu), priority, 0)).unwrap();
}

fn the_quota_pays() {
    let factory = own::factory().create_factory(96 * 1024).unwrap();
    let cycle = || {
        let other = OtherTask::made_by(factory.as_cap()).unwrap();
        assert_eq!(set(other.task.as_cap(), 7, &[segment(1)]), Ok(0));
        assert_eq!(other.run(|| u64::from(has_segment(7))), End::Value(1));
    };
    cycle();
    let before = hoard::room(factory.as_cap());
    (0..100).for_each(|_| cycle());
    assert_eq!(hoard::room(factory.as_cap()), before);

    let task = factory.create_task(Flexpage::NIL).unwrap();
    let mut rest = hoard::Hoard::new();
    rest.fill(|| factory.create_semaphore());
    assert_eq!(set(task.as_cap(), 0, &[segment(0)]), Err(hoard::USED_UP));
    drop(rest);
    assert_eq!(set(task.as_cap(), 0, &[segment(0)]), Ok(0));
}
