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
