//! A guest's state under VMX: the software VMCS (Intel SDM volume 3, 25 to 28 and appendices B and C).
//!
//! The processor does not look when a guest takes interrupts. So one is injected when it does, and until then an
//! exit is asked for at that time. One that was on its way into the guest when that exited has not been taken.

use crate::event::{NON_MASKABLE, VALID};
use crate::{
    DebugMove, Exit, Hardware, PortAccess, Register, Segment, general_register, segment, vector,
};
use l4_abi::arch::x86_64::vmx::{control, field, reason};
use l4_sys::arch::vmcs::Vmcs;
use l4_sys::vcpu::{ExtendedVcpu, Vcpu};

/// Fields that `l4_abi` does not name: the first of each kind of a segment's, and others.
mod own {
    pub(super) const SELECTORS: u32 = 0x800;
    pub(super) const LIMITS: u32 = 0x4800;
    pub(super) const RIGHTS: u32 = 0x4814;
    pub(super) const BASES: u32 = 0x6806;
    pub(super) const FS_BASE: u32 = 0x680e;
    pub(super) const GS_BASE: u32 = 0x6810;
    pub(super) const INTERRUPTIBILITY: u32 = 0x4824;
    pub(super) const SYSENTER_CS: u32 = 0x482a;
    pub(super) const SYSENTER_SP: u32 = 0x6824;
    pub(super) const SYSENTER_IP: u32 = 0x6826;
    pub(super) const PENDING_DEBUG: u32 = 0x6822;
    pub(super) const CR0_SHADOW: u32 = 0x6004;
}

/// Where segments and tables are among the fields: LDT and TR before GDT and IDT, which have no rights.
const PLACES: [u32; segment::COUNT] = [0, 1, 2, 3, 4, 5, 8, 6, 9, 7];
const FIRST_TABLE: u32 = 8;

/// Model-specific registers that are fields, and whether they are addresses.
const REGISTERS: [(u32, u32, bool); 10] = [
    (0x174, own::SYSENTER_CS, false),
    (0x175, own::SYSENTER_SP, true),
    (0x176, own::SYSENTER_IP, true),
    (0xc000_0081, field::STAR, false),
    (0xc000_0082, field::LSTAR, true),
    (0xc000_0083, field::CSTAR, true),
    (0xc000_0084, field::FMASK, false),
    (0xc000_0100, own::FS_BASE, true),
    (0xc000_0101, own::GS_BASE, true),
    (0xc000_0102, field::KERNEL_GS_BASE, true),
];

/// Controls: virtual NMIs; exits when the guest can take an interrupt, or an NMI; INVPCID.
const VIRTUAL_NMIS: u64 = 1 << 5;
const INTERRUPT_WINDOW: u64 = 1 << 2;
const NMI_WINDOW: u64 = 1 << 22;
const INVPCID: u64 = 1 << 12;
/// What keeps off interrupts (STI, MOV SS), and NMIs too (another one).
const SHADOW: u64 = 3;
const IN_NMI: u64 = 1 << 3;
/// Of an event.
const KIND: u64 = 7 << 8;
/// Of RFLAGS and EFER.
const INTERRUPTS: u64 = 1 << 9;
const LONG_MODE_ACTIVE: u64 = 1 << 10;
/// Caches are off: bits of CR0 that are the host's.
const CACHES: u64 = 3 << 29;
/// Reasons for a debug exception, as in DR6.
const DEBUG_REASONS: u64 = 0x600f;

/// The software VMCS of a guest.
pub(super) struct Vmx {
    vmcs: Vmcs,
    vcpu: Vcpu,
    /// An interrupt is offered, and not injected.
    has_offer: bool,
    /// CR8.
    priority: u64,
}

impl Vmx {
    pub(super) fn new(vcpu: ExtendedVcpu) -> Self {
        Self {
            vmcs: Vmcs::of(vcpu),
            vcpu: vcpu.vcpu(),
            has_offer: false,
            priority: 0,
        }
    }

    fn ask_for(&self, window: u64, is_wanted: bool) {
        let others = self.vmcs.get(field::CPU_CONTROLS) & !window;
        let wanted = if is_wanted { window } else { 0 };
        self.vmcs.set(field::CPU_CONTROLS, others | wanted);
    }

    fn has_event(&self) -> bool {
        self.vmcs.get(field::ENTRY_EVENT) & VALID != 0
    }

    /// A move to or from a control register, as far as it is no change of what is the host's.
    fn control_register(&mut self, qualification: u64) -> Exit {
        const DONE: Exit = Exit::Done("control register");
        let mut frame = self.vcpu.registers();
        let general = (qualification >> 8 & 0xf) as usize;
        if general == 4 {
            return Exit::Other;
        }
        let general = general_register(&mut frame, general);
        let value = *general;
        match qualification & 0x3f {
            0x00 => {
                let shadow = self.vmcs.get(own::CR0_SHADOW) & CACHES;
                let current = self.get(Register::Cr0) & !CACHES | shadow;
                if (value ^ current) & !CACHES != 0 {
                    return Exit::Other;
                }
                self.vmcs.set(own::CR0_SHADOW, value & CACHES);
            }
            0x04 => return Exit::Exception(vector::GENERAL_PROTECTION),
            0x08 if value > 0xf => return Exit::Exception(vector::GENERAL_PROTECTION),
            0x08 => self.priority = value,
            0x18 => {
                *general = self.priority;
                self.vcpu.set_registers(frame);
            }
            _ => return Exit::Other,
        }
        self.set(Register::Ip, self.next_instruction());
        self.end_shadow();
        DONE
    }
}

impl Hardware for Vmx {
    fn reset(&mut self) {
        self.priority = 0;
        for (field, value) in [
            (field::PIN_CONTROLS, VIRTUAL_NMIS),
            (field::CPU_CONTROLS, 0),
            (field::CPU_CONTROLS_2, INVPCID),
            // All that the host has, so that nothing is switched; the guest sees none of it.
            (field::XCR0, u64::MAX),
            (field::ENTRY_EVENT, 0),
            (field::INTERRUPTED_EVENT, 0),
            (own::INTERRUPTIBILITY, 0),
            (own::PENDING_DEBUG, 0),
            (own::CR0_SHADOW, 0),
        ] {
            self.vmcs.set(field, value);
        }
    }

    fn get(&self, register: Register) -> u64 {
        match place(register) {
            Some(field) => self.vmcs.get(field),
            None => self.vcpu.registers().rax,
        }
    }

    fn set(&mut self, register: Register, value: u64) {
        if let Some(field) = place(register) {
            return self.vmcs.set(field, value);
        }
        let mut frame = self.vcpu.registers();
        frame.rax = value;
        self.vcpu.set_registers(frame);
    }

    fn set_segment(&mut self, number: usize, segment: Segment) {
        let number = PLACES[number];
        let of_segment = |first| first + number * 2;
        self.vmcs.set(of_segment(own::LIMITS), segment.limit.into());
        self.vmcs.set(of_segment(own::BASES), segment.base);
        if number < FIRST_TABLE {
            let attributes = u64::from(segment.attributes);
            let rights = attributes & 0xff | (attributes & 0xf00) << 4;
            self.vmcs.set(of_segment(own::RIGHTS), rights);
            let selector = segment.selector.into();
            self.vmcs.set(of_segment(own::SELECTORS), selector);
        }
    }

    fn msr(&self, number: u32) -> Option<u64> {
        let mut all = REGISTERS.iter();
        let (_, field, _) = all.find(|(register, ..)| *register == number)?;
        Some(self.vmcs.get(*field))
    }

    fn set_msr(&mut self, number: u32, value: u64) -> bool {
        let mut all = REGISTERS.iter();
        let Some((_, field, is_address)) = all.find(|(register, ..)| *register == number) else {
            return false;
        };
        let is_possible = !is_address || (value as i64) << 16 >> 16 == value as i64;
        if is_possible {
            self.vmcs.set(*field, value);
        }
        is_possible
    }

    fn enter(&mut self) {
        let is_long = self.get(Register::Efer) & LONG_MODE_ACTIVE != 0;
        let long = if is_long { control::LONG_MODE_GUEST } else { 0 };
        let controls = control::LOAD_PAT | control::LOAD_EFER | long;
        self.vmcs.set(field::ENTRY_CONTROLS, controls);
    }

    fn leave(&mut self, _has_exited: bool) {
        let event = self.vmcs.get(field::INTERRUPTED_EVENT);
        if event & VALID != 0 {
            self.vmcs.set(field::INTERRUPTED_EVENT, 0);
            let error = self.vmcs.get(field::INTERRUPTED_ERROR);
            let length = self.vmcs.get(field::EXIT_LENGTH);
            self.inject(event);
            self.vmcs.set(field::ENTRY_ERROR, error);
            self.vmcs.set(field::ENTRY_LENGTH, length);
            if event & KIND == NON_MASKABLE & KIND {
                let shadow = self.vmcs.get(own::INTERRUPTIBILITY);
                self.vmcs.set(own::INTERRUPTIBILITY, shadow & !IN_NMI);
            }
        }
        // Only one that was offered is of this kind.
        if self.has_event() && self.vmcs.get(field::ENTRY_EVENT) & KIND == 0 {
            self.inject(0);
            self.has_offer = true;
        }
    }

    fn exit(&mut self) -> Exit {
        let qualification = self.vmcs.get(field::EXIT_QUALIFICATION);
        match self.vmcs.get(field::EXIT_REASON) {
            reason::EXCEPTION => match self.vmcs.get(field::EXIT_EVENT) & 0xff {
                vector::DEBUG => Exit::Debug(qualification & DEBUG_REASONS),
                vector::ALIGNMENT_CHECK => Exit::Exception(vector::ALIGNMENT_CHECK),
                _ => Exit::Other,
            },
            2 => Exit::TripleFault,
            7 | 8 => Exit::Done("interrupts on"),
            10 => Exit::Cpuid,
            12 => Exit::Halt,
            // INVD, WBINVD.
            13 | 54 => Exit::Caches,
            // RDPMC.
            15 => Exit::Exception(vector::GENERAL_PROTECTION),
            18 => Exit::Hypercall,
            // GETSEC, VMX, MWAIT, MONITOR, INVEPT, INVVPID, XSETBV.
            11 | 19..=27 | 36 | 39 | 50 | 53 | 55 => Exit::Exception(vector::INVALID_OPCODE),
            28 => self.control_register(qualification),
            29 => Exit::DebugRegister(DebugMove {
                number: (qualification & 7) as usize,
                is_write: qualification & 1 << 4 == 0,
                general: Some((qualification >> 8 & 0xf) as usize),
            }),
            30 => Exit::Port(PortAccess {
                port: (qualification >> 16) as u16,
                size: (qualification & 7) as u8 + 1,
                is_read: qualification & 1 << 3 != 0,
                is_string: qualification & 1 << 4 != 0,
            }),
            31 => Exit::Register { is_write: false },
            32 => Exit::Register { is_write: true },
            _ => Exit::Other,
        }
    }

    fn exit_words(&self) -> [u64; 3] {
        [
            field::EXIT_REASON,
            field::EXIT_QUALIFICATION,
            field::GUEST_PHYSICAL_ADDRESS,
        ]
        .map(|field| self.vmcs.get(field))
    }

    fn next_instruction(&self) -> u64 {
        let length = self.vmcs.get(field::EXIT_LENGTH);
        self.vmcs.get(field::GUEST_RIP).wrapping_add(length)
    }

    fn end_shadow(&mut self) {
        let shadow = self.vmcs.get(own::INTERRUPTIBILITY);
        self.vmcs.set(own::INTERRUPTIBILITY, shadow & !SHADOW);
    }

    fn offer(&mut self, vector: Option<u8>) {
        let is_on = self.get(Register::Flags) & INTERRUPTS != 0
            && self.vmcs.get(own::INTERRUPTIBILITY) & SHADOW == 0
            && !self.has_event();
        self.has_offer = vector.is_some() && !is_on;
        self.ask_for(INTERRUPT_WINDOW, self.has_offer);
        if let Some(vector) = vector.filter(|_| is_on) {
            self.inject(VALID | u64::from(vector));
        }
    }

    fn has_offer(&self) -> bool {
        self.has_offer
    }

    fn has_room_for_nmi(&mut self) -> bool {
        let keeps_off = self.vmcs.get(own::INTERRUPTIBILITY) & (SHADOW | IN_NMI) != 0;
        self.ask_for(NMI_WINDOW, keeps_off || self.has_event());
        !keeps_off && !self.has_event()
    }

    fn inject(&mut self, event: u64) {
        self.vmcs.set(field::ENTRY_EVENT, event);
        self.vmcs.set(field::ENTRY_ERROR, 0);
    }
}

/// The field of a register; RAX has none.
fn place(register: Register) -> Option<u32> {
    Some(match register {
        Register::Ax => return None,
        Register::Ip => field::GUEST_RIP,
        Register::Sp => field::GUEST_RSP,
        Register::Flags => field::GUEST_RFLAGS,
        Register::Cr0 => field::GUEST_CR0,
        Register::Cr3 => field::GUEST_CR3,
        Register::Cr4 => field::GUEST_CR4,
        Register::Efer => field::GUEST_EFER,
        Register::PageAttributes => field::GUEST_PAT,
    })
}
