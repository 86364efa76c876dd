//! What is being asked of servers just now: pure bookkeeping, without effects of its own.
//!
//! A server may never answer, and may die and come back as often as it likes. So nothing is asked
//! twice at a time: whoever asks again gets what the server says after the answer to the first.

use alloc::vec::Vec;

/// Who asks for what: two asks with the same key would get the same kind of answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// The component that is to have the gates.
    pub component: usize,
    /// Which of its instances.
    pub generation: u32,
    /// The server, if not all of them are asked.
    pub server: Option<usize>,
}

/// Asks under way.
#[derive(Debug)]
pub struct Asks<W> {
    /// With the wishes of who asked again.
    under_way: Vec<(Key, Option<W>)>,
}

impl<W> Asks<W> {
    /// Nothing is being asked.
    pub const fn new() -> Self {
        Self {
            under_way: Vec::new(),
        }
    }

    /// Notes an ask. Returns the wishes that are to be sent now; nothing if that has to wait.
    pub fn begin(&mut self, key: Key, wishes: W) -> Option<W> {
        match self.under_way.iter_mut().find(|one| one.0 == key) {
            Some((_, again)) => {
                *again = Some(wishes);
                None
            }
            None => {
                self.under_way.push((key, None));
                Some(wishes)
            }
        }
    }

    /// Whether there is still to be an answer.
    pub fn is_under_way(&self, key: Key) -> bool {
        self.under_way.iter().any(|one| one.0 == key)
    }

    /// Notes an answer, or that there will be none. If somebody asked again meanwhile the answer is
    /// an old one, and the wishes are to be sent with a new ask.
    pub fn end(&mut self, key: Key) -> Option<W> {
        let index = self.under_way.iter().position(|one| one.0 == key)?;
        self.under_way.swap_remove(index).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key {
        component: 1,
        generation: 0,
        server: Some(7),
    };

    #[test]
    fn a_server_that_never_answers_is_asked_once() {
        let mut asks = Asks::new();
        assert_eq!(asks.begin(KEY, "first"), Some("first"));
        for _ in 0..1000 {
            assert_eq!(asks.begin(KEY, "again"), None);
        }
        assert_eq!(asks.under_way.len(), 1);
    }

    #[test]
    fn an_answer_from_before_the_last_ask_does_not_count() {
        let mut asks = Asks::new();
        asks.begin(KEY, "first");
        asks.begin(KEY, "second");
        asks.begin(KEY, "third");
        assert!(asks.is_under_way(KEY));
        assert_eq!(asks.end(KEY), Some("third"));
        assert!(!asks.is_under_way(KEY));
        assert_eq!(asks.begin(KEY, "third"), Some("third"));
        assert_eq!(asks.end(KEY), None);
        assert_eq!(asks.end(KEY), None);
    }

    #[test]
    fn others_are_asked_at_the_same_time() {
        let mut asks = Asks::new();
        asks.begin(KEY, ());
        for other in [
            Key {
                component: 2,
                ..KEY
            },
            Key {
                generation: 1,
                ..KEY
            },
            Key {
                server: None,
                ..KEY
            },
        ] {
            assert_eq!(asks.begin(other, ()), Some(()));
        }
    }
}
