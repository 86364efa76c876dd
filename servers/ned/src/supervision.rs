//! What follows when a component ends: pure bookkeeping, without effects of its own.

use alloc::vec::Vec;
use core::time::Duration;

use system_description::{Component, Restart};

/// How a component ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// By itself, with this code; 0 is success.
    Exited(i32),
    /// A thread of it failed.
    Failed,
    /// It did not even start; another attempt would end like this one.
    NotStarted,
}

impl End {
    /// What the system ends with if this is what it ends for.
    pub fn code(self) -> i32 {
        match self {
            End::Exited(code) => code,
            End::Failed | End::NotStarted => FAILURE_CODE,
        }
    }

    fn is_success(self) -> bool {
        self == End::Exited(0)
    }
}

/// Exit code for what has none of its own.
pub const FAILURE_CODE: i32 = 1;

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Start it again, after a pause.
    Restart(Duration),
    /// Nothing: the others go on.
    GoOn,
    /// The system ends with this code.
    EndSystem(i32),
    /// An essential component failed for good: the system ends with this code.
    FailSystem(i32),
}

/// The rules for one component.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Whether it is started again.
    pub restart: Restart,
    /// The system cannot do without it.
    pub is_essential: bool,
    /// The system ends when all such components have ended.
    pub is_awaited: bool,
}

impl From<&Component<'_>> for Rules {
    fn from(component: &Component<'_>) -> Self {
        Self {
            restart: component.restart,
            is_essential: component.essential,
            is_awaited: component.awaited,
        }
    }
}

/// A life shorter than this counts as short.
const SHORT_LIFE: Duration = Duration::from_secs(1);
/// So many short lives in a row are followed by the next without a pause.
const FREE_RESTARTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Ward {
    rules: Rules,
    restarts: u32,
    /// When its last life began, on the clock since boot.
    born: Duration,
    /// How many short lives it has had in a row.
    short_lives: u32,
    /// How it ended for good.
    ended: Option<End>,
}

impl Ward {
    /// How long to wait before the next life: what dies again and again must not keep ned, which
    /// is above all components, from letting the others run.
    fn pause(&mut self, now: Duration) -> Duration {
        let is_short = now.saturating_sub(self.born) < SHORT_LIFE;
        self.short_lives = if is_short {
            self.short_lives.saturating_add(1)
        } else {
            0
        };
        match self.short_lives.checked_sub(FREE_RESTARTS + 1) {
            None => Duration::ZERO,
            Some(more) => FIRST_PAUSE
                .saturating_mul(1 << more.min(16))
                .min(LONGEST_PAUSE),
        }
    }
}

/// The state of all components.
#[derive(Debug)]
pub struct Supervision {
    wards: Vec<Ward>,
}

impl Supervision {
    /// All components are running.
    pub fn new(rules: impl Iterator<Item = Rules>) -> Self {
        let wards = rules.map(|rules| Ward {
            rules,
            restarts: 0,
            born: Duration::ZERO,
            short_lives: 0,
            ended: None,
        });
        Self {
            wards: wards.collect(),
        }
    }

    /// How often a component was started again.
    pub fn restarts(&self, index: usize) -> u32 {
        self.wards.get(index).map_or(0, |ward| ward.restarts)
    }

    /// Takes note that a component is started.
    pub fn started(&mut self, index: usize, now: Duration) {
        if let Some(ward) = self.wards.get_mut(index) {
            ward.born = now;
        }
    }

    /// Takes note that a component ended, and says what is to be done.
    pub fn ended(&mut self, index: usize, end: End, now: Duration) -> Verdict {
        let Some(ward) = self
            .wards
            .get_mut(index)
            .filter(|ward| ward.ended.is_none())
        else {
            return Verdict::GoOn;
        };
        let starts_again = match ward.rules.restart {
            _ if end == End::NotStarted => false,
            Restart::Always => true,
            Restart::OnFailure { limit } => !end.is_success() && ward.restarts < limit,
            Restart::Never => false,
        };
        if starts_again {
            ward.restarts = ward.restarts.saturating_add(1);
            return Verdict::Restart(ward.pause(now));
        }
        ward.ended = Some(end);
        if ward.rules.is_essential && !end.is_success() {
            return Verdict::FailSystem(end.code());
        }
        let awaited = || self.wards.iter().filter(|ward| ward.rules.is_awaited);
        let is_over = if awaited().count() > 0 {
            awaited().all(|ward| ward.ended.is_some())
        } else {
            self.wards.iter().all(|ward| ward.ended.is_some())
        };
        if !is_over {
            return Verdict::GoOn;
        }
        let ends = awaited().filter_map(|ward| ward.ended);
        let failed = ends.map(End::code).find(|code| *code != 0);
        Verdict::EndSystem(failed.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Rules = Rules {
        restart: Restart::Never,
        is_essential: true,
        is_awaited: false,
    };
    const AWAITED: Rules = Rules {
        is_awaited: true,
        ..PLAIN
    };
    const DISPENSABLE: Rules = Rules {
        is_essential: false,
        ..PLAIN
    };

    const NOW: Duration = Duration::from_secs(60);

    fn supervision(rules: &[Rules]) -> Supervision {
        Supervision::new(rules.iter().copied())
    }

    #[test]
    fn the_system_ends_when_all_awaited_have_ended() {
        let mut all = supervision(&[AWAITED, PLAIN, AWAITED]);
        assert_eq!(all.ended(1, End::Exited(0), NOW), Verdict::GoOn);
        assert_eq!(all.ended(2, End::Exited(0), NOW), Verdict::GoOn);
        assert_eq!(all.ended(0, End::Exited(0), NOW), Verdict::EndSystem(0));
    }

    #[test]
    fn its_code_is_that_of_the_first_awaited_one_that_failed() {
        let awaited = Rules {
            is_awaited: true,
            ..DISPENSABLE
        };
        let mut all = supervision(&[awaited, awaited]);
        assert_eq!(all.ended(0, End::Exited(7), NOW), Verdict::GoOn);
        assert_eq!(all.ended(1, End::Exited(0), NOW), Verdict::EndSystem(7));
    }

    #[test]
    fn a_system_that_waits_for_nobody_ends_with_its_last_component() {
        let mut all = supervision(&[PLAIN, PLAIN]);
        assert_eq!(all.ended(0, End::Exited(0), NOW), Verdict::GoOn);
        assert_eq!(all.ended(1, End::Exited(0), NOW), Verdict::EndSystem(0));
    }

    #[test]
    fn an_essential_component_takes_the_system_with_it() {
        let mut all = supervision(&[AWAITED, PLAIN, DISPENSABLE]);
        assert_eq!(all.ended(2, End::Failed, NOW), Verdict::GoOn);
        assert_eq!(
            all.ended(1, End::Failed, NOW),
            Verdict::FailSystem(FAILURE_CODE)
        );
        let mut all = supervision(&[AWAITED, PLAIN]);
        assert_eq!(all.ended(1, End::Exited(3), NOW), Verdict::FailSystem(3));
    }

    #[test]
    fn failures_are_forgiven_up_to_the_limit() {
        let restart = Restart::OnFailure { limit: 2 };
        let mut all = supervision(&[AWAITED, Rules { restart, ..PLAIN }]);
        assert_eq!(
            all.ended(1, End::Failed, NOW),
            Verdict::Restart(Duration::ZERO)
        );
        assert_eq!(
            all.ended(1, End::Exited(9), NOW),
            Verdict::Restart(Duration::ZERO)
        );
        assert_eq!(all.restarts(1), 2);
        assert_eq!(
            all.ended(1, End::Failed, NOW),
            Verdict::FailSystem(FAILURE_CODE)
        );
    }

    #[test]
    fn success_is_no_reason_to_restart_except_for_always() {
        let on_failure = Rules {
            restart: Restart::OnFailure { limit: 2 },
            ..PLAIN
        };
        let always = Rules {
            restart: Restart::Always,
            ..PLAIN
        };
        let mut all = supervision(&[AWAITED, on_failure, always]);
        assert_eq!(all.ended(1, End::Exited(0), NOW), Verdict::GoOn);
        assert_eq!(
            all.ended(2, End::Exited(0), NOW),
            Verdict::Restart(Duration::ZERO)
        );
        assert_eq!(
            all.ended(2, End::Failed, NOW),
            Verdict::Restart(Duration::ZERO)
        );
    }

    #[test]
    fn what_cannot_be_started_is_not_tried_again() {
        let always = Rules {
            restart: Restart::Always,
            ..DISPENSABLE
        };
        let mut all = supervision(&[AWAITED, always]);
        assert_eq!(all.ended(1, End::NotStarted, NOW), Verdict::GoOn);
        assert_eq!(all.restarts(1), 0);
    }

    #[test]
    fn who_dies_again_and_again_has_to_wait() {
        let always = Rules {
            restart: Restart::Always,
            ..PLAIN
        };
        let mut all = supervision(&[AWAITED, always]);
        let mut pauses = Vec::new();
        for _ in 0..20 {
            all.started(1, NOW);
            match all.ended(1, End::Failed, NOW) {
                Verdict::Restart(pause) => pauses.push(pause),
                other => panic!("{other:?}"),
            }
        }
        assert!(pauses[..5].iter().all(|pause| pause.is_zero()));
        assert_eq!(
            pauses[5..8],
            [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
        );
        assert_eq!(pauses[19], LONGEST_PAUSE);
        // A long life is forgiven everything.
        let verdict = all.ended(1, End::Failed, NOW + SHORT_LIFE);
        assert_eq!(verdict, Verdict::Restart(Duration::ZERO));
    }

    #[test]
    fn news_about_nobody_or_the_dead_change_nothing() {
        let mut all = supervision(&[AWAITED, PLAIN]);
        assert_eq!(all.ended(5, End::Failed, NOW), Verdict::GoOn);
        assert_eq!(all.ended(1, End::Exited(0), NOW), Verdict::GoOn);
        assert_eq!(all.ended(1, End::Failed, NOW), Verdict::GoOn);
    }
}
