//! What CPUID tells a guest: the machine's own answers, without what the guest's PC does not have.

/// The answer: EAX, EBX, ECX, EDX.
pub type Answer = [u32; 4];

/// A virtual CPU.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    /// Its number, which is that of its local APIC.
    pub id: u32,
    /// How many there are.
    pub count: u32,
    /// Whether it has a local APIC.
    pub has_apic: bool,
}

const EAX: usize = 0;
const EBX: usize = 1;
const ECX: usize = 2;
const EDX: usize = 3;

/// Where hypervisors say who they are.
const HYPERVISOR: u32 = 0x4000_0000;
/// Services of the paravirtual clock, and that writes to port 0x80 are not needed.
const CLOCK_FEATURES: u32 = 1 << 24 | 1 << 3 | 1 << 1;

/// The bits of leaf 1.
mod leaf_1 {
    // ECX
    pub(super) const MONITOR: u32 = 1 << 3;
    pub(super) const VMX: u32 = 1 << 5;
    pub(super) const X2APIC: u32 = 1 << 21;
    pub(super) const TSC_DEADLINE: u32 = 1 << 24;
    pub(super) const XSAVE_OSXSAVE_AVX: u32 = 0b111 << 26;
    pub(super) const F16C: u32 = 1 << 29;
    pub(super) const FMA: u32 = 1 << 12;
    pub(super) const HYPERVISOR: u32 = 1 << 31;
    // EDX
    pub(super) const MACHINE_CHECK: u32 = 1 << 7 | 1 << 14;
    pub(super) const APIC: u32 = 1 << 9;
    pub(super) const MTRR: u32 = 1 << 12;
    pub(super) const SEVERAL: u32 = 1 << 28;
}

/// The answer to a guest's CPU, made from the machine's `own`.
pub fn answer(leaf: u32, subleaf: u32, own: Answer, cpu: Cpu) -> Answer {
    let mut answer = own;
    match leaf {
        1 => {
            use leaf_1::*;
            answer[EBX] = own[EBX] & 0xffff | cpu.count.min(255) << 16 | cpu.id << 24;
            answer[ECX] &=
                !(MONITOR | VMX | X2APIC | TSC_DEADLINE | XSAVE_OSXSAVE_AVX | F16C | FMA);
            answer[ECX] |= HYPERVISOR;
            answer[EDX] &= !(MACHINE_CHECK | APIC | MTRR | SEVERAL);
            if cpu.has_apic {
                answer[ECX] |= X2APIC | TSC_DEADLINE;
                answer[EDX] |= APIC;
            }
            if cpu.count > 1 {
                answer[EDX] |= SEVERAL;
            }
        }
        // Caches: each CPU has its own.
        4 => answer[EAX] &= 0x3fff,
        // No MONITOR, no power management, no performance counters, no extended state.
        5 | 6 | 0xa | 0xd | 0x14 => answer = [0; 4],
        7 => {
            // Whatever needs extended state or a model-specific register that is not there; TSC_ADJUST.
            const EBX_GONE: u32 =
                0xffff_0000 | 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 11 | 1 << 12;
            const EBX_KEPT: u32 = 1 << 18 | 1 << 19 | 1 << 20 | 1 << 23 | 1 << 24;
            answer = match subleaf {
                0 => [0, own[EBX] & (!EBX_GONE | EBX_KEPT), own[ECX] & (1 << 2), 0],
                _ => [0; 4],
            };
        }
        // How the CPUs are connected: each is a core.
        0xb if cpu.has_apic => {
            let bits = cpu.count.next_power_of_two().ilog2();
            answer = match subleaf {
                0 => [0, 1, 0x100, cpu.id],
                1 => [bits, cpu.count, 0x201, cpu.id],
                _ => [0, 0, subleaf & 0xff, cpu.id],
            };
        }
        0xb | 0x1f => answer = [0; 4],
        HYPERVISOR => {
            let [b, c, d] = [b"KVMK", b"VMKV", b"M\0\0\0"].map(|part| u32::from_le_bytes(*part));
            answer = [HYPERVISOR + 1, b, c, d];
        }
        0x4000_0001 => answer = [CLOCK_FEATURES, 0, 0, 0],
        0x4000_0002..=0x4fff_ffff => answer = [0; 4],
        0x8000_0001 => {
            // No SVM, extended APIC space, instruction sampling, watchdog, XOP, FMA4, topology, counters, MONITORX.
            for bit in [2, 3, 10, 11, 13, 15, 16, 22, 23, 24, 28, 29] {
                answer[ECX] &= !(1 << bit);
            }
            // No RDTSCP: TSC_AUX is the host's.
            const RDTSCP: u32 = 1 << 27;
            answer[EDX] &= !(leaf_1::MACHINE_CHECK | leaf_1::APIC | leaf_1::MTRR | RDTSCP);
            if cpu.has_apic {
                answer[EDX] |= leaf_1::APIC;
            }
            if cpu.count > 1 {
                // Several CPUs are cores, not threads.
                answer[ECX] |= 1 << 1;
            }
        }
        // The time stamp counter is the same whatever the CPU's power state.
        0x8000_0007 => answer = [0, 0, 0, 1 << 8],
        0x8000_0008 => {
            answer[EBX] = 0;
            answer[ECX] = cpu.count - 1;
            answer[EDX] = 0;
        }
        0x8000_001e => answer = [cpu.id, 0, 0, 0],
        // SVM, sampling, memory encryption.
        0x8000_000a | 0x8000_001b | 0x8000_001c | 0x8000_001f..=0x8000_00ff => answer = [0; 4],
        _ => {}
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Answer = [u32::MAX; 4];

    fn alone() -> Cpu {
        Cpu {
            id: 0,
            count: 1,
            has_apic: false,
        }
    }

    fn second_of_two() -> Cpu {
        Cpu {
            id: 1,
            count: 2,
            has_apic: true,
        }
    }

    #[test]
    fn a_guest_sees_that_it_is_one_and_finds_the_clock() {
        let [_, _, ecx, _] = answer(1, 0, [0; 4], alone());
        assert_eq!(ecx >> 31, 1);
        let [max, b, c, d] = answer(0x4000_0000, 0, [0; 4], alone());
        let name: alloc::vec::Vec<u8> = [b, c, d].into_iter().flat_map(u32::to_le_bytes).collect();
        assert_eq!(
            (max, name.as_slice()),
            (0x4000_0001, &b"KVMKVMKVM\0\0\0"[..])
        );
        assert_eq!(answer(0x4000_0001, 0, ALL, alone())[EAX], 0x0100_000a);
        assert_eq!(
            answer(0x4000_0100, 0, ALL, alone()),
            [0; 4],
            "and nobody else"
        );
        assert_eq!(answer(0x8000_0007, 0, [0; 4], alone())[EDX], 0x100);
    }

    #[test]
    fn what_the_pc_does_not_have_is_hidden() {
        let [_, _, ecx, edx] = answer(1, 0, ALL, alone());
        for bit in [3, 5, 21, 24, 26, 27, 28] {
            assert_eq!(ecx >> bit & 1, 0, "{bit}");
        }
        for bit in [7, 9, 12, 14] {
            assert_eq!(edx >> bit & 1, 0, "{bit}");
        }
        assert_eq!(answer(0x8000_0001, 0, ALL, alone())[ECX] >> 2 & 1, 0, "SVM");
        assert_eq!(answer(0xd, 0, ALL, alone()), [0; 4]);
        let [_, ebx, _, edx] = answer(7, 0, ALL, alone());
        for bit in [1, 5, 16, 21, 26, 27, 28, 30, 31] {
            assert_eq!(ebx >> bit & 1, 0, "{bit}");
        }
        assert_eq!(edx, 0, "ARCH_CAPABILITIES");
    }

    #[test]
    fn cpus_of_several_have_apics_and_know_each_other() {
        let [_, ebx, ecx, edx] = answer(1, 0, [0; 4], second_of_two());
        assert_eq!(ebx, 0x0102_0000);
        assert_eq!(
            (ecx >> 21 & 1, ecx >> 24 & 1, edx >> 9 & 1, edx >> 28 & 1),
            (1, 1, 1, 1)
        );
        assert_eq!(answer(0xb, 0, ALL, second_of_two()), [0, 1, 0x100, 1]);
        assert_eq!(answer(0xb, 1, ALL, second_of_two()), [1, 2, 0x201, 1]);
        assert_eq!(answer(0x8000_0008, 0, ALL, second_of_two())[ECX], 1);
        assert_eq!(answer(0x8000_001e, 0, ALL, second_of_two())[EAX], 1);
    }
}
