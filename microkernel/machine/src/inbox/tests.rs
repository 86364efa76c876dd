//! Posting and taking; with loom, on two CPUs in every order.

use super::*;

struct Letter {
    number: AtomicU32,
    kept: AtomicU32,
    envelope: Envelope<Letter>,
}

impl Letter {
    fn new(number: u32) -> Self {
        Self {
            number: AtomicU32::new(number),
            kept: AtomicU32::new(0),
            envelope: Envelope::new(),
        }
    }
}

impl Posted for Letter {
    type Kept = u32;

    fn keep(&self) {
        assert_eq!(self.kept.fetch_add(1, Ordering::Relaxed), 0);
    }

    fn let_go(&self) -> u32 {
        self.kept.fetch_sub(1, Ordering::Relaxed)
    }

    fn envelope(&self) -> &Envelope<Self> {
        &self.envelope
    }
}

fn numbers(inbox: &Inbox<Letter>, cpu: &PerCpu<()>) -> Vec<u32> {
    core::iter::from_fn(|| inbox.take(cpu))
        .map(|(letter, kept)| {
            assert_eq!(kept, 1, "a letter is kept once while it is in an inbox");
            letter.number.load(Ordering::Relaxed)
        })
        .collect()
}

#[cfg(not(loom))]
#[test]
fn letters_are_taken_in_the_order_in_which_they_were_posted() {
    let cpu = PerCpu::new(0, ());
    let letters = [Letter::new(1), Letter::new(2), Letter::new(3)];
    let inbox = Inbox::new();
    assert!(inbox.post(&letters[0]));
    assert!(!inbox.post(&letters[1]));
    assert!(!inbox.post(&letters[1]));
    assert!(!inbox.post(&letters[2]));
    assert_eq!(numbers(&inbox, &cpu), [1, 2, 3]);
    assert_eq!(numbers(&inbox, &cpu), []);
    assert!(inbox.post(&letters[2]));
    assert_eq!(numbers(&inbox, &cpu), [3]);
}

#[cfg(not(loom))]
#[test]
#[should_panic(expected = "freed while in an inbox")]
fn an_item_in_an_inbox_is_not_freed() {
    let letter = Letter::new(1);
    Inbox::new().post(&letter);
}

#[cfg(loom)]
mod loom {
    use std::sync::Arc;

    use ::loom::thread;

    use super::*;

    /// Two CPUs post while a third takes: every letter arrives, and the CPU
    /// is told of an inbox that was empty.
    #[test]
    fn no_letter_is_lost_and_none_goes_unannounced() {
        ::loom::model(|| {
            let inbox = Arc::new(Inbox::<Letter>::new());
            let letters = Arc::new([Letter::new(1), Letter::new(2)]);
            let posters = [0, 1].map(|index| {
                let (inbox, letters) = (inbox.clone(), letters.clone());
                thread::spawn(move || inbox.post(&letters[index]))
            });
            let cpu = PerCpu::new(0, ());
            let mut got = numbers(&inbox, &cpu);
            let taken_early = got.len();
            let told = posters.map(|poster| poster.join().expect("no panic"));
            got.extend(numbers(&inbox, &cpu));
            got.sort_unstable();
            assert_eq!(got, [1, 2]);
            if taken_early < 2 {
                assert!(told.contains(&true));
            }
        });
    }

    /// What is written before a letter is posted again is not missed: either
    /// the CPU still takes it, or it sees what was written.
    #[test]
    fn a_letter_that_is_there_already_tells_what_was_added() {
        ::loom::model(|| {
            let inbox = Arc::new(Inbox::<Letter>::new());
            let letter = Arc::new(Letter::new(0));
            inbox.post(&letter);
            let (other_inbox, other) = (inbox.clone(), letter.clone());
            let poster = thread::spawn(move || {
                other.number.fetch_or(1, Ordering::AcqRel);
                other_inbox.post(&other);
            });
            let cpu = PerCpu::new(0, ());
            let take = || {
                core::iter::from_fn(|| inbox.take(&cpu))
                    .map(|(letter, _)| letter.number.swap(0, Ordering::AcqRel))
                    .fold(0, |all, asked| all | asked)
            };
            let mut asked = take();
            poster.join().expect("no panic");
            asked |= take();
            assert_eq!(asked, 1);
        });
    }
}
