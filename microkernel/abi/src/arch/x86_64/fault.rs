//! x86_64: flags of a page-fault word (`abi/03` §6).

use crate::exception::FaultWord;

/// The page is mapped, but not for this access.
pub const PRESENT: u64 = FaultWord::PRESENCE;

/// The fault word for a page-fault error code of the CPU.
pub const fn fault_word(address: u64, cpu_error: u64) -> FaultWord {
    const CPU_FETCH: u64 = 1 << 4;
    let fetch = if cpu_error & CPU_FETCH != 0 {
        FaultWord::FETCH
    } else {
        0
    };
    FaultWord::new(address, cpu_error & (PRESENT | FaultWord::WRITE) | fetch)
}

/// Whether the page was mapped.
pub const fn is_present(word: FaultWord) -> bool {
    word.raw() & PRESENT != 0
}
