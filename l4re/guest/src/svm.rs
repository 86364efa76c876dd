//! A guest's state under SVM: the control block (AMD APM volume 2, 15 and appendices B and C).

use crate::event::VALID;
use crate::{DebugMove, Exit, Hardware, PortAccess, Register, Segment, vector};
use l4_abi::arch::x86_64::vm::{CLEAN_BITS_OFFSET, EFER_SVME, UNCHANGED_SAVE_AREA};
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
    pub(super) const EFER: usize = 0x4d0;
    pub(super) const CR4: usize = 0x548;
    pub(super) const CR3: usize = 0x550;
    pub(super) const CR0: usize = 0x558;
    pub(super) const DR7: usize = 0x560;
    pub(super) const DR6: usize = 0x568;
    pub(super) const FLAGS: usize = 0x570;
    pub(super) const IP: usize = 0x578;
    pub(super) const SP: usize = 0x5d8;
    pub(super) const AX: usize = 0x5f8;
    pub(super) const PAGE_ATTRIBUTES: usize = 0x668;
    pub(super) const XCR0: usize = 0x698;
}

/// Exit codes.
mod exit {
    pub(super) const DEBUG_READ: u64 = 0x20;
    pub(super) const DEBUG_WRITE: u64 = 0x30;
    pub(super) const DEBUG_LAST: u64 = 0x3f;
    pub(super) const DEBUG_EXCEPTION: u64 = 0x41;
    pub(super) const ALIGNMENT_EXCEPTION: u64 = 0x51;
    pub(super) const NMI: u64 = 0x61;
    pub(super) const COUNTER: u64 = 0x6f;
    pub(super) const CPUID: u64 = 0x72;
    pub(super) const CACHES: u64 = 0x76;
    pub(super) const HALT: u64 = 0x78;
    pub(super) const PORT: u64 = 0x7b;
    pub(super) const REGISTER: u64 = 0x7c;
    pub(super) const SHUTDOWN: u64 = 0x7f;
    pub(super) const HYPERCALL: u64 = 0x81;
    pub(super) const NO_INSTRUCTION: [u64; 11] = [
        0x7a, 0x80, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x8a, 0x8b, 0x8d,
    ];
}

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
            (at::XCR0, u64::MAX),
            (at::EVENT, 0),
            (at::EXIT_INTERRUPTION, 0),
            (at::INTERRUPT_SHADOW, 0),
        ] {
            self.block.set_word(offset, value);
        }
    }

    fn get(&self, register: Register) -> u64 {
        let value = self.block.word(place(register));
        match register {
            Register::Efer => value & !EFER_SVME,
            _ => value,
        }
    }

    fn set(&mut self, register: Register, value: u64) {
        let value = match register {
            Register::Ax | Register::Ip | Register::Sp | Register::Flags => value,
            Register::Efer => {
                self.is_changed = true;
                value | EFER_SVME
            }
            _ => {
                self.is_changed = true;
                value
            }
        };
        self.block.set_word(place(register), value);
    }

    fn set_segment(&mut self, number: usize, segment: Segment) {
        self.is_changed = true;
        let offset = at::SEGMENTS + number * 16;
        self.block.set_half(offset, segment.selector);
        self.block.set_half(offset + 2, segment.attributes);
        self.block.set_long(offset + 4, segment.limit);
        self.block.set_word(offset + 8, segment.base);
    }

    fn enter(&mut self) {
        let unchanged = if self.is_changed {
            0
        } else {
            UNCHANGED_SAVE_AREA
        };
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
        let info = self.block.word(at::EXIT_INFO_1);
        match self.block.word(at::EXIT_CODE) {
            exit::PORT => Exit::Port(PortAccess {
                port: (info >> 16) as u16,
                size: (info >> 4 & 7) as u8,
                is_read: info & 1 != 0,
                is_string: info & 1 << 2 != 0,
            }),
            exit::REGISTER => Exit::Register {
                is_write: info == 1,
            },
            exit::CPUID => Exit::Cpuid,
            exit::HALT => Exit::Halt,
            exit::NMI => Exit::Done("host"),
            exit::DEBUG_EXCEPTION => Exit::Debug(0),
            exit::ALIGNMENT_EXCEPTION => Exit::Exception(vector::ALIGNMENT_CHECK),
            exit::HYPERCALL => Exit::Hypercall,
            exit::CACHES => Exit::Caches,
            exit::COUNTER => Exit::Exception(vector::GENERAL_PROTECTION),
            exit::SHUTDOWN => Exit::TripleFault,
            code @ exit::DEBUG_READ..=exit::DEBUG_LAST => Exit::DebugRegister(DebugMove {
                number: (code & 0xf) as usize,
                is_write: code >= exit::DEBUG_WRITE,
                general: None,
            }),
            code if exit::NO_INSTRUCTION.contains(&code) => Exit::Exception(vector::INVALID_OPCODE),
            _ => Exit::Other,
        }
    }

    fn exit_words(&self) -> [u64; 3] {
        [at::EXIT_CODE, at::EXIT_INFO_1, at::EXIT_INFO_2].map(|offset| self.block.word(offset))
    }

    fn next_instruction(&self) -> u64 {
        let length = match self.block.word(at::EXIT_CODE) {
            exit::PORT => return self.block.word(at::EXIT_INFO_2),
            exit::HALT => 1,
            exit::HYPERCALL => 3,
            _ => 2,
        };
        self.block.word(at::IP).wrapping_add(length)
    }

    fn end_shadow(&mut self) {
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

fn place(register: Register) -> usize {
    match register {
        Register::Ax => at::AX,
        Register::Ip => at::IP,
        Register::Sp => at::SP,
        Register::Flags => at::FLAGS,
        Register::Cr0 => at::CR0,
        Register::Cr3 => at::CR3,
        Register::Cr4 => at::CR4,
        Register::Efer => at::EFER,
        Register::PageAttributes => at::PAGE_ATTRIBUTES,
    }
}
