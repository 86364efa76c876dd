//! A guest's state under VMX: the software VMCS (Intel SDM volume 3, 25 to 28 and appendices B and C).
//!
//! The processor does not look when a guest takes interrupts. So one is injected when it does, and until then an
//! exit is asked for at that time. One that was on its way into the guest when that exited has not been taken.

use crate::event::{NON_MASKABLE, VALID};
use crate::{Exit, Hardware, Register, vector, word_of_register};
use alloc::boxed::Box;
use l4_abi::arch::x86_64::vmx::{control, field, reason};
use l4_abi::exception::ExceptionFrame;
use l4_sys::arch::vmcs::Vmcs;
use l4_sys::vcpu::{ExtendedVcpu, Vcpu};

/// Fields that `l4_abi` does not name: the first of each kind of a segment's, and others.
const SELECTORS: u32 = 0x800;
const LIMITS: u32 = 0x4800;
const RIGHTS: u32 = 0x4814;
const BASES: u32 = 0x6806;
const INTERRUPTIBILITY: u32 = 0x4824;
const PENDING_DEBUG: u32 = 0x6822;
const CR0_SHADOW: u32 = 0x6004;

/// Where segments and tables are among the fields: LDT and TR before GDT and IDT, which have no rights.
const PLACES: [u32; 10] = [0, 1, 2, 3, 4, 5, 8, 6, 9, 7];
const FIRST_TABLE: u32 = 8;

/// RAX, which is no field, RSP, RIP, RFLAGS, CR0, CR3, CR4, EFER, PAT.
const FIELDS: [u32; 9] = [
    NONE, 0x681c, 0x681e, 0x6820, 0x6800, 0x6802, 0x6804, 0x2806, 0x2804,
];
const NONE: u32 = 0;

/// Model-specific registers that are fields, and whether they are addresses.
const REGISTERS: [(u32, u32, bool); 10] = [
    // SYSENTER's.
    (0x174, 0x482a, false),
    (0x175, 0x6824, true),
    (0x176, 0x6826, true),
    (0xc000_0081, field::STAR, false),
    (0xc000_0082, field::LSTAR, true),
    (0xc000_0083, field::CSTAR, true),
    (0xc000_0084, field::FMASK, false),
    // Bases of FS and GS.
    (0xc000_0100, 0x680e, true),
    (0xc000_0101, 0x6810, true),
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
/// Its number in an exit for a control register.
const STACK_POINTER: usize = 4;
/// Caches are off: bits of CR0 that are the host's.
const CACHES: u64 = 3 << 29;
/// Reasons for a debug exception, as in DR6.
const DEBUG_REASONS: u64 = 0x600f;

/// The software VMCS of a guest.
struct Vmx {
    vmcs: Vmcs,
    vcpu: Vcpu,
    /// An interrupt is offered, and not injected.
    has_offer: bool,
    /// CR8.
    priority: u64,
}

/// The state of a guest.
pub(super) fn of(vcpu: ExtendedVcpu) -> Option<Box<dyn Hardware>> {
    Some(Box::new(Vmx {
        vmcs: Vmcs::of(vcpu),
        vcpu: vcpu.vcpu(),
        has_offer: false,
        priority: 0,
    }))
}

impl Vmx {
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
        let number = (qualification >> 8 & 0xf) as usize;
        let mut words = self.vcpu.registers().to_words();
        let general = &mut words[word_of_register(number)];
        let current = self.get(Register::Cr0) & !CACHES;
        match qualification & 0x3f {
            _ if number == STACK_POINTER => return Exit::Other,
            // To CR0, CR4, CR8; from CR8.
            0x00 if *general & !CACHES == current => self.vmcs.set(CR0_SHADOW, *general & CACHES),
            0x04 => return Exit::Exception(vector::GENERAL_PROTECTION),
            0x08 if *general > 0xf => return Exit::Exception(vector::GENERAL_PROTECTION),
            0x08 => self.priority = *general,
            0x18 => *general = self.priority,
            _ => return Exit::Other,
        }
        self.vcpu.set_registers(ExceptionFrame::from_words(&words));
        self.go_on_at(self.next_instruction());
        Exit::Done("control register")
    }

    fn register_of(number: u32) -> Option<(u32, bool)> {
        let mut all = REGISTERS.into_iter();
        let (_, field, is_address) = all.find(|(register, ..)| *register == number)?;
        Some((field, is_address))
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
            (INTERRUPTIBILITY, 0),
            (PENDING_DEBUG, 0),
            (CR0_SHADOW, 0),
        ] {
            self.vmcs.set(field, value);
        }
    }

    fn get(&self, register: Register) -> u64 {
        match FIELDS[register as usize] {
            NONE => self.vcpu.registers().rax,
            field => self.vmcs.get(field),
        }
    }

    fn set(&mut self, register: Register, value: u64) {
        let mut frame = self.vcpu.registers();
        match FIELDS[register as usize] {
            NONE => frame.rax = value,
            field => return self.vmcs.set(field, value),
        }
        self.vcpu.set_registers(frame);
    }

    fn set_segment(&mut self, number: usize, selector: u16, rights: u16, limit: u32, base: u64) {
        let number = PLACES[number];
        let set = |first, value| self.vmcs.set(first + number * 2, value);
        set(LIMITS, limit.into());
        set(BASES, base);
        if number < FIRST_TABLE {
            let rights = u64::from(rights);
            set(RIGHTS, rights & 0xff | (rights & 0xf00) << 4);
            set(SELECTORS, selector.into());
        }
    }

    fn msr(&self, number: u32) -> Option<u64> {
        let (field, _) = Self::register_of(number)?;
        Some(self.vmcs.get(field))
    }

    fn set_msr(&mut self, number: u32, value: u64) -> Option<()> {
        let (field, is_address) = Self::register_of(number)?;
        if is_address && (value as i64) << 16 >> 16 != value as i64 {
            return None;
        }
        self.vmcs.set(field, value);
        Some(())
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
                let shadow = self.vmcs.get(INTERRUPTIBILITY);
                self.vmcs.set(INTERRUPTIBILITY, shadow & !IN_NMI);
            }
        }
        // Only one that was offered is of this kind.
        if self.has_event() && self.vmcs.get(field::ENTRY_EVENT) & KIND == 0 {
            self.inject(0);
            self.has_offer = true;
        }
    }

    fn exit(&mut self) -> Exit {
        // Of moves of debug registers; of ports.
        const FROM: u64 = 1 << 4;
        const IN: u64 = 1 << 3;
        const STRING: u64 = 1 << 4;
        let qualification = self.vmcs.get(field::EXIT_QUALIFICATION);
        let debug = (qualification & 7) as usize;
        let general = Some((qualification >> 8 & 0xf) as usize);
        let (port, size) = ((qualification >> 16) as u16, (qualification & 7) as u8 + 1);
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
            29 if qualification & FROM != 0 => Exit::ReadDebug(debug, general),
            29 => Exit::WriteDebug(debug, general),
            30 if qualification & STRING != 0 => Exit::Other,
            30 if qualification & IN != 0 => Exit::In(port, size),
            30 => Exit::Out(port, size),
            31 => Exit::ReadMsr,
            32 => Exit::WriteMsr,
            _ => Exit::Other,
        }
    }

    fn exit_words(&self) -> [u64; 3] {
        use field::{EXIT_QUALIFICATION, EXIT_REASON, GUEST_PHYSICAL_ADDRESS};
        [EXIT_REASON, EXIT_QUALIFICATION, GUEST_PHYSICAL_ADDRESS].map(|field| self.vmcs.get(field))
    }

    fn next_instruction(&self) -> u64 {
        let length = self.vmcs.get(field::EXIT_LENGTH);
        self.vmcs.get(field::GUEST_RIP).wrapping_add(length)
    }

    fn go_on_at(&mut self, instruction: u64) {
        self.vmcs.set(field::GUEST_RIP, instruction);
        let shadow = self.vmcs.get(INTERRUPTIBILITY);
        self.vmcs.set(INTERRUPTIBILITY, shadow & !SHADOW);
    }

    fn offer(&mut self, vector: Option<u8>) {
        let is_on = self.get(Register::Flags) & INTERRUPTS != 0
            && self.vmcs.get(INTERRUPTIBILITY) & SHADOW == 0
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
        let keeps_off = self.vmcs.get(INTERRUPTIBILITY) & (SHADOW | IN_NMI) != 0;
        self.ask_for(NMI_WINDOW, keeps_off || self.has_event());
        !keeps_off && !self.has_event()
    }

    fn inject(&mut self, event: u64) {
        self.vmcs.set(field::ENTRY_EVENT, event);
        self.vmcs.set(field::ENTRY_ERROR, 0);
    }
}
