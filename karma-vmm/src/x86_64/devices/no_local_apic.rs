//! Without the feature `smp` there is one CPU, and that has no local APIC.

/// A local APIC, of which there is none.
#[derive(Debug)]
pub enum LocalApic {}

impl LocalApic {
    /// None.
    pub fn of(_id: u32, _count: u8) -> Option<Self> {
        None
    }

    /// When the timer is due.
    pub fn deadline(&self) -> Option<u64> {
        match *self {}
    }

    /// Lets the timer expire.
    pub fn expire(&mut self, _tsc: u64) {
        match *self {}
    }

    /// Whether interrupts of the 8259A come through.
    pub fn accepts_external(&self) -> bool {
        match *self {}
    }

    /// The vector that would interrupt now.
    pub fn pending(&self) -> Option<u8> {
        match *self {}
    }

    /// The CPU takes the interrupt.
    pub fn acknowledge(&mut self, _vector: u8) {
        match *self {}
    }
}
