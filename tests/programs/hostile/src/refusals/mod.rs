//! Requests that must be refused, without harm to anybody.

mod capabilities;
mod kernel_objects;
mod noise;
mod servers;

use l4_abi::error::{IpcError, ResultCode};
use l4_rt::println;

use crate::raw::Answer;

/// Tries them all; panics at the first that is not refused as it should be.
pub(crate) fn run() -> l4_rt::Result {
    capabilities::check()?;
    kernel_objects::check()?;
    servers::check()?;
    noise::check()?;
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
