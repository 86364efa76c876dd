//! Requests that must be refused, without harm to anybody.

mod capabilities;
mod forgeries;
mod kernel_objects;
mod messages;
mod noise;
mod servers;

use l4_abi::error::{IpcError, ResultCode};
use l4_rt::println;

use crate::raw::Answer;

/// Panics if something is not refused as it should be.
type Attempt = fn() -> l4_rt::Result;

/// What is tried.
const ATTEMPTS: &[(&str, Attempt)] = &[
    ("slots that hold nothing", capabilities::empty_slots),
    ("more than was given", capabilities::more_than_was_given),
    ("destroying what others use", capabilities::destruction),
    (
        "memory of kernel and others",
        capabilities::memory_of_others,
    ),
    ("forged flexpages", forgeries::flexpages),
    ("forged items", forgeries::items),
    ("forged labels", forgeries::labels),
    ("wrong protocols", messages::protocols),
    ("wrong opcodes", messages::opcodes),
    ("wrong lengths", messages::lengths),
    ("UTCBs in bad places", kernel_objects::utcbs),
    (
        "kernel objects that nobody may make",
        kernel_objects::factory,
    ),
    ("a priority above the limit", kernel_objects::priorities),
    ("more than the servers give", servers::check),
    ("the channel of another", capabilities::channel_of_another),
    ("random messages", noise::check),
];

/// Tries them all, and names each.
pub(crate) fn run() -> l4_rt::Result {
    for (what, attempt) in ATTEMPTS {
        attempt()?;
        println!("refused: {what}");
    }
    println!("everything was refused");
    Ok(())
}

#[track_caller]
fn refused(answer: Answer, code: ResultCode) {
    assert_eq!(answer, Answer::Refused(code));
}

#[track_caller]
fn failed(answer: Answer, error: IpcError) {
    assert_eq!(answer, Answer::Failed(error));
}

/// An error of whatever kind.
#[track_caller]
fn not_accepted(answer: Answer) {
    assert!(!matches!(answer, Answer::Accepted(_)), "{answer:?}");
}

#[track_caller]
fn refused_with<T>(result: l4_sys::Result<T>, code: ResultCode) {
    match result {
        Ok(_) => panic!("accepted, should be {code}"),
        Err(error) => assert_eq!(error, code.into()),
    }
}
