//! aarch64: flags of a page-fault word (`abi/03` §6).

use crate::exception::FaultWord;

/// The page is *not* mapped: a translation fault.
pub const TRANSLATION: u64 = FaultWord::PRESENCE;

/// The fault word for a data or instruction abort with this syndrome (ESR).
pub const fn fault_word(address: u64, syndrome: u64) -> FaultWord {
    const STATUS_TYPE: u64 = 0x3c;
    const STATUS_TRANSLATION: u64 = 0x04;
    const WRITE_NOT_READ: u64 = 1 << 6;
    let class = super::exception::exception_class(syndrome);
    let mut flags = 0;
    if syndrome & STATUS_TYPE == STATUS_TRANSLATION {
        flags |= TRANSLATION;
    }
    if class == super::exception::class::INSTRUCTION_ABORT_LOWER {
        flags |= FaultWord::FETCH;
    } else if syndrome & WRITE_NOT_READ != 0 {
        flags |= FaultWord::WRITE;
    }
    FaultWord::new(address, flags)
}

/// Whether the page was mapped.
pub const fn is_present(word: FaultWord) -> bool {
    word.raw() & TRANSLATION == 0
}
