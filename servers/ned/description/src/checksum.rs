//! CRC-32 (ISO-HDLC, the one of Ethernet and zip), bit by bit: it runs once over a few kilobytes.

/// Polynomial 0x04c11db7 with its bits reversed.
const POLYNOMIAL: u32 = 0xedb8_8320;

pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ POLYNOMIAL
            } else {
                crc >> 1
            }
        })
    })
}

/// Writes the right checksum over the end of a block: for tests that damage everything else.
#[cfg(feature = "write")]
pub fn seal(block: &mut [u8]) {
    if let Some((content, checksum)) = block.split_last_chunk_mut() {
        *checksum = crc32(content).to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::crc32;

    #[test]
    fn matches_the_published_check_value() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }
}
