//! A thread whose registers all have values that are known, before and after a stay in the kernel.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::exception::{ExceptionFrame, FRAME_WORDS};
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::message_tag::MessageTag;
use l4_test::abi::operation::{Destination, Operation};
use l4_test::abi::protocol::label;
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::timeout::TimeoutPair;
use l4_test::fault::spawn_paged;
use l4_test::memory::{PAGE, PAGE_ORDER, UNUSED};
use l4_test::message::{wait, word};
use l4_test::sys::Selector;
use l4_test::{Message, Reply, Worker, own};

use crate::arch;

/// A piece of code that ends with an undefined instruction.
pub(crate) type Code = unsafe extern "C" fn();

/// Values of a register above this could be an address.
const SMALL: u64 = 0x100_0000;

/// Its pager and exception handler is the runner.
pub(crate) struct Probe {
    worker: Worker<()>,
    /// The registers with which it goes on.
    pub(crate) before: ExceptionFrame,
}

/// Registers of a system call that the kernel may change: the tag and the label.
pub(crate) struct Results {
    pub(crate) tag: MessageTag,
    pub(crate) label: u64,
}

impl Probe {
    /// A thread that has executed `prepare`, and is about to run `code`, with a number of its own in
    /// each register.
    pub(crate) fn new(code: Code, prepare: impl FnOnce() + 'static) -> Self {
        let worker = spawn_paged(move || {
            prepare();
            // SAFETY: it raises an exception, and the answer leads elsewhere.
            unsafe { arch::undefined() }
        });
        let mut before = await_exception();
        arch::fill(&mut before, code as *const () as u64);
        Self { worker, before }
    }

    /// A thread that is about to make a system call.
    pub(crate) fn calling(
        selector: Selector,
        operation: Operation,
        tag: MessageTag,
        timeouts: TimeoutPair,
        prepare: impl FnOnce() + 'static,
    ) -> Self {
        let mut probe = Self::new(arch::system_call, prepare);
        let destination = Destination::new(selector, operation).raw();
        arch::set_system_call(&mut probe.before, tag.raw(), destination, timeouts.raw());
        probe
    }

    pub(crate) fn worker(&self) -> &Worker<()> {
        &self.worker
    }

    /// Lets it go on with its registers, until it raises a page fault or an exception, or for ever.
    pub(crate) fn go(&self) {
        let answer = Message::new(0).words(&self.before.to_words()).reply();
        assert!(answer.came());
    }

    /// Checks that it comes out of a system call with its registers, but for `results`.
    pub(crate) fn check_results(&self, results: Results) {
        let after = await_exception();
        let mut expected = self.before;
        arch::set_results(&mut expected, results.tag.raw(), results.label);
        self.compare(expected, after);
    }

    /// As [`check_results`](Self::check_results), where the results are the kernel's choice; they
    /// can be no addresses.
    pub(crate) fn check_small_results(&self) {
        let after = await_exception();
        let (tag, label) = arch::results(&after);
        assert!(
            tag < SMALL || MessageTag::from_raw(tag).has_error(),
            "{tag:#x}"
        );
        assert!(label < SMALL, "{label:#x}");
        let mut expected = self.before;
        arch::set_results(&mut expected, tag, label);
        self.compare(expected, after);
    }

    /// Checks that it comes to its end with the registers that it had.
    pub(crate) fn check(&self) {
        self.compare(self.before, await_exception());
    }

    /// Checks registers that come in a message, while it runs [`arch::spin`].
    pub(crate) fn check_spinning(&self) {
        let after = received(wait());
        let kept = [after, self.before].map(|frame| arch::kept(&arch::without_spinning(frame)));
        assert_eq!(kept[0], kept[1]);
    }

    /// Waits until it raises an exception: all registers.
    pub(crate) fn await_exception(&self) -> ExceptionFrame {
        await_exception()
    }

    fn compare(&self, expected: ExceptionFrame, after: ExceptionFrame) {
        assert!(arch::is_undefined(&after), "{after:x?}");
        assert_eq!(arch::kept(&after), arch::kept(&expected));
    }
}

/// Waits for an exception: all registers.
fn await_exception() -> ExceptionFrame {
    let frame = received(wait());
    assert!(arch::is_undefined(&frame), "{frame:x?}");
    frame
}

fn received(reply: Reply) -> ExceptionFrame {
    let shape = (reply.tag.label(), reply.tag.words(), reply.tag.items());
    assert_eq!(shape, (label::EXCEPTION, FRAME_WORDS, 0));
    ExceptionFrame::from_words(&core::array::from_fn(word))
}

/// A new page of kernel-user memory of the own task.
pub(crate) fn kernel_user_page() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(UNUSED + (1 << 29));
    let address = NEXT.fetch_add(PAGE, SeqCst);
    let area = Flexpage::memory(address, PAGE_ORDER, MemoryRights::RW);
    own::task().add_kernel_user_memory(area).unwrap();
    address
}
