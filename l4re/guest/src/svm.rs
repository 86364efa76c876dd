//! A guest's state under SVM: the control block (AMD APM volume 2, 15 and appendices B and C).

use crate::event::VALID;
use crate::{Exit, Hardware, Register, vector};
use l4_abi::arch::x86_64::vm::{CLEAN_BITS_OFFSET, EFER_SVME, UNCHANGED_SAVE_AREA, XCR0_OFFSET};
use l4_sys::arch::vmcb::Vmcb;
use l4_sys::vcpu::ExtendedVcpu;

/// Offsets in the control block.
mod at {
    pub(super) const INSTRUCTIONS_0: usize = 0x0c;
    pub(super) const INTERRUPT_CONTROL: usize = 0x60;
    pub(super) const INTERRUPT_SHADOW: usize = 0x68;
    pub(super) const EXIT_CODE: usize = 0x70;
    pub(super) const EXIT_INFO_1: usize = 0x78;
    pub(super) const EXIT_INFO_2: usize = 0x80;
    pub(super) const EXIT_INTERRUPTION: usize = 0x88;
    pub(super) const NESTED_PAGING: usize = 0x90;
    pub(super) const EVENT: usize = 0xa8;
    pub(super) const SEGMENTS: usize = 0x400;
    pub(super) const DR7: usize = 0x560;
    pub(super) const DR6: usize = 0x568;
    /// RAX, RSP, RIP, RFLAGS, CR0, CR3, CR4, EFER, PAT.
    pub(super) const REGISTERS: [usize; 9] = [
        0x5f8, 0x5d8, 0x578, 0x570, 0x558, 0x550, 0x548, 0x4d0, 0x668,
    ];
}

/// Exit codes of which the length of the instruction follows.
const HALT: u64 = 0x78;
const PORT: u64 = 0x7b;
const HYPERCALL: u64 = 0x81;
/// Of the first word of instructions.
const CPUID: u32 = 1 << 18;
/// In the interrupt control: the guest's priority, and an interrupt that it gets as soon as it takes any, whatever
/// that priority is; the place of the vector.
const PRIORITY: u64 = 0xff;
const OFFERED: u64 = 1 << 8;
const WHATEVER_PRIORITY: u64 = 1 << 20;
const VECTOR_SHIFT: u32 = 32;
/// Debug registers after a reset.
const DR6: u64 = 0xffff_0ff0;
const DR7: u64 = 0x400;

/// The control block of a guest.
pub(super) struct Svm {
    block: Vmcb,
    /// More than RAX, RSP, RIP and RFLAGS of the save area has been changed since the last exit.
    is_changed: bool,
}

impl Svm {
    pub(super) fn new(vcpu: ExtendedVcpu) -> Self {
        Self {
            block: Vmcb::of(vcpu),
            is_changed: true,
        }
    }
}

impl Hardware for Svm {
    fn reset(&mut self) {
        self.is_changed = true;
        self.block.set_long(at::INSTRUCTIONS_0, CPUID);
        for (offset, value) in [
            (at::NESTED_PAGING, 1),
            (at::DR6, DR6),
            (at::DR7, DR7),
            // All that the host has, so that nothing is switched; the guest sees none of it.
            (XCR0_OFFSET, u64::MAX),
            (at::EVENT, 0),
            (at::EXIT_INTERRUPTION, 0),
            (at::INTERRUPT_SHADOW, 0),
        ] {
            self.block.set_word(offset, value);
        }
    }

    fn get(&self, register: Register) -> u64 {
        self.block.word(at::REGISTERS[register as usize]) & !own_bits(register)
    }

    fn set(&mut self, register: Register, value: u64) {
        self.is_changed |= register as usize > Register::Flags as usize;
        let offset = at::REGISTERS[register as usize];
        self.block.set_word(offset, value | own_bits(register));
    }

    fn set_segment(&mut self, number: usize, selector: u16, rights: u16, limit: u32, base: u64) {
        self.is_changed = true;
        let offset = at::SEGMENTS + number * 16;
        self.block.set_half(offset, selector);
        self.block.set_half(offset + 2, rights);
        self.block.set_long(offset + 4, limit);
        self.block.set_word(offset + 8, base);
    }

    fn enter(&mut self) {
        let unchanged = u64::from(!self.is_changed) * UNCHANGED_SAVE_AREA;
        self.block.set_word(CLEAN_BITS_OFFSET, unchanged);
    }

    fn leave(&mut self, has_exited: bool) {
        // Without an exit the kernel may not have looked at it at all.
        if !has_exited {
            return;
        }
        self.is_changed = false;
        let event = self.block.word(at::EXIT_INTERRUPTION);
        if event & VALID != 0 {
            self.inject(event);
        }
    }

    fn exit(&mut self) -> Exit {
        const IN: u64 = 1 << 0;
        const STRING: u64 = 1 << 2;
        let info = self.block.word(at::EXIT_INFO_1);
        let (port, size) = ((info >> 16) as u16, (info >> 4 & 7) as u8);
        match self.block.word(at::EXIT_CODE) {
            PORT if info & STRING != 0 => Exit::Other,
            PORT if info & IN != 0 => Exit::In(port, size),
            PORT => Exit::Out(port, size),
            0x7c if info == 0 => Exit::ReadMsr,
            0x7c => Exit::WriteMsr,
            0x72 => Exit::Cpuid,
            HALT => Exit::Halt,
            // NMI, SMI, INIT: the kernel takes them from the guest.
            0x61..=0x63 => Exit::Done("host"),
            HYPERCALL => Exit::Hypercall,
            // INVD.
            0x76 => Exit::Caches,
            // RDPMC.
            0x6f => Exit::Exception(vector::GENERAL_PROTECTION),
            // #DB, #AC.
            0x41 => Exit::Debug(0),
            0x51 => Exit::Exception(vector::ALIGNMENT_CHECK),
            0x7f => Exit::TripleFault,
            code @ 0x20..=0x2f => Exit::ReadDebug((code & 0xf) as usize, None),
            code @ 0x30..=0x3f => Exit::WriteDebug((code & 0xf) as usize, None),
            // INVLPGA, instructions of SVM, RDTSCP, MONITOR, MWAIT, XSETBV.
            0x7a | 0x80 | 0x82..=0x87 | 0x8a | 0x8b | 0x8d => {
                Exit::Exception(vector::INVALID_OPCODE)
            }
            _ => Exit::Other,
        }
    }

    fn exit_words(&self) -> [u64; 3] {
        [at::EXIT_CODE, at::EXIT_INFO_1, at::EXIT_INFO_2].map(|offset| self.block.word(offset))
    }

    fn next_instruction(&self) -> u64 {
        let length = match self.block.word(at::EXIT_CODE) {
            PORT => return self.block.word(at::EXIT_INFO_2),
            HALT => 1,
            HYPERCALL => 3,
            _ => 2,
        };
        self.get(Register::Ip).wrapping_add(length)
    }

    fn go_on_at(&mut self, instruction: u64) {
        self.set(Register::Ip, instruction);
        self.block.set_word(at::INTERRUPT_SHADOW, 0);
    }

    /// The CPU looks when the guest takes interrupts: an event that is injected comes whatever the guest masks, and
    /// QEMU's CPU can deliver an interrupt as such twice.
    fn offer(&mut self, vector: Option<u8>) {
        let priority = self.block.word(at::INTERRUPT_CONTROL) & PRIORITY;
        let offer = vector.map_or(0, |vector| {
            OFFERED | WHATEVER_PRIORITY | u64::from(vector) << VECTOR_SHIFT
        });
        self.block.set_word(at::INTERRUPT_CONTROL, priority | offer);
    }

    fn has_offer(&self) -> bool {
        self.block.word(at::INTERRUPT_CONTROL) & OFFERED != 0
    }

    fn has_room_for_nmi(&mut self) -> bool {
        self.block.word(at::EVENT) & VALID == 0
    }

    fn inject(&mut self, event: u64) {
        self.block.set_word(at::EVENT, event);
    }
}

/// Bits of a register that the guest does not see, and which must be set.
fn own_bits(register: Register) -> u64 {
    u64::from(register == Register::Efer) * EFER_SVME
}
