//! The runner during a round. It has a higher priority than all attackers.

use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;

use l4_test::abi::exception::FaultWord;
use l4_test::abi::protocol::label;
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::timeout::Timeout;
use l4_test::message::{Message, wait_for, word};
use l4_test::sys::ipc;
use l4_test::{own, spawn_at, suite};

use crate::arena::{self, Arena, Round};
use crate::attacker::SHARED;

/// Label of the message of the thread that runs when no other one can.
const IDLE: i64 = 0x1d1e;
/// Its priority.
const IDLE_PRIORITY: u8 = 1;
/// Of so many times that it runs, it waits once for timeouts before it says so.
const SLEEP_EVERY: u32 = 4;
const SLEEP: Duration = Duration::from_micros(300);
/// How long attackers may go on without getting stuck, and how often that is doubled, each time that it was in vain:
/// the machine may be too slow for them to make a call before they are replaced.
const PATIENCE: Duration = Duration::from_millis(1);
const MAX_DOUBLINGS: u32 = 7;
/// How many faults and the like a round may have without one call between them. Threads on several
/// CPUs fault at once on each page of the program before one of them can make a call.
const MAX_FUTILE: u32 = 200;

/// Lets attackers make up to `limit` calls of `seed`; how many they made.
pub(crate) fn round(arena: &mut Arena, seed: u64, limit: u64) -> u64 {
    SHARED.seed.store(seed, Relaxed);
    SHARED.next.store(0, Relaxed);
    SHARED.calls.store(0, Relaxed);
    SHARED.limit.store(limit, Relaxed);
    let mut round = arena.round();
    let idle = spawn_at(IDLE_PRIORITY, tell_when_idle);
    let (mut turn, mut futile, mut last) = (0, 0, 0);
    let mut doublings = 0;
    let mut goes_on = true;
    while goes_on && calls_made() < limit {
        let patience = PATIENCE * (1 << doublings);
        let message = wait_for(Timeout::from_micros(patience.as_micros() as u64));
        // Not steps: a thread that faults in each step takes one more whenever it is replaced.
        let now = calls_made();
        futile += 1;
        if now > last {
            last = now;
            futile = 0;
            doublings = 0;
            suite::is_alive();
        }
        if futile > MAX_FUTILE {
            // They have destroyed too much of what they need to go on: mapped memory of theirs
            // over their own code, for instance.
            goes_on = false;
        } else if !message.came() {
            // Somebody may run for ever, or make faults that nobody hears of.
            goes_on = round.replace_all();
            doublings = MAX_DOUBLINGS.min(doublings + 1);
        } else if message.tag.label() == IDLE {
            turn += 1;
            goes_on = round.restart_all(turn) && round.repair(turn);
            Message::new(0).reply();
        } else if let Some(thread) = arena::faulting_thread(message.label) {
            goes_on = resolve(&mut round, thread, message.tag.label());
        }
    }
    drop(idle);
    round.end();
    calls_made()
}

/// Attackers can write any number of calls. But of five of their steps hardly more than three are
/// calls, and a number that is too small costs them time only.
fn calls_made() -> u64 {
    let steps = SHARED.next.load(Relaxed);
    SHARED.calls.load(Relaxed).min(steps - steps / 5 * 2)
}

/// Brings back what `thread` has lost of the program; after any other fault another thread takes its place.
/// False if the round cannot go on.
fn resolve(round: &mut Round, thread: u64, label: i64) -> bool {
    let fault = FaultWord::from_raw(word(0));
    let wanted = match (fault.is_write(), fault.is_fetch()) {
        (true, _) => MemoryRights::WRITE,
        (_, true) => MemoryRights::EXECUTE,
        _ => MemoryRights::READ,
    };
    let rights = match label {
        label::PAGE_FAULT => arena::program_rights(fault.address()),
        _ => None,
    };
    match rights.filter(|rights| rights.contains(wanted)) {
        Some(rights) => {
            let mapped = round.map_program(fault.address(), rights);
            Message::new(0).reply();
            mapped.is_ok()
        }
        // It may have registers with which it cannot go on anywhere.
        None => round.replace(thread),
    }
}

fn tell_when_idle() {
    for turn in 0_u32.. {
        if turn.is_multiple_of(SLEEP_EVERY) {
            ipc::sleep(SLEEP);
        }
        Message::new(IDLE).call(*own::thread());
    }
}
