//! Interrupts.

use l4_test::abi::protocol::icu::PIN_MSI;
use l4_test::abi::timeout::Timeout;
use l4_test::message::{wait, wait_for};
use l4_test::sys::OwnedCap;
use l4_test::sys::object::Irq;
use l4_test::{own, spawn_at};

use crate::alone::check;

const QUOTA: u64 = 128 << 10;
const MOST: usize = 1000;

/// As many as there is memory for, and all have been triggered before anybody receives one.
pub(crate) fn many_pending_interrupts() {
    check(QUOTA, |factory, others_work| {
        let mut irqs: [Option<OwnedCap<Irq>>; MOST] = [const { None }; MOST];
        let mut count = 0;
        while let Ok(irq) = factory.create_irq() {
            irqs[count] = Some(irq);
            count += 1;
        }
        // It runs when the runner waits.
        let receiver = spawn_at(l4_test::suite::PRIORITY - 1, move || {
            let mut labels = 0;
            for _ in 0..count {
                labels += wait().label;
            }
            assert!(!wait_for(Timeout::ZERO).came(), "one too many");
            labels
        });
        for (label, irq) in (1..).zip(irqs.iter().flatten()) {
            irq.bind_thread(receiver.thread(), label * 0x10).unwrap();
            // Triggers coalesce.
            irq.trigger().unwrap();
            irq.trigger().unwrap();
        }
        others_work();
        let count = count as u64;
        assert_eq!(receiver.join(), 0x10 * count * (count + 1) / 2);
    });
}

/// All pins, and all messages that take the place of pins, can be bound once; and again.
pub(crate) fn all_pins() {
    check(QUOTA, |factory, others_work| {
        let info = own::icu().info().unwrap();
        let pins = (0..info.pins).chain((0..info.msis).map(|number| number | PIN_MSI));
        let mut bound: [Option<OwnedCap<Irq>>; MOST] = [const { None }; MOST];
        let mut count = 0;
        let mut all = pins.clone();
        for pin in &mut all {
            let Ok(irq) = factory.create_irq() else {
                break;
            };
            // Some are the kernel's own.
            if own::icu().bind(pin, irq.as_cap()).is_ok() {
                bound[count] = Some(irq);
                count += 1;
            }
        }
        assert!(count > 16, "{count}");
        let extra = own::factory().create_irq().unwrap();
        let free = pins
            .take(count)
            .filter(|pin| own::icu().bind(*pin, extra.as_cap()).is_ok());
        assert_eq!(free.count(), 0);
        others_work();
    });
}
