//! The thread that does the hostile things.

use l4_abi::capability::slot;
use l4_abi::exception::{ExceptionFrame, FRAME_WORDS};
use l4_abi::flexpage::{Flexpage, PAGE_ORDER};
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::protocol::label;
use l4_abi::protocol::scheduler::CpuSet;
use l4_abi::protocol::thread::ExRegsFlags;
use l4_abi::rights::MemoryRights;
use l4_abi::timeout::{Timeout, TimeoutPair};
use l4_sys::object::{Control, Factory, Scheduler, Task, Thread};
use l4_sys::{Cap, Object, OwnedCap, Result, Selector, Utcb, ipc};

use crate::arch;

/// Where its UTCB is.
const UTCB_AREA: u64 = 0x7000_0000;
/// The own thread runs whenever it can.
const OWN_PRIORITY: u8 = 20;
const VICTIM_PRIORITY: u8 = 10;
/// How long the victim may run with random registers before it is stopped.
const PATIENCE: Timeout = Timeout::from_micros(1_000_000);
const RANDOM_ROUNDS: u32 = 20_000;
const STACK_SIZE: usize = 16 * 1024;

#[repr(C, align(4096))]
struct Stack([u8; STACK_SIZE]);

static mut STACK: Stack = Stack([0; STACK_SIZE]);

pub(crate) struct Victim {
    pub(crate) thread: OwnedCap<Thread>,
    /// Segment registers and the like, as the victim had them at first.
    template: ExceptionFrame,
    seed: u64,
}

impl Victim {
    /// Makes the thread and lets it raise its first exception.
    pub(crate) fn start() -> Result<Self> {
        let scheduler: Cap<Scheduler> = Cap::at(slot::SCHEDULER);
        let own: Cap<Thread> = Cap::at(slot::THREAD);
        scheduler.run_thread(own, CpuSet::ALL, OWN_PRIORITY, 0)?;
        let task: Cap<Task> = Cap::at(slot::TASK);
        task.add_kernel_user_memory(Flexpage::memory(
            UTCB_AREA,
            PAGE_ORDER,
            MemoryRights::READ | MemoryRights::WRITE,
        ))?;
        let thread = Cap::<Factory>::at(slot::FACTORY).create_thread()?;
        thread.control(Control {
            pager: Some(Selector::new(slot::PAGER)),
            exception_handler: Some(own.selector()),
            bind: Some((task, UTCB_AREA as usize)),
            alien: None,
        })?;
        thread.ex_regs(Some(0), Some(stack_top()), ExRegsFlags::TRIGGER_EXCEPTION)?;
        scheduler.run_thread(thread.as_cap(), CpuSet::ALL, VICTIM_PRIORITY, 0)?;
        let mut victim = Self {
            thread,
            template: ExceptionFrame::default(),
            seed: 0x1234_5678_9abc_def1,
        };
        match ipc::wait(TimeoutPair::NEVER) {
            Ok(arrival) => victim.template = victim.received(arrival.tag),
            Err(error) => panic!("no first exception: {error}"),
        }
        Ok(victim)
    }

    /// Registers to begin code at `start` with: each has a value of its own.
    pub(crate) fn fresh(&self, start: u64) -> ExceptionFrame {
        arch::fresh(&self.template, start, stack_top())
    }

    /// Lets the victim go on with these registers until its next exception.
    pub(crate) fn run(&mut self, frame: &ExceptionFrame) -> ExceptionFrame {
        match self.run_for(frame, Timeout::NEVER) {
            Some(frame) => frame,
            None => panic!("no exception came"),
        }
    }

    /// As [`run`](Self::run); `None` if there is no exception in this time.
    fn run_for(&mut self, frame: &ExceptionFrame, time: Timeout) -> Option<ExceptionFrame> {
        Utcb::current().set_messages(&frame.to_words());
        let tag = MessageTag::words_only(label::NONE, FRAME_WORDS);
        match ipc::reply_and_wait(tag, TimeoutPair::new(Timeout::NEVER, time)) {
            Ok(arrival) => Some(self.received(arrival.tag)),
            Err(error) if error.is_receive() => None,
            Err(error) => panic!("no answer is possible: {error}"),
        }
    }

    fn received(&self, tag: MessageTag) -> ExceptionFrame {
        assert_eq!(tag.label(), label::EXCEPTION);
        assert_eq!(tag.words(), FRAME_WORDS);
        assert!(tag.flags().contains(TagFlags::TRANSFER_FPU));
        let utcb = Utcb::current();
        ExceptionFrame::from_words(&core::array::from_fn(|index| utcb.message(index)))
    }

    /// Stops a victim that runs for ever, by an exception.
    fn stop(&mut self) {
        let flags = ExRegsFlags::CANCEL | ExRegsFlags::TRIGGER_EXCEPTION;
        if let Err(error) = self.thread.ex_regs(None, Some(stack_top()), flags) {
            panic!("the victim cannot be stopped: {error}");
        }
        match ipc::wait(TimeoutPair::NEVER) {
            Ok(arrival) => {
                self.received(arrival.tag);
            }
            Err(error) => panic!("the victim does not stop: {error}"),
        }
    }

    /// Goes on with random registers, many times; they lead to addresses where there is nothing,
    /// or to `arch::TARGET`.
    pub(crate) fn random_registers(&mut self) {
        for _ in 0..RANDOM_ROUNDS {
            let mut words = [0; FRAME_WORDS];
            for word in &mut words {
                *word = self.odd_value();
            }
            let mut frame = ExceptionFrame::from_words(&words);
            let address = self.odd_address();
            arch::lead(&mut frame, address);
            if self.run_for(&frame, PATIENCE).is_none() {
                self.stop();
            }
        }
    }

    fn odd_address(&mut self) -> u64 {
        match self.random() % 6 {
            0 => 0,
            1 => !0,
            2 => 1 << 47,
            3 => (1 << 47) - 1,
            4 => self.random() | 1 << 63,
            _ => arch::target(),
        }
    }

    fn odd_value(&mut self) -> u64 {
        match self.random() % 8 {
            0 => 0,
            1 => !0,
            2 => 1 << (self.random() % 64),
            3 => self.random() & 0xffff,
            4 => stack_top() - self.random() % 64,
            5 => self.odd_address(),
            _ => self.random(),
        }
    }

    /// Xorshift.
    fn random(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed
    }
}

fn stack_top() -> u64 {
    (&raw const STACK).addr() as u64 + STACK_SIZE as u64
}
