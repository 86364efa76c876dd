//! A routine whose load may fail: `arch` has its code.

/// What comes back in two registers.
#[repr(C)]
struct Answer {
    word: u64,
    is_valid: u64,
}

// SAFETY: the assembly has these symbols, touches only registers that calls may change, and only reads
// memory. A read from nowhere is an exception that a rescue jump turns into an answer.
unsafe extern "C" {
    safe fn l4re_try_read(address: u64) -> Answer;
    safe fn l4re_try_read_end();
    safe fn l4re_try_read_failed();
}

/// The word at `address`, if something can be read there. Needs the rescue jump.
pub(crate) fn try_read(address: u64) -> Option<u64> {
    let answer = l4re_try_read(address);
    (answer.is_valid != 0).then_some(answer.word)
}

/// The first instruction that may fail.
pub(crate) fn first() -> u64 {
    l4re_try_read as *const () as u64
}

/// The first one behind those.
pub(crate) fn end() -> u64 {
    l4re_try_read_end as *const () as u64
}

/// Where to continue.
pub(crate) fn failed() -> u64 {
    l4re_try_read_failed as *const () as u64
}
