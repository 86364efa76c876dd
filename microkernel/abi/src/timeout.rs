//! IPC timeouts.
//!
//! Source: `abi/01` (timeouts). Times are microseconds of the KIP clock.

use crate::utcb::BUFFER_REGISTERS;

/// One timeout: never, relative, or absolute by way of a buffer register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Timeout(u16);

/// What a [`Timeout`] means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// No timeout.
    Never,
    /// Fail at once if the partner is not ready.
    Zero,
    /// Expires so many microseconds after the wait began. Zero is reached by unusual encodings:
    /// the wait begins and ends at once.
    Relative(u64),
    /// Expires when the clock reaches the value in this buffer register.
    Absolute(usize),
}

impl Timeout {
    /// No timeout.
    pub const NEVER: Timeout = Timeout(0);
    /// Do not wait at all.
    pub const ZERO: Timeout = Timeout(0x400);
    /// The longest relative timeout, about 25 days.
    pub const LONGEST: Timeout = Timeout(0x7fff);

    const MANTISSA_BITS: u32 = 10;
    const MANTISSA_MASK: u16 = (1 << Self::MANTISSA_BITS) - 1;
    const EXPONENT_MASK: u16 = 0x1f;
    const ABSOLUTE: u16 = 0x8000;
    const REGISTER_MASK: u16 = 0x3f;

    /// A relative timeout, rounded up to the next of the ten-bit values.
    ///
    /// Zero gives [`Timeout::ZERO`], more than [`Timeout::LONGEST`] gives [`Timeout::NEVER`].
    pub const fn from_micros(micros: u64) -> Timeout {
        if micros == 0 {
            return Timeout::ZERO;
        }
        let mut exponent = 0;
        while exponent <= Self::EXPONENT_MASK {
            let mantissa = ((micros - 1) >> exponent) + 1;
            if mantissa <= Self::MANTISSA_MASK as u64 {
                return Timeout(exponent << Self::MANTISSA_BITS | mantissa as u16);
            }
            exponent += 1;
        }
        Timeout::NEVER
    }

    /// A timeout at the time that the caller puts into a buffer register (0 to 57).
    pub const fn absolute(buffer_register: usize) -> Timeout {
        debug_assert!(buffer_register < BUFFER_REGISTERS);
        Timeout(Self::ABSOLUTE | buffer_register as u16 & Self::REGISTER_MASK)
    }

    /// Takes a half word as it is.
    pub const fn from_raw(raw: u16) -> Timeout {
        Timeout(raw)
    }

    /// The half word as it goes into the register.
    pub const fn raw(self) -> u16 {
        self.0
    }

    /// What the timeout means.
    pub const fn expiry(self) -> Expiry {
        if self.0 & Self::ABSOLUTE != 0 {
            let register = (self.0 & Self::REGISTER_MASK) as usize;
            return Expiry::Absolute(if register < BUFFER_REGISTERS {
                register
            } else {
                BUFFER_REGISTERS - 1
            });
        }
        match self.0 {
            0 => Expiry::Never,
            0x400 => Expiry::Zero,
            raw => Expiry::Relative(
                ((raw & Self::MANTISSA_MASK) as u64)
                    << (raw >> Self::MANTISSA_BITS & Self::EXPONENT_MASK),
            ),
        }
    }
}

/// Send and receive timeout of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct TimeoutPair(u32);

impl TimeoutPair {
    /// Wait for ever in both phases.
    pub const NEVER: TimeoutPair = TimeoutPair::new(Timeout::NEVER, Timeout::NEVER);
    /// Do not wait for a sender.
    pub const RECEIVE_ZERO: TimeoutPair = TimeoutPair::new(Timeout::NEVER, Timeout::ZERO);
    /// Do not wait for the receiver: what a server replies with.
    pub const SEND_ZERO: TimeoutPair = TimeoutPair::new(Timeout::ZERO, Timeout::NEVER);
    /// Do not wait at all.
    pub const BOTH_ZERO: TimeoutPair = TimeoutPair::new(Timeout::ZERO, Timeout::ZERO);

    /// Joins two timeouts.
    pub const fn new(send: Timeout, receive: Timeout) -> TimeoutPair {
        TimeoutPair((send.raw() as u32) << 16 | receive.raw() as u32)
    }

    /// Takes the low half of a register.
    pub const fn from_raw(raw: u32) -> TimeoutPair {
        TimeoutPair(raw)
    }

    /// The word as it goes into the register.
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// The send timeout: how long the receiver may take to become ready.
    pub const fn send(self) -> Timeout {
        Timeout((self.0 >> 16) as u16)
    }

    /// The receive timeout: how long a sender may take.
    pub const fn receive(self) -> Timeout {
        Timeout(self.0 as u16)
    }
}
