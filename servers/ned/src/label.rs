//! How messages to ned name what they are about.
//!
//! | Bits | |
//! |---|---|
//! | 63..32 | which start of the component, so that old messages do not count for a new one |
//! | 31..8 | which component |
//! | 7..4 | what kind of message |
//! | 1..0 | the sender's rights |

/// What a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Kind {
    /// The component tells its parent something.
    Parent = 1,
    /// A thread of the component failed.
    Failure = 2,
    /// A server answered about a gate for this component.
    Session = 3,
}

/// The name of a component's instance in messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Label {
    /// Position of the component in the description.
    pub component: u32,
    /// How often the component was started before.
    pub generation: u32,
    /// What kind of message.
    pub kind: Kind,
}

const KIND_SHIFT: u32 = 4;
const COMPONENT_SHIFT: u32 = 8;
const COMPONENT_MASK: u64 = 0xff_ffff;
const GENERATION_SHIFT: u32 = 32;

impl Label {
    /// The label as gates and interrupts carry it.
    pub fn raw(self) -> u64 {
        u64::from(self.generation) << GENERATION_SHIFT
            | (u64::from(self.component) & COMPONENT_MASK) << COMPONENT_SHIFT
            | (self.kind as u64) << KIND_SHIFT
    }

    /// The label of a message that arrived.
    pub fn from_raw(raw: u64) -> Option<Self> {
        let kind = match raw >> KIND_SHIFT & 0xf {
            1 => Kind::Parent,
            2 => Kind::Failure,
            3 => Kind::Session,
            _ => return None,
        };
        Some(Self {
            component: (raw >> COMPONENT_SHIFT & COMPONENT_MASK) as u32,
            generation: (raw >> GENERATION_SHIFT) as u32,
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_survives_the_way_through_a_gate() {
        for kind in [Kind::Parent, Kind::Failure, Kind::Session] {
            let label = Label {
                component: 127,
                generation: u32::MAX,
                kind,
            };
            assert_eq!(label.raw() & 3, 0, "the rights bits are free");
            assert_eq!(Label::from_raw(label.raw() | 3), Some(label));
        }
    }

    #[test]
    fn other_labels_name_nothing() {
        for raw in [0, 3, 0x40, u64::MAX] {
            assert_eq!(Label::from_raw(raw), None);
        }
    }
}
