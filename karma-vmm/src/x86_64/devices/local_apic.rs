//! A local APIC in x2APIC mode (Intel SDM volume 3, chapter 12): all its registers are MSRs.
//!
//! All interrupts are edges. The timer knows the TSC deadline mode only. What the guest asks of other CPUs
//! is an [`Ipi`], for the platform to deliver.

use crate::x86_64::msr::NoSuchRegister;

/// The MSRs.
pub const MSRS: core::ops::RangeInclusive<u32> = 0x800..=0x8ff;
/// The MSR with the timer's deadline.
pub const TSC_DEADLINE: u32 = 0x6e0;

/// Sixteen-bit version, four entries of the local vector table above the first.
const VERSION: u32 = 0x0005_0014;
/// Of a local vector: nothing is delivered.
const MASKED: u32 = 1 << 16;
/// The timer's mode, in its local vector.
const TIMER_MODE: u32 = 0b11 << 17;
const TSC_DEADLINE_MODE: u32 = 0b10 << 17;
/// In the register of the spurious vector: the APIC is on.
const ENABLED: u32 = 1 << 8;
/// Delivery of an interrupt by an 8259A.
const EXTERNAL: u32 = 0b111 << 8;

/// An interrupt from a CPU to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipi {
    /// What it does there.
    pub kind: IpiKind,
    /// For whom it is.
    pub target: Target,
}

/// What an interrupt to another CPU does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpiKind {
    /// It interrupts.
    Fixed(u8),
    /// It stops the CPU until the next one.
    Init,
    /// It starts a stopped CPU, in real mode at this page.
    StartUp(u8),
    /// It interrupts whatever is masked.
    NonMaskable,
}

/// Whom an interrupt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Who has this number, or everyone.
    Physical(u32),
    /// Who has the bit in this group.
    Logical(u32),
    /// The sender.
    Own,
    /// Everyone.
    All,
    /// Everyone but the sender.
    Others,
}

/// The entries of the local vector table, from MSR 0x832.
const TIMER: usize = 0;
const LINT0: usize = 3;
const LOCAL_VECTORS: usize = 6;

/// A bit for each vector.
type Vectors = [u32; 8];

/// One CPU's.
#[derive(Debug)]
pub struct LocalApic {
    id: u32,
    task_priority: u8,
    spurious: u32,
    local_vectors: [u32; LOCAL_VECTORS],
    requests: Vectors,
    in_service: Vectors,
    deadline: u64,
}

impl LocalApic {
    /// That of a CPU in a machine with so many of them: one that is alone has none.
    pub fn of(id: u32, count: u8) -> Option<Self> {
        (count > 1).then(|| Self::new(id))
    }

    /// As a PC's firmware leaves it: the first CPU is to get the 8259A's interrupts.
    pub fn new(id: u32) -> Self {
        let mut local_vectors = [MASKED; LOCAL_VECTORS];
        if id == 0 {
            local_vectors[LINT0] = EXTERNAL;
        }
        Self {
            id,
            task_priority: 0,
            spurious: 0xff,
            local_vectors,
            requests: Vectors::default(),
            in_service: Vectors::default(),
            deadline: 0,
        }
    }

    /// The guest reads an MSR.
    pub fn read(&self, msr: u32) -> Result<u64, NoSuchRegister> {
        let value = match msr {
            TSC_DEADLINE => return Ok(self.deadline),
            0x802 => self.id,
            0x803 => VERSION,
            0x808 => self.task_priority.into(),
            0x80a => self.priority().into(),
            0x80d => self.logical_id(),
            0x80f => self.spurious,
            0x810..=0x817 => self.in_service[msr as usize - 0x810],
            // Triggers: all are edges. Errors, and the last one sent: none.
            0x818..=0x81f | 0x828 | 0x830 => 0,
            0x820..=0x827 => self.requests[msr as usize - 0x820],
            0x82f => MASKED,
            0x832..=0x837 => self.local_vectors[msr as usize - 0x832],
            // A counter that stands still, and its divider.
            0x838 | 0x839 | 0x83e => 0,
            _ => return Err(NoSuchRegister),
        };
        Ok(value.into())
    }

    /// The guest writes an MSR; the interrupt that it sends by that.
    pub fn write(&mut self, msr: u32, value: u64) -> Result<Option<Ipi>, NoSuchRegister> {
        if msr == TSC_DEADLINE {
            // Written in another mode, it is lost (SDM 12.5.4.1).
            let counts = self.local_vectors[TIMER] & TIMER_MODE == TSC_DEADLINE_MODE;
            self.deadline = if counts { value } else { 0 };
            return Ok(None);
        }
        if msr == 0x830 {
            return ipi(value).map(Some);
        }
        let value = u32::try_from(value).map_err(|_| NoSuchRegister)?;
        match msr {
            0x808 => self.task_priority = value as u8,
            0x80b => self.end(),
            0x80f => self.spurious = value & 0x1ff,
            0x832..=0x837 => {
                let entry = msr as usize - 0x832;
                self.local_vectors[entry] = value & (0x700 | MASKED | TIMER_MODE | 0xa0ff);
                if entry == TIMER && value & TIMER_MODE != TSC_DEADLINE_MODE {
                    self.deadline = 0;
                }
            }
            0x83f => {
                let target = Target::Own;
                let kind = IpiKind::Fixed(value as u8);
                return Ok(Some(Ipi { kind, target }));
            }
            0x828 | 0x82f | 0x838 | 0x83e => {}
            _ => return Err(NoSuchRegister),
        }
        Ok(None)
    }

    /// An interrupt comes.
    pub fn request(&mut self, vector: u8) {
        // The first sixteen are errors, which nobody is told of.
        if vector >= 16 && self.spurious & ENABLED != 0 {
            set(&mut self.requests, vector);
        }
    }

    /// When the timer is due, in ticks of the guest's time stamp counter.
    pub fn deadline(&self) -> Option<u64> {
        (self.deadline != 0).then_some(self.deadline)
    }

    /// Lets the timer expire if it is due.
    pub fn expire(&mut self, tsc: u64) {
        if self.deadline().is_some_and(|deadline| deadline <= tsc) {
            self.deadline = 0;
            let vector = self.local_vectors[TIMER];
            if vector & MASKED == 0 {
                self.request(vector as u8);
            }
        }
    }

    /// Whether interrupts of the 8259A come through.
    pub fn accepts_external(&self) -> bool {
        let vector = self.local_vectors[LINT0];
        self.spurious & ENABLED == 0 || vector & (MASKED | 0x700) == EXTERNAL
    }

    /// The vector that would interrupt now.
    pub fn pending(&self) -> Option<u8> {
        let vector = highest(&self.requests)?;
        (vector >> 4 > self.priority() >> 4).then_some(vector)
    }

    /// The CPU has taken the interrupt. If another CPU has reset this one meanwhile, nothing will end it.
    pub fn acknowledge(&mut self, vector: u8) {
        if clear(&mut self.requests, vector) {
            set(&mut self.in_service, vector);
        }
    }

    /// Whether an interrupt that CPU `sender` sends is for this one.
    pub fn is_target(&self, target: Target, sender: u32) -> bool {
        const EVERYONE: u32 = u32::MAX;
        match target {
            Target::Physical(EVERYONE) | Target::Logical(EVERYONE) | Target::All => true,
            Target::Physical(id) => id == self.id,
            Target::Logical(target) => {
                let own = self.logical_id();
                target >> 16 == own >> 16 && target & own & 0xffff != 0
            }
            Target::Own => self.id == sender,
            Target::Others => self.id != sender,
        }
    }

    /// Group and bit in it.
    fn logical_id(&self) -> u32 {
        self.id >> 4 << 16 | 1 << (self.id & 15)
    }

    /// Only what is above it interrupts.
    fn priority(&self) -> u8 {
        let in_service = highest(&self.in_service).unwrap_or(0) & 0xf0;
        match self.task_priority >> 4 >= in_service >> 4 {
            true => self.task_priority,
            false => in_service,
        }
    }

    fn end(&mut self) {
        if let Some(vector) = highest(&self.in_service) {
            clear(&mut self.in_service, vector);
        }
    }
}

/// What a write to the interrupt command register asks for.
fn ipi(value: u64) -> Result<Ipi, NoSuchRegister> {
    let destination = (value >> 32) as u32;
    let target = match value >> 18 & 3 {
        0 if value & 1 << 11 != 0 => Target::Logical(destination),
        0 => Target::Physical(destination),
        1 => Target::Own,
        2 => Target::All,
        _ => Target::Others,
    };
    let kind = match value >> 8 & 7 {
        // Lowest priority is as good as any.
        0 | 1 => IpiKind::Fixed(value as u8),
        4 => IpiKind::NonMaskable,
        5 => IpiKind::Init,
        6 => IpiKind::StartUp(value as u8),
        _ => return Err(NoSuchRegister),
    };
    Ok(Ipi { kind, target })
}

fn set(vectors: &mut Vectors, vector: u8) {
    vectors[usize::from(vector >> 5)] |= 1 << (vector & 31);
}

/// Whether it was set.
fn clear(vectors: &mut Vectors, vector: u8) -> bool {
    let (word, bit) = (&mut vectors[usize::from(vector >> 5)], 1 << (vector & 31));
    let was_set = *word & bit != 0;
    *word &= !bit;
    was_set
}

fn highest(vectors: &Vectors) -> Option<u8> {
    let word = vectors.iter().rposition(|&word| word != 0)?;
    Some((word as u32 * 32 + vectors[word].ilog2()) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a guest that is ready for interrupts has it.
    fn enabled(id: u32) -> LocalApic {
        let mut apic = LocalApic::new(id);
        apic.write(0x80f, 0x1ff).unwrap();
        apic
    }

    #[test]
    fn the_highest_vector_comes_first_and_the_others_after_its_end() {
        let mut apic = enabled(0);
        for vector in [0x31, 0xef, 0x32] {
            apic.request(vector);
        }
        assert_eq!(apic.pending(), Some(0xef));
        apic.acknowledge(0xef);
        assert_eq!(
            apic.pending(),
            None,
            "of a lower class than what is in service"
        );
        assert_eq!(apic.read(0x817), Ok(1 << 15));
        apic.write(0x80b, 0).unwrap();
        assert_eq!(apic.pending(), Some(0x32));
        apic.write(0x808, 0x30).unwrap();
        assert_eq!(apic.pending(), None, "the task priority holds it back");
        assert_eq!(apic.read(0x80a), Ok(0x30));
    }

    #[test]
    fn what_a_cpu_took_before_its_reset_holds_nothing_back_behind_it() {
        let mut apic = enabled(1);
        apic.acknowledge(0xef);
        assert_eq!(apic.read(0x817), Ok(0), "nothing is in service");
        apic.request(0x31);
        assert_eq!(apic.pending(), Some(0x31));
    }

    #[test]
    fn an_apic_that_is_off_takes_nothing_but_external_interrupts() {
        assert!(enabled(0).accepts_external());
        let mut apic = LocalApic::new(1);
        apic.request(0x40);
        assert_eq!(apic.pending(), None);
        assert!(apic.accepts_external());
        apic.write(0x80f, 0x1ff).unwrap();
        assert!(!apic.accepts_external());
        apic.write(0x835, 0x700).unwrap();
        assert!(apic.accepts_external());
        apic.request(15);
        assert_eq!(apic.pending(), None, "reserved vectors");
    }

    #[test]
    fn the_timer_expires_once_at_its_deadline() {
        let mut apic = enabled(0);
        apic.write(TSC_DEADLINE, 100).unwrap();
        assert_eq!(apic.deadline(), None, "not in this mode");
        apic.write(0x832, 0x400ec).unwrap();
        apic.write(TSC_DEADLINE, 100).unwrap();
        apic.expire(99);
        assert_eq!((apic.deadline(), apic.pending()), (Some(100), None));
        apic.expire(100);
        assert_eq!((apic.deadline(), apic.pending()), (None, Some(0xec)));
        apic.acknowledge(0xec);
        apic.write(TSC_DEADLINE, 1).unwrap();
        apic.write(0x832, 0x100ec).unwrap();
        assert_eq!(apic.deadline(), None, "another mode stops it");
    }

    #[test]
    fn destinations_are_those_of_the_manual() {
        let apics = [0, 1, 17].map(enabled);
        let found = |target| apics.each_ref().map(|apic| apic.is_target(target, 1));
        assert_eq!(found(Target::Physical(1)), [false, true, false]);
        assert_eq!(found(Target::Physical(u32::MAX)), [true; 3]);
        assert_eq!(found(Target::Logical(0b11)), [true, true, false]);
        assert_eq!(found(Target::Logical(0x1_0002)), [false, false, true]);
        assert_eq!(found(Target::Own), [false, true, false]);
        assert_eq!(found(Target::Others), [true, false, true]);
        assert_eq!(found(Target::All), [true; 3]);
    }

    #[test]
    fn commands_are_sent_as_they_are_written() {
        let mut apic = enabled(0);
        for (value, kind, target) in [
            (
                0x0000_0003_0000_08fd,
                IpiKind::Fixed(0xfd),
                Target::Logical(3),
            ),
            (0x0000_0001_0000_4500, IpiKind::Init, Target::Physical(1)),
            (
                0x0000_0001_0000_4699,
                IpiKind::StartUp(0x99),
                Target::Physical(1),
            ),
            (0x000c_0400, IpiKind::NonMaskable, Target::Others),
            (0x0004_00f6, IpiKind::Fixed(0xf6), Target::Own),
        ] {
            assert_eq!(
                apic.write(0x830, value),
                Ok(Some(Ipi { kind, target })),
                "{value:#x}"
            );
        }
        assert_eq!(apic.write(0x830, 0x700), Err(NoSuchRegister));
    }

    #[test]
    fn what_is_not_a_register_faults_and_nothing_panics() {
        let mut apic = enabled(3);
        assert_eq!(apic.read(0x80b), Err(NoSuchRegister), "write only");
        assert_eq!(apic.write(0x802, 0), Err(NoSuchRegister), "read only");
        assert_eq!(apic.write(0x808, 1 << 32), Err(NoSuchRegister));
        for msr in MSRS {
            let _ = apic.read(msr);
            let _ = apic.write(msr, u32::MAX.into());
            let _ = apic.read(msr);
        }
        apic.acknowledge(255);
        assert_eq!(apic.pending(), None);
    }
}
