//! Runs the tests and tells how they ended.
//!
//! Each test is concluded once: by the runner when its function returns, by the thread that panics,
//! or by the watchdog. Whoever moves [`STATE`] on is the one who tells. After a failure the runner
//! starts afresh at its anchor, which is where its stack was before the first test, and destroys the
//! test's threads. What befalls those until then is told of no test.

use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::SeqCst};
use core::time::Duration;

use l4_abi::capability::slot;
use l4_abi::protocol::platform_control::Shutdown;
use l4_abi::protocol::scheduler::CpuSet;
use l4_abi::protocol::thread::ExRegsFlags;
use l4_sys::fatal::Line;
use l4_sys::slots::SLOTS;
use l4_sys::{Utcb, ipc};

use crate::{entry, kip, memory, own, worker};

/// Bytes of the runner's stack.
pub const STACK_SIZE: usize = 128 * 1024;

/// Priority of the runner: there is room above and below.
pub const PRIORITY: u8 = 100;

/// How often the watchdog looks.
const BEAT: Duration = Duration::from_millis(500);

/// Beats that a test may take: many more than any needs, even where the machine is busy with other work. Beats are
/// counted, not time, so that a machine that stands still for a while misses one only.
const BEATS: usize = 240;

/// A test function and its name.
pub struct Test {
    /// What it proves.
    pub name: &'static str,
    /// Panics if it does not hold.
    pub body: fn(),
}

static TESTS: AtomicPtr<Test> = AtomicPtr::new(core::ptr::null_mut());
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Twice the number of the test that is running, or one more if it has failed and its threads are still there.
static STATE: AtomicUsize = AtomicUsize::new(0);
static FAILURES: AtomicUsize = AtomicUsize::new(0);
/// Goes up whenever the test says that it gets on.
static SIGNS: AtomicUsize = AtomicUsize::new(0);
/// Where the runner's stack can start afresh.
static ANCHOR: AtomicUsize = AtomicUsize::new(0);
static RUNNER_UTCB: AtomicUsize = AtomicUsize::new(0);

fn tests() -> &'static [Test] {
    // SAFETY: `run` stores a slice with static lifetime before anything calls this.
    unsafe { core::slice::from_raw_parts(TESTS.load(SeqCst), COUNT.load(SeqCst)) }
}

/// Runs all tests, prints the exit code and switches the machine off.
pub fn run(tests: &'static [Test]) -> ! {
    TESTS.store(tests.as_ptr().cast_mut(), SeqCst);
    COUNT.store(tests.len(), SeqCst);
    RUNNER_UTCB.store(Utcb::current().address(), SeqCst);
    let anchor = 0_u8;
    ANCHOR.store(&raw const anchor as usize & !63, SeqCst);

    SLOTS.start_at(slot::FIRST_FREE as usize);
    own::scheduler()
        .run_thread(own::thread(), CpuSet::ALL, PRIORITY, 0)
        .expect("cannot set the runner's priority");
    memory::touch_program();
    worker::prepare();
    kip::address();
    worker::spawn_watchdog(watch);
    go_on(0)
}

/// The runner, from the next test on.
extern "C" fn go_on(_: usize) -> ! {
    worker::destroy_all();
    // Only the runner goes on to a test.
    let state = STATE.load(SeqCst);
    STATE.store(state.next_multiple_of(2), SeqCst);
    while let Some(test) = tests().get(STATE.load(SeqCst) / 2) {
        (test.body)();
        conclude(None);
    }
    let failures = FAILURES.load(SeqCst);
    print(format_args!("@brio exit {}", u32::from(failures > 0)));
    let _ = own::platform().shutdown(Shutdown::PowerOff);
    ipc::sleep_forever()
}

/// What the panic handler of a suite does: the current test has failed.
pub fn fail(info: &PanicInfo<'_>) -> ! {
    let place = info.location().map_or("", |location| location.file());
    let line = info.location().map_or(0, |location| location.line());
    let first = conclude(Some(format_args!("{} ({place}:{line})", info.message())));
    if Utcb::current().address() == RUNNER_UTCB.load(SeqCst) {
        go_on(0)
    }
    if first {
        restart_runner();
    }
    ipc::sleep_forever()
}

/// A test that takes long gets on.
pub fn is_alive() {
    SIGNS.fetch_add(1, SeqCst);
}

/// Fails tests that do not end.
fn watch() {
    let mut watched = (0, 0);
    let mut beats = 0;
    loop {
        ipc::sleep(BEAT);
        let now = (STATE.load(SeqCst), SIGNS.load(SeqCst));
        beats = if now == watched { beats + 1 } else { 0 };
        watched = now;
        if beats == BEATS && conclude(Some(format_args!("does not end"))) {
            restart_runner();
        }
    }
}

fn restart_runner() {
    let anchor = ANCHOR.load(SeqCst) as u64;
    // SAFETY: this is the runner's stack, and nothing of what it holds there is used any more.
    let stack = unsafe { entry::prepare_stack(anchor, go_on as *const (), 0) };
    let first = entry::address();
    let restarted = own::thread().ex_regs(Some(first), Some(stack), ExRegsFlags::CANCEL);
    if let Err(error) = restarted {
        print(format_args!(
            "@brio panic cannot restart the tests: {error}"
        ));
    }
}

/// Ends the current test; false if another thread was faster.
fn conclude(failure: Option<fmt::Arguments<'_>>) -> bool {
    let state = STATE.load(SeqCst);
    if !state.is_multiple_of(2) {
        return false;
    }
    let Some(test) = tests().get(state / 2) else {
        print(format_args!("@brio panic outside of the tests"));
        return false;
    };
    let next = if failure.is_some() { 1 } else { 2 };
    if (STATE.compare_exchange(state, state + next, SeqCst, SeqCst)).is_err() {
        return false;
    }
    match failure {
        None => print(format_args!("@brio test {} pass", test.name)),
        Some(message) => {
            FAILURES.fetch_add(1, SeqCst);
            print(format_args!("@brio test {} fail {message}", test.name));
        }
    }
    true
}

fn print(text: fmt::Arguments<'_>) {
    let mut line = Line::new();
    let _ = line.write_fmt(text);
    let _ = own::log().write(line.finish());
}
