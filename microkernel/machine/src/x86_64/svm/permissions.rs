//! Which I/O ports and model-specific registers a guest uses without an exit
//! (AMD APM volume 2, 15.10 and 15.11): no port, and the registers that are
//! switched with it.

use super::super::instructions::msr;

/// A bit a port, set: an exit. The CPU looks three bytes beyond the last.
#[repr(C, align(4096))]
pub(super) struct PortMap([u8; 3 * 4096]);

/// No port.
pub(super) static PORTS: PortMap = PortMap([u8::MAX; 3 * 4096]);

/// Two bits a register, for reads and writes. Set: an exit.
#[repr(C, align(4096))]
pub(super) struct RegisterMap([u8; 2 * 4096]);

/// Those that VMLOAD and VMSAVE switch, and EFER not among them.
pub(super) static REGISTERS: RegisterMap = RegisterMap::new(&[
    msr::SYSENTER_CS,
    msr::SYSENTER_CS + 1,
    msr::SYSENTER_CS + 2,
    msr::STAR,
    msr::LSTAR,
    msr::CSTAR,
    msr::FMASK,
    msr::FS_BASE,
    msr::GS_BASE,
    msr::KERNEL_GS_BASE,
]);

impl RegisterMap {
    const fn new(free: &[u32]) -> Self {
        let mut map = [u8::MAX; 2 * 4096];
        let mut index = 0;
        while index < free.len() {
            let register = free[index];
            // The map has 0x2000 registers from 0, then those from 0xc000_0000.
            let number = (register & 0x1fff) + (register >> 31) * 0x2000;
            map[number as usize / 4] &= !(0b11 << (number % 4 * 2));
            index += 1;
        }
        Self(map)
    }
}
