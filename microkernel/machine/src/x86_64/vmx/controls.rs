//! What of VMX is used: what the CPU must have, what is forced on all guests,
//! and what the user may choose (abi/06 §5.2; SDM volume 3, 25.6 to 25.8 and
//! appendix A).

use l4_abi::arch::x86_64::vmx::control::{LOAD_EFER, LOAD_PAT, LONG_MODE_GUEST};
use l4_abi::arch::x86_64::vmx::field;

use super::super::cpu::bits::CR4_MACHINE_CHECK;
use super::super::instructions::read_msr;

/// IA32_VMX_BASIC; behind it come the other registers that tell what there is.
pub(super) const BASIC: u32 = 0x480;
/// Those that tell of more choice are as far behind those that do not.
const TRUE_DISTANCE: u32 = 12;
const HAS_TRUE_CONTROLS: u64 = 1 << 55;
const EPT_CAPABILITIES: u32 = 0x48c;
/// Walks of four levels, write-back, pages of 2 MiB, and INVEPT of one context.
const EPT_NEEDED: u64 = 1 << 6 | 1 << 14 | 1 << 16 | 1 << 20 | 1 << 25;
const EPT_ACCESS_BITS: u64 = 1 << 21;
const CR0_PROTECTION: u64 = 1 << 0;
const CR0_PAGING: u64 = 1 << 31;

const fn bits<const COUNT: usize>(numbers: [u32; COUNT]) -> u64 {
    let (mut bits, mut index) = (0, 0);
    while index < COUNT {
        bits |= 1 << numbers[index];
        index += 1;
    }
    bits
}

/// The control words: field, register that tells of it, bits that guests
/// cannot do without, and bits that the user chooses.
const WORDS: [(u32, u32, u64, u64); 5] = [
    // Interrupts and NMIs exit. Virtual NMIs.
    (field::PIN_CONTROLS, 0x481, bits([0, 3]), bits([5])),
    // HLT, MWAIT, RDPMC, CR8, debug registers, all ports, MONITOR, and all
    // model-specific registers exit; there are secondary controls. Interrupt
    // window, TSC offset, INVLPG, RDTSC, CR3, NMI window, single steps, PAUSE.
    (
        field::CPU_CONTROLS,
        0x482,
        bits([7, 10, 11, 19, 20, 23, 24, 29, 31]),
        bits([2, 3, 9, 12, 15, 16, 22, 27, 30]),
    ),
    // The host has 64 bits; PAT and EFER are saved and loaded.
    (field::EXIT_CONTROLS, 0x483, bits([9, 18, 19, 20, 21]), 0),
    (
        field::ENTRY_CONTROLS,
        0x484,
        LOAD_PAT | LOAD_EFER,
        LONG_MODE_GUEST,
    ),
    // EPT, guests in real mode. Descriptor tables, WBINVD, RDRAND, INVPCID,
    // RDSEED.
    (
        field::CPU_CONTROLS_2,
        0x48b,
        bits([1, 7]),
        bits([2, 6, 11, 12, 16]),
    ),
];

/// What a register tells: bits that must be set, in the lower half, and bits
/// that may be.
fn capability(register: u32) -> u64 {
    // SAFETY: a CPU with VMX and secondary controls has it.
    unsafe { read_msr(register) }
}

/// The same for one of [`WORDS`].
fn word_capability(register: u32) -> u64 {
    let has_true = capability(BASIC) & HAS_TRUE_CONTROLS != 0 && register != 0x48b;
    capability(register + if has_true { TRUE_DISTANCE } else { 0 })
}

/// Whether the CPU has what guests cannot do without.
pub(super) fn are_sufficient() -> bool {
    WORDS
        .iter()
        .all(|&(_, register, forced, _)| word_capability(register) >> 32 & forced == forced)
        && capability(EPT_CAPABILITIES) & EPT_NEEDED == EPT_NEEDED
}

pub(super) fn has_access_bits() -> bool {
    capability(EPT_CAPABILITIES) & EPT_ACCESS_BITS != 0
}

/// What a guest has on this CPU.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Controls {
    /// Of each of [`WORDS`] the bits that are set, and those that may be.
    words: [[u64; 2]; WORDS.len()],
    /// The same for CR0 and CR4.
    registers: [[u64; 2]; 2],
}

impl Controls {
    /// Before it is known what the CPU can do.
    pub(super) const NONE: Self = Self {
        words: [[0; 2]; WORDS.len()],
        registers: [[0; 2]; 2],
    };

    pub(super) fn of_this_cpu() -> Self {
        let words = WORDS.map(|(_, register, forced, free)| {
            let capability = word_capability(register);
            let set = capability & 0xffff_ffff | forced;
            [set, capability >> 32 & (free | set)]
        });
        let [cr0, cr4] = [0x486, 0x488].map(|fixed| [0, 1].map(|next| capability(fixed + next)));
        // Guests in real mode.
        let cr0 = [cr0[0] & !(CR0_PROTECTION | CR0_PAGING), cr0[1]];
        let cr4_set = cr4[0] | CR4_MACHINE_CHECK;
        Self {
            words,
            registers: [cr0, [cr4_set, cr4[1] & (GUEST_CR4 | cr4_set)]],
        }
    }

    /// The control words that a user gets who wants these.
    pub(super) fn words(&self, wanted: impl Fn(u32) -> u64) -> [(u32, u64); WORDS.len()] {
        core::array::from_fn(|index| {
            let (field, [set, possible]) = (WORDS[index].0, self.words[index]);
            (field, wanted(field) & possible | set)
        })
    }

    /// CR0 or CR4 such that the CPU takes it.
    pub(super) fn cr0(&self, wanted: u64) -> u64 {
        wanted & self.registers[0][1] | self.registers[0][0]
    }

    pub(super) fn cr4(&self, wanted: u64) -> u64 {
        wanted & self.registers[1][1] | self.registers[1][0]
    }

    /// What the user is told of all that (abi/06 §5.2, infos): what the
    /// registers from [`BASIC`] on tell, as it is for guests.
    pub(super) fn infos(&self) -> [u64; 16] {
        let mut infos = [0; 16];
        for (register, info) in (BASIC..=EPT_CAPABILITIES).zip(&mut infos) {
            *info = capability(register);
        }
        let always = |first: usize| infos[first] & 0xffff_ffff | infos[first + 1] << 32;
        (infos[14], infos[15]) = (always(1), always(3));
        for ((_, register, ..), [set, possible]) in WORDS.iter().zip(self.words) {
            infos[(register - BASIC) as usize] = set | possible << 32;
        }
        infos[6..10].copy_from_slice(self.registers.as_flattened());
        infos[8] &= !(CR4_VMXE | CR4_MACHINE_CHECK);
        infos
    }
}

/// Bits of CR0 that a guest cannot change: caches are off for the kernel too if
/// they are for a guest, for neither entry nor exit changes that.
pub(super) const CR0_CACHE: u64 = 3 << 29;
pub(super) const CR4_VMXE: u64 = 1 << 13;
/// Bits of CR4 that a guest can change: what they turn on is the guest's alone.
/// Not among them are machine checks, which without that would shut the CPU down,
/// protection keys and what is newer.
pub(super) const GUEST_CR4: u64 = 0x37_0fbf;
/// Exceptions that always exit: #DB and #AC, which can come without end, and
/// machine checks, which are the host's.
pub(super) const EXCEPTIONS: u64 = 1 << 1 | 1 << 17 | 1 << 18;
