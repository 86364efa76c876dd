//! Interrupts that one thread triggers and another one waits for.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::timeout::TimeoutPair;
use l4_test::own;
use l4_test::sys::object::Irq;
use l4_test::sys::{Cap, ipc};

use super::OPERATIONS;
use crate::measure::{between, row, stagger};
use crate::partner::{Place, Stack};
use crate::{PRIORITY, arch};

static STACK: Stack = Stack::new();
/// The counter when the last interrupt was received.
static RECEIVED: AtomicU64 = AtomicU64::new(0);

/// An interrupt that a thread with a higher priority waits for.
pub(crate) struct Rows {
    irq: Cap<Irq>,
}

impl Rows {
    pub(crate) fn new(own: &mut Place) -> Self {
        let irq = own::factory()
            .create_irq()
            .expect("cannot make an interrupt")
            .leak();
        let thread = own.start(PRIORITY + 1, &STACK, receive).leak();
        irq.bind_thread(thread, 0x40).expect("cannot bind");
        Self { irq }
    }

    pub(crate) fn measure(&self, crowd: usize) {
        row("irq-receive", crowd, OPERATIONS, || {
            let mut ticks = 0;
            for round in 0..OPERATIONS {
                stagger(round);
                let start = arch::counter();
                self.irq.trigger().expect("cannot trigger");
                ticks += between(start, RECEIVED.load(SeqCst));
            }
            ticks
        });
    }
}

extern "C" fn receive(_: u64) -> ! {
    loop {
        ipc::wait(TimeoutPair::NEVER).expect("cannot wait for interrupts");
        RECEIVED.store(arch::counter(), SeqCst);
    }
}
