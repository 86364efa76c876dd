//! What a guest asks of the firmware by `hvc`: PSCI 1.1 (DEN 0022) and the calling convention (DEN 0028).

use super::devices::gic::MAX_CPUS;
use crate::end::End;
use alloc::vec::Vec;

/// What comes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The caller goes on, with this in x0.
    Value(u64),
    /// The calling CPU is off.
    CpuOff,
    /// The guest ends.
    End(End),
}

const NOT_SUPPORTED: u64 = -1_i64 as u64;
const INVALID_PARAMETERS: u64 = -2_i64 as u64;
const ALREADY_ON: u64 = -4_i64 as u64;
const ON_PENDING: u64 = -5_i64 as u64;

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

/// How a CPU starts: its first instruction, and x0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// First instruction.
    pub ip: u64,
    /// For x0.
    pub argument: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Off,
    Starting(Start),
    On,
}

/// The firmware: it knows which CPUs are on. Their affinities are their numbers.
pub struct Firmware(Vec<State>);

impl Firmware {
    /// For so many CPUs, of which the first one starts.
    pub fn new(cpus: u8, first: Start) -> Self {
        let mut states: Vec<_> = (0..cpus).take(MAX_CPUS).map(|_| State::Off).collect();
        if let Some(state) = states.first_mut() {
            *state = State::Starting(first);
        }
        Self(states)
    }

    /// Whether a CPU is to start.
    pub fn is_starting(&self, cpu: usize) -> bool {
        matches!(self.0.get(cpu), Some(State::Starting(_)))
    }

    /// Whether a CPU runs.
    pub fn is_on(&self, cpu: usize) -> bool {
        self.0.get(cpu) == Some(&State::On)
    }

    /// How a CPU is to start, which it does now.
    pub fn start(&mut self, cpu: usize) -> Option<Start> {
        let state = self.0.get_mut(cpu)?;
        let State::Starting(start) = *state else {
            return None;
        };
        *state = State::On;
        Some(start)
    }

    /// Answers a CPU's call with these x0 to x3.
    pub fn answer(&mut self, cpu: usize, [function, target, ip, argument]: [u64; 4]) -> Answer {
        Answer::Value(match function as u32 {
            VERSION | CALLING_CONVENTION => 0x1_0001,
            SYSTEM_OFF => return Answer::End(End::Off),
            SYSTEM_RESET => return Answer::End(End::Reset),
            CPU_OFF => {
                if let Some(state) = self.0.get_mut(cpu) {
                    *state = State::Off;
                }
                // When the last one is off nothing can be on again.
                let is_end = self.0.iter().all(|state| *state == State::Off);
                return if is_end {
                    Answer::End(End::Off)
                } else {
                    Answer::CpuOff
                };
            }
            CPU_ON => match self.state(target) {
                Some(state @ State::Off) => {
                    *state = State::Starting(Start { ip, argument });
                    0
                }
                Some(State::Starting(_)) => ON_PENDING,
                Some(State::On) => ALREADY_ON,
                None => INVALID_PARAMETERS,
            },
            AFFINITY_INFO => match self.state(target) {
                Some(State::On) => 0,
                Some(State::Off) => 1,
                Some(State::Starting(_)) => 2,
                None => INVALID_PARAMETERS,
            },
            // There is no trusted system that would care where it runs.
            MIGRATE_INFO_TYPE => 2,
            FEATURES if IMPLEMENTED.contains(&(target as u32)) => 0,
            _ => NOT_SUPPORTED,
        })
    }

    fn state(&mut self, affinity: u64) -> Option<&mut State> {
        self.0.get_mut(usize::try_from(affinity).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Start = Start {
        ip: 0x8_0000,
        argument: 7,
    };

    fn firmware() -> Firmware {
        let mut firmware = Firmware::new(2, FIRST);
        assert_eq!(firmware.start(0), Some(FIRST));
        firmware
    }

    fn call(firmware: &mut Firmware, function: u32, target: u64) -> Answer {
        firmware.answer(0, [function.into(), target, 0x1000, 0x2000])
    }

    #[test]
    fn the_guest_can_end_itself_in_two_ways() {
        let mut firmware = firmware();
        assert_eq!(call(&mut firmware, SYSTEM_OFF, 0), Answer::End(End::Off));
        assert_eq!(
            call(&mut firmware, SYSTEM_RESET, 0),
            Answer::End(End::Reset)
        );
    }

    #[test]
    fn what_is_not_there_is_said_not_to_be() {
        let mut firmware = firmware();
        let mut value = |function, target| call(&mut firmware, function, target);
        assert_eq!(value(0xc400_0001, 0), Answer::Value(NOT_SUPPORTED));
        assert_eq!(value(FEATURES, 0xc400_0001), Answer::Value(NOT_SUPPORTED));
        assert_eq!(value(FEATURES, SYSTEM_OFF.into()), Answer::Value(0));
        for target in [2, 0x100, u64::MAX] {
            assert_eq!(value(CPU_ON, target), Answer::Value(INVALID_PARAMETERS));
            assert_eq!(
                value(AFFINITY_INFO, target),
                Answer::Value(INVALID_PARAMETERS)
            );
        }
    }

    #[test]
    fn a_cpu_is_switched_on_once_and_starts_where_it_was_told() {
        let mut firmware = firmware();
        assert_eq!(call(&mut firmware, AFFINITY_INFO, 1), Answer::Value(1));
        assert_eq!(call(&mut firmware, CPU_ON, 0), Answer::Value(ALREADY_ON));
        assert_eq!(call(&mut firmware, CPU_ON, 1), Answer::Value(0));
        assert_eq!(call(&mut firmware, CPU_ON, 1), Answer::Value(ON_PENDING));
        assert!(firmware.is_starting(1) && !firmware.is_starting(0));
        let start = Start {
            ip: 0x1000,
            argument: 0x2000,
        };
        assert!(!firmware.is_on(1));
        assert_eq!((firmware.start(1), firmware.start(1)), (Some(start), None));
        assert!(firmware.is_on(1));
        assert_eq!(call(&mut firmware, AFFINITY_INFO, 1), Answer::Value(0));
    }

    #[test]
    fn the_last_cpu_that_is_switched_off_ends_the_guest() {
        let mut firmware = firmware();
        assert_eq!(call(&mut firmware, CPU_ON, 1), Answer::Value(0));
        assert_eq!(call(&mut firmware, CPU_OFF, 0), Answer::CpuOff);
        assert!(!firmware.is_on(0));
        let last = firmware.answer(1, [CPU_OFF.into(), 0, 0, 0]);
        assert_eq!(last, Answer::End(End::Off));
    }
}
