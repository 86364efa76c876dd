//! A thread without any of the runtime, whose pager and exception handler is the calling thread.

use core::time::Duration;

use l4_abi::exception::{ExceptionFrame, FRAME_WORDS};
use l4_abi::flexpage::Flexpage;
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::protocol::label;
use l4_abi::protocol::scheduler::CpuSet;
use l4_abi::protocol::thread::ExRegsFlags;
use l4_abi::rights::MemoryRights;
use l4_abi::timeout::TimeoutPair;
use l4_rt::env;
use l4_sys::ipc::{self, Arrival};
use l4_sys::object::{Control, IpcGate, Thread};
use l4_sys::{Object, OwnedCap, Utcb};

use crate::{Code, address, arch};

/// Where the victims' UTCBs are put; nothing else is there.
const UTCBS: u64 = 0xb800_0000;
/// Bytes that one victim's takes: a page.
const UTCB_ORDER: u32 = 12;
/// Below that of the test itself.
const PRIORITY: u8 = 1;

/// What the kernel told last.
#[allow(
    clippy::large_enum_variant,
    reason = "one for each victim; large on aarch64 only"
)]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Report {
    /// Nothing yet.
    None,
    /// The word that tells address and kind.
    PageFault(u64),
    /// The registers.
    Exception(ExceptionFrame),
}

/// The thread.
pub(crate) struct Victim {
    thread: OwnedCap<Thread>,
    _gate: OwnedCap<IpcGate>,
    pub(crate) report: Report,
}

impl Victim {
    /// A thread that begins with `code`, and what stopped it. `number` tells it from others.
    pub(crate) fn new(number: u64, code: Code, stack: u64) -> l4_rt::Result<Self> {
        let mut victim = Self::start(number, code, stack)?;
        victim.report = next_report();
        Ok(victim)
    }

    /// A thread that begins with `code` as soon as this one waits.
    pub(crate) fn start(number: u64, code: Code, stack: u64) -> l4_rt::Result<Self> {
        let utcb = UTCBS + (number << UTCB_ORDER);
        let area = Flexpage::memory(utcb, UTCB_ORDER, MemoryRights::empty());
        env::task().add_kernel_user_memory(area)?;
        let thread = env::factory().create_thread()?;
        let gate = env::factory().create_gate(l4_rt::thread::current(), 0)?;
        thread.control(Control {
            pager: Some(gate.selector()),
            exception_handler: Some(gate.selector()),
            bind: Some((env::task(), utcb as usize)),
            alien: None,
        })?;
        thread.ex_regs(Some(address(code)), Some(stack), ExRegsFlags::empty())?;
        env::scheduler().run_thread(*thread, CpuSet::ALL, PRIORITY, 0)?;
        Ok(Self {
            thread,
            _gate: gate,
            report: Report::None,
        })
    }

    /// The registers that the last exception told.
    pub(crate) fn frame(&self) -> ExceptionFrame {
        match self.report {
            Report::Exception(frame) => frame,
            other => panic!("{other:x?}, not an exception"),
        }
    }

    /// Checks what the last report was.
    pub(crate) fn expect_exception(&self, number: u64, what: &str) {
        let frame = self.frame();
        assert_eq!(arch::number(&frame), number, "{what}: {frame:#x?}");
    }

    /// Lets it go on elsewhere, until the next report.
    pub(crate) fn go_on_at(&mut self, code: Code) {
        self.answer(arch::at(self.frame(), address(code)));
    }

    /// Lets it go on with these registers, until the next report.
    pub(crate) fn answer(&mut self, frame: ExceptionFrame) {
        self.answer_words(frame, FRAME_WORDS);
    }

    /// Likewise, with only the first words of them.
    pub(crate) fn answer_words(&mut self, frame: ExceptionFrame, words: usize) {
        Utcb::current().set_messages(&frame.to_words()[..words]);
        let tag = MessageTag::new(label::NONE, words, 0, TagFlags::empty());
        self.report = receive(ipc::reply_and_wait(tag, TimeoutPair::SEND_ZERO));
    }

    /// Maps nothing for a page fault, and says so.
    pub(crate) fn refuse_page(&mut self) {
        let refused = MessageTag::label_only(-1);
        self.report = receive(ipc::reply_and_wait(refused, TimeoutPair::SEND_ZERO));
    }

    /// Lets it go on with code that is never stopped.
    pub(crate) fn go_on_in_endless_loop(&mut self, code: Code) {
        let frame = arch::at(self.frame(), address(code));
        Utcb::current().set_messages(&frame.to_words());
        let tag = MessageTag::new(label::NONE, FRAME_WORDS, 0, TagFlags::empty());
        ipc::reply(tag).expect("the victim waits for an answer");
        // It runs only while this thread sleeps.
        ipc::sleep(Duration::from_millis(5));
    }

    /// Makes it raise an exception wherever it is.
    pub(crate) fn trigger_exception(&mut self) -> l4_rt::Result {
        let flags = ExRegsFlags::CANCEL.union(ExRegsFlags::TRIGGER_EXCEPTION);
        self.thread.ex_regs(None, None, flags)?;
        self.report = next_report();
        Ok(())
    }
}

/// Waits for what stops any victim next.
pub(crate) fn next_report() -> Report {
    receive(ipc::wait(TimeoutPair::SEND_ZERO))
}

fn receive(arrived: ipc::IpcResult<Arrival>) -> Report {
    let arrival = match arrived {
        Ok(arrival) => arrival,
        Err(error) => panic!("no report came: {error}"),
    };
    let utcb = Utcb::current();
    match arrival.tag.label() {
        label::PAGE_FAULT => Report::PageFault(utcb.message(0)),
        label::EXCEPTION => {
            assert_eq!(arrival.tag.words(), FRAME_WORDS);
            let words = core::array::from_fn(|index| utcb.message(index));
            Report::Exception(ExceptionFrame::from_words(&words))
        }
        other => panic!("a message with label {other} came"),
    }
}
