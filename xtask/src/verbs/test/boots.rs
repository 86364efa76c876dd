//! Boots: a system on a machine, and what it must do. Two run at once.

use super::{Outcome, Report};
use crate::boot_image;
use crate::console;
use crate::failure::Failure;
use crate::qemu::{End, Machine, Output, Session, Typing};
use crate::symbols::Symbols;
use crate::system::{Lines, Most, Test};
use crate::workspace::Workspace;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How many machines run at once. Their own CPUs are threads too, so more would slow each other down.
const PARALLEL: usize = 2;

/// Lines of the console that are shown of a test that failed.
const SHOWN_LINES: usize = 25;

/// One boot.
pub(super) struct Boot {
    pub(super) name: String,
    pub(super) machine: Machine,
    pub(super) test: Test,
}

/// Boots them all, and tells of each when it has ended.
pub(super) fn run_all(workspace: &Workspace, report: &mut Report, boots: &[Boot]) {
    let next = AtomicUsize::new(0);
    let report = Mutex::new(report);
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL.min(boots.len()) {
            scope.spawn(|| {
                while let Some(boot) = boots.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = Instant::now();
                    let run = boot.run(workspace);
                    // A thread that panicked while it printed leaves counts that are still right.
                    let mut report = report
                        .lock()
                        .unwrap_or_else(|poisoned| poisoned.into_inner());
                    run.tell(boot, start.elapsed(), &mut report);
                }
            });
        }
    });
}

/// What one boot gave.
struct Run {
    outcome: Outcome,
    /// Tests that the system itself reported.
    reports: Vec<(String, Outcome)>,
    /// The console.
    lines: Vec<String>,
}

impl Run {
    fn tell(&self, boot: &Boot, time: Duration, report: &mut Report) {
        let mut passed = 0;
        for (name, outcome) in &self.reports {
            match outcome {
                Outcome::Passed => passed += 1,
                _ => report.add(&format!("{}: {name}", boot.name), outcome, Duration::ZERO),
            }
        }
        // Only failures of those that the system made itself are worth a line.
        report.add_counts(passed, vec![], 0);
        let name = match self.reports.len() {
            0 => boot.name.clone(),
            count => format!("{}, with {count} tests of its own", boot.name),
        };
        report.add(&name, &self.outcome, time);
        if matches!(self.outcome, Outcome::Failed(_)) {
            let skipped = self.lines.len().saturating_sub(SHOWN_LINES);
            self.lines[skipped..]
                .iter()
                .for_each(|line| println!("      {line}"));
        }
    }
}

impl Boot {
    fn run(&self, workspace: &Workspace) -> Run {
        let mut run = Run {
            outcome: Outcome::Passed,
            reports: vec![],
            lines: vec![],
        };
        let ended = self.session(workspace, &mut run);
        let file = format!("{}.log", self.name.replace(['/', ' '], "-"));
        let log = workspace.output(self.machine.arch).join("logs").join(file);
        let saved = boot_image::write_file(&log, (run.lines.join("\n") + "\n").as_bytes());
        run.outcome = match ended.and_then(|end| saved.map(|()| end)) {
            Ok(end) => verdict(&end, &run.lines, &self.test),
            Err(failure) => Outcome::Failed(failure.to_string()),
        };
        run
    }

    fn session(&self, workspace: &Workspace, run: &mut Run) -> Result<End, Failure> {
        let symbols = Symbols::new(workspace, self.machine.arch, self.machine.kernel);
        let typing = Typing::Script(self.test.input.clone());
        let timeout = Duration::from_secs(self.test.timeout);
        let mut session = Session::start(&self.machine, symbols, typing)?;
        if self.test.endless {
            session = session.stop_after(&self.test.expect);
        }
        session.run(Some(timeout), |output| match output {
            Output::Line(line) | Output::Explanation(line) => run.lines.push(line.to_owned()),
            Output::Report(console::Report::Test {
                name,
                passed,
                message,
            }) => {
                let outcome = if passed {
                    Outcome::Passed
                } else {
                    Outcome::Failed(message)
                };
                run.reports.push((name, outcome));
            }
            Output::Bytes(_) | Output::Report(_) => {}
        })
    }
}

/// Whether a boot was what its test wants.
fn verdict(end: &End, lines: &[String], test: &Test) -> Outcome {
    let right_end = match (&test.panic, end) {
        (Some(text), End::Panic(message)) => message.contains(text),
        (Some(_), _) => false,
        (None, End::Satisfied) => test.endless,
        (None, End::Exit(code) | End::Failed(code, _)) => {
            u64::from(*code) == test.exit && !test.endless
        }
        (None, _) => false,
    };
    let missing = missing_line(lines, &test.expect).or_else(|| {
        let own = |all: &Lines| missing_line(&lines_of(lines, &all.component), &all.texts);
        test.components
            .iter()
            .find_map(|all| Some(format!("{} of {}", own(all)?, all.component)))
    });
    if !right_end {
        // What an endless system did not do is why it was not stopped.
        let missing = missing.filter(|_| test.endless);
        let missing = missing.map_or(String::new(), |what| format!(", {what}"));
        return Outcome::Failed(format!("the system {end}{missing}"));
    }
    if let Some(missing) = missing {
        return Outcome::Failed(missing);
    }
    for forbidden in &test.forbid {
        if let Some(line) = lines.iter().find(|line| line.contains(forbidden)) {
            return Outcome::Failed(format!("forbidden line: {line}"));
        }
    }
    for most in &test.most {
        if let Err(why) = at_most(lines, most) {
            return Outcome::Failed(why);
        }
    }
    Outcome::Passed
}

/// Whether the number is told, and never more than it may be.
fn at_most(lines: &[String], most: &Most) -> Result<(), String> {
    let numbers = lines.iter().filter_map(|line| {
        let (_, rest) = line.split_once(&most.after)?;
        let digits: &str = rest.trim_start();
        let end = digits.find(|c: char| !c.is_ascii_digit());
        Some((line, &digits[..end.unwrap_or(digits.len())]))
            .filter(|(_, digits)| !digits.is_empty())
    });
    let mut told = false;
    for (line, digits) in numbers {
        told = true;
        // What does not fit is more.
        if digits
            .parse::<u64>()
            .map_or(true, |number| number > most.number)
        {
            return Err(format!("more than {}: {line}", most.number));
        }
    }
    match told {
        true => Ok(()),
        false => Err(format!("no line with a number after `{}`", most.after)),
    }
}

/// The lines that a component has printed. What is typed may be shown right before its name.
fn lines_of(lines: &[String], component: &str) -> Vec<String> {
    let tagged = lines.iter().filter_map(|line| line.split_once(" | "));
    let own = tagged.filter(|(tag, _)| tag.ends_with(component));
    own.map(|(_, text)| text.to_owned()).collect()
}

/// The first expected line that did not come where it should.
fn missing_line(lines: &[String], expected: &[String]) -> Option<String> {
    let mut rest = lines.iter();
    let missing = (expected.iter()).find(|&text| !rest.any(|line| line.contains(text)))?;
    let exists = lines.iter().any(|line| line.contains(missing));
    let order = if exists { " after the others" } else { "" };
    Some(format!("no line with `{missing}`{order}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict_of(test: Test, end: End, lines: &[&str]) -> Result<(), String> {
        let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        match verdict(&end, &lines, &test) {
            Outcome::Failed(why) => Err(why),
            _ => Ok(()),
        }
    }

    fn with_lines(end: End, lines: &[&str]) -> Result<(), String> {
        let test = Test {
            expect: vec!["first".into(), "second".into()],
            forbid: vec!["never".into()],
            ..Test::default()
        };
        verdict_of(test, end, lines)
    }

    #[test]
    fn a_test_passes_with_all_lines_in_order_and_the_right_end() {
        assert_eq!(
            with_lines(End::Exit(0), &["the first", "x", "the second"]),
            Ok(())
        );
    }

    #[test]
    fn anything_else_fails() {
        let good = ["first", "second"];
        assert!(with_lines(End::Exit(1), &good).is_err());
        assert!(with_lines(End::Timeout(Duration::from_secs(1)), &good).is_err());
        assert!(with_lines(End::Vanished("gone".into()), &good).is_err());
        assert!(with_lines(End::StillOn(0), &good).is_err());
        assert!(with_lines(End::Panic("x".into()), &good).is_err());
        assert!(with_lines(End::Exit(0), &["first"]).is_err());
        assert!(with_lines(End::Exit(0), &["first", "second", "never"]).is_err());
        let order = with_lines(End::Exit(0), &["second", "first"]);
        assert!(order.unwrap_err().ends_with("after the others"));
    }

    #[test]
    fn components_have_their_own_order() {
        let told = |lines: &[&str]| {
            let of = |component: &str, texts: &[&str]| Lines {
                component: component.into(),
                arch: None,
                texts: texts.iter().map(|&text| text.into()).collect(),
            };
            let test = Test {
                components: vec![of("one", &["first", "second"]), of("two", &["first"])],
                ..Test::default()
            };
            verdict_of(test, End::Exit(0), lines)
        };
        let (first, second) = ("one | the first", "one | second");
        assert_eq!(told(&[first, second, "two | first"]), Ok(()));
        assert_eq!(told(&["two | first", first, second]), Ok(()));
        assert_eq!(told(&["typetwo | first", "d", first, second]), Ok(()));
        let why = |lines: &[&str]| told(lines).unwrap_err();
        assert_eq!(why(&[first, second]), "no line with `first` of two");
        assert_eq!(
            why(&[second, first, "two | first"]),
            "no line with `second` after the others of one"
        );
        for forged in ["two | one | second", "one: second", "one two | second"] {
            assert_eq!(why(&[first, forged]), "no line with `second` of one");
        }
    }

    #[test]
    fn a_number_must_be_told_and_not_be_more_than_it_may() {
        let told = |lines: &[&str]| {
            let test = Test {
                most: vec![Most {
                    after: "exits".into(),
                    number: 20_000,
                }],
                ..Test::default()
            };
            verdict_of(test, End::Exit(0), lines)
        };
        assert_eq!(told(&["linux | exits        20000", "port 90000"]), Ok(()));
        assert_eq!(told(&["there are exits", "exits 3 of 30000"]), Ok(()));
        for more in [
            "exits 20001",
            "exits20001",
            "exits 99999999999999999999999999999",
        ] {
            let why = told(&["exits 1", more]).unwrap_err();
            assert_eq!(why, format!("more than 20000: {more}"));
        }
        for none in ["", "exits", "exits: 5", "exits -5", "20 exits"] {
            let why = told(&[none]).unwrap_err();
            assert_eq!(why, "no line with a number after `exits`");
        }
    }

    #[test]
    fn a_system_that_never_ends_passes_when_it_is_stopped_and_only_then() {
        let verdict = |end, lines: &[&str]| {
            let test = Test {
                expect: vec!["first".into(), "second".into()],
                endless: true,
                ..Test::default()
            };
            verdict_of(test, end, lines)
        };
        assert_eq!(verdict(End::Satisfied, &["first", "second"]), Ok(()));
        assert!(with_lines(End::Satisfied, &["first", "second"]).is_err());
        for end in [End::Exit(0), End::Panic("x".into())] {
            assert!(verdict(end, &["first", "second"]).is_err());
        }
        let why = verdict(End::Timeout(Duration::from_secs(9)), &["first"]).unwrap_err();
        assert_eq!(
            why,
            "the system did not end within 9 seconds, no line with `second`"
        );
    }

    #[test]
    fn an_expected_panic_must_happen_and_say_so() {
        let test = || Test {
            panic: Some("no EL2".into()),
            ..Test::default()
        };
        assert_eq!(
            verdict_of(test(), End::Panic("there is no EL2 here".into()), &[]),
            Ok(())
        );
        assert!(verdict_of(test(), End::Panic("other".into()), &[]).is_err());
        assert!(verdict_of(test(), End::Exit(0), &[]).is_err());
    }
}
