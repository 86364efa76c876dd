//! What a guest asks of the firmware by `hvc`: PSCI 1.1 (DEN 0022) and the calling convention (DEN 0028).

/// What comes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The caller goes on, with this in x0.
    Value(u64),
    /// The guest switches itself off.
    Off,
    /// The guest wants to start anew.
    Reset,
}

const NOT_SUPPORTED: u64 = -1_i64 as u64;
const INVALID_PARAMETERS: u64 = -2_i64 as u64;
const ALREADY_ON: u64 = -4_i64 as u64;

const CALLING_CONVENTION: u32 = 0x8000_0000;
const VERSION: u32 = 0x8400_0000;
const CPU_OFF: u32 = 0x8400_0002;
const CPU_ON: u32 = 0xc400_0003;
const AFFINITY_INFO: u32 = 0xc400_0004;
const MIGRATE_INFO_TYPE: u32 = 0x8400_0006;
const SYSTEM_OFF: u32 = 0x8400_0008;
const SYSTEM_RESET: u32 = 0x8400_0009;
const FEATURES: u32 = 0x8400_000a;

const IMPLEMENTED: [u32; 9] = [
    CALLING_CONVENTION,
    VERSION,
    CPU_OFF,
    CPU_ON,
    AFFINITY_INFO,
    MIGRATE_INFO_TYPE,
    SYSTEM_OFF,
    SYSTEM_RESET,
    FEATURES,
];

/// Answers the call with this function and first argument. There is one CPU, with affinity 0.
pub fn answer(function: u64, argument: u64) -> Answer {
    Answer::Value(match function as u32 {
        VERSION | CALLING_CONVENTION => 0x1_0001,
        // The only CPU waits for ever: that is the same.
        CPU_OFF | SYSTEM_OFF => return Answer::Off,
        SYSTEM_RESET => return Answer::Reset,
        CPU_ON if argument == 0 => ALREADY_ON,
        CPU_ON => INVALID_PARAMETERS,
        AFFINITY_INFO if argument == 0 => 0,
        AFFINITY_INFO => INVALID_PARAMETERS,
        // There is no trusted system that would care where it runs.
        MIGRATE_INFO_TYPE => 2,
        FEATURES if IMPLEMENTED.contains(&(argument as u32)) => 0,
        _ => NOT_SUPPORTED,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_can_end_itself_in_two_ways() {
        assert_eq!(answer(SYSTEM_OFF.into(), 0), Answer::Off);
        assert_eq!(answer(SYSTEM_RESET.into(), 0), Answer::Reset);
    }

    #[test]
    fn what_is_not_there_is_said_not_to_be() {
        assert_eq!(answer(0xc400_0001, 0), Answer::Value(NOT_SUPPORTED));
        assert_eq!(
            answer(FEATURES.into(), 0xc400_0001),
            Answer::Value(NOT_SUPPORTED)
        );
        assert_eq!(answer(FEATURES.into(), SYSTEM_OFF.into()), Answer::Value(0));
        assert_eq!(answer(CPU_ON.into(), 1), Answer::Value(INVALID_PARAMETERS));
    }
}
