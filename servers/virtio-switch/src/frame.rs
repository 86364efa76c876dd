//! Ethernet frames.

use core::fmt;

/// Bytes of a frame's head: target, source, type.
pub const HEADER: usize = 14;
/// Longest frame: head, VLAN tag, 1500 bytes.
pub const LONGEST: usize = HEADER + 4 + 1500;

/// A hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The address of the card at port `port`: locally administered.
    pub const fn of_port(port: u8) -> Self {
        Self([0x02, b'b', b'r', b'i', b'o', port])
    }

    /// Whether frames to it are for many.
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            let colon = if position == 0 { "" } else { ":" };
            write!(formatter, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}

/// Target and source of a frame; `None` if it is too short or too long to be one.
pub fn addresses(frame: &[u8]) -> Option<(Mac, Mac)> {
    if !(HEADER..=LONGEST).contains(&frame.len()) {
        return None;
    }
    let (target, rest) = frame.split_first_chunk()?;
    let (source, _) = rest.split_first_chunk()?;
    Some((Mac(*target), Mac(*source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_at_the_beginning() {
        let mut frame = [0; 60];
        frame[..6].copy_from_slice(&[0xff; 6]);
        frame[6..12].copy_from_slice(&Mac::of_port(3).0);
        let (target, source) = addresses(&frame).unwrap();
        assert!(target.is_group() && !source.is_group());
        assert_eq!(source, Mac::of_port(3));
        assert_eq!(addresses(&frame[..13]), None);
        assert_eq!(addresses(&[0; LONGEST + 1]), None);
    }
}
