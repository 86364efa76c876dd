//! What threads need while they run.

use core::time::Duration;

use l4_test::abi::error::IpcError;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::protocol::thread::ExRegsFlags;
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::timeout::Timeout;
use l4_test::abi::utcb::SIZE;
use l4_test::hoard::Hoard;
use l4_test::message::{nobody, receive};
use l4_test::other_task::{End, FREE, OtherTask, RUNNER};
use l4_test::suite::PRIORITY;
use l4_test::sys::Cap;
use l4_test::sys::ipc;
use l4_test::sys::object::{Control, Thread};
use l4_test::worker::comes;
use l4_test::{Message, failed, own, spawn};

use crate::alone::check;
use crate::arch;

/// Enough for a task with the program and a thread.
const QUOTA: u64 = 128 << 10;
/// Order of the UTCBs of many threads.
const AREA_ORDER: u32 = 16;

/// The first use of the FPU takes memory: without it, it is an exception.
pub(crate) fn fpu_registers() {
    check(QUOTA, |factory, others_work| {
        let other = OtherTask::made_by(factory).unwrap();
        let thread = other.prepare(arch::use_fpu);
        let mut all = Hoard::new();
        all.fill(|| factory.create_semaphore());
        assert_eq!(other.finish(thread), End::Exception);
        others_work();
        spawn(arch::use_fpu).join();
        drop(all);
        assert_eq!(other.run(arch::use_fpu), End::Value(0));
    });
}

/// Does what takes no memory of the kernel.
fn live_on() -> u64 {
    for micros in [0, 100, 300] {
        let timeout = match micros {
            0 => Timeout::ZERO,
            micros => Timeout::from_micros(micros),
        };
        let message = receive(nobody(), timeout);
        if message.outcome() != failed(IpcError::RECEIVE_TIMEOUT) {
            return 1;
        }
    }
    ipc::sleep(Duration::from_micros(200));
    let runner = Cap::<Thread>::at(RUNNER);
    match Message::new(3).words(&[7; 63]).call(*runner).outcome() {
        Ok(4) => 0,
        _ => 2,
    }
}

pub(crate) fn who_has_nothing_left_has_messages_and_timeouts() {
    check(QUOTA, |factory, others_work| {
        let other = OtherTask::made_by(factory).unwrap();
        let thread = other.prepare(live_on);
        let mut all = Hoard::new();
        all.fill(|| factory.create_semaphore());
        let call = receive(**thread, Timeout::NEVER);
        assert_eq!((call.tag.label(), call.tag.words()), (3, 63));
        others_work();
        assert!(Message::new(4).send(**thread).came());
        assert_eq!(other.finish(thread), End::Value(0));
    });
}

/// As many threads as there is memory for, all with timeouts that expire again and again.
pub(crate) fn threads_with_timeouts() {
    check(QUOTA * 2, |factory, others_work| {
        let other = OtherTask::made_by(factory).unwrap();
        let area = Flexpage::memory(FREE, AREA_ORDER, MemoryRights::RW);
        other.task.add_kernel_user_memory(area).unwrap();
        let mut threads: [_; (1 << AREA_ORDER) / SIZE] = [const { None }; _];
        let utcbs = (FREE..).step_by(SIZE);
        for (place, utcb) in threads.iter_mut().zip(utcbs) {
            let Ok(thread) = factory.create_thread() else {
                break;
            };
            let control = Control {
                bind: Some((*other.task, utcb as usize)),
                ..Control::default()
            };
            thread.control(control).unwrap();
            let start = arch::sleep_again as *const () as u64;
            thread
                .ex_regs(Some(start), None, ExRegsFlags::empty())
                .unwrap();
            own::scheduler()
                .run_thread(*thread, CpuSet::ALL, PRIORITY + 1, 0)
                .unwrap();
            *place = Some(thread);
        }
        assert!(threads[20].is_some());
        for _ in 0..5 {
            ipc::sleep(Duration::from_micros(500));
            others_work();
        }
        // Each that is woken runs for a little.
        for thread in threads.iter().flatten() {
            let before = thread.time().unwrap();
            assert!(comes(|| thread.time().unwrap() > before), "it sleeps on");
        }
    });
}
