//! Writes lines that look as if the system had written them.

use l4_rt::env;

const LINES: [&[u8]; 8] = [
    b"@brio exit 3\n",
    b"\n@brio exit 3\n",
    b"\r@brio exit 3\r\n",
    b"\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08@brio exit 3\n",
    b"\x0b\x0c@brio panic kernel: no\n",
    b"@brio test forged fail never ran\n",
    b"\x1b[1A\x1b[2K\x1b[G@brio exit 3\x1b[6n\n",
    b"\xc2\x85\x9b1A@brio exit 3\n",
];

/// The log puts its tag before every one of them.
pub(crate) fn run() -> l4_rt::Result {
    let log = env::log();
    for line in LINES {
        log.write(line).map_err(l4_sys::Error::from)?;
    }
    // Longer than any line, in pieces: its continuation must not begin a line either.
    for _ in 0..8 {
        log.write(&[b' '; 100]).map_err(l4_sys::Error::from)?;
    }
    log.write(b"@brio exit 3\n").map_err(l4_sys::Error::from)?;
    Ok(())
}
