//! vCPUs under VMX, in real mode.

use core::ptr;

use l4_test::abi::arch::x86_64::vcpu::EXTENDED_STATE_OFFSET;
use l4_test::abi::arch::x86_64::vmx::control::{LOAD_EFER, LONG_MODE_GUEST};
use l4_test::abi::arch::x86_64::vmx::{at, field, offset, reason, width};
use l4_test::abi::vcpu::EXTENDED_INFO_OFFSET;
pub(crate) use l4_test::arch::guest::HALT;
use l4_test::arch::guest::Pc;
use l4_test::guest::{self, CODE, DATA, GUEST, STACK, State};
use l4_test::sys::vcpu::Vcpu;

/// Exit reasons.
pub(crate) mod exit {
    pub(crate) const EXCEPTION: u64 = 0;
    pub(crate) const TRIPLE_FAULT: u64 = 2;
    pub(crate) const INTERRUPT_WINDOW: u64 = 7;
    pub(crate) const NMI_WINDOW: u64 = 8;
    pub(crate) const CPUID: u64 = 10;
    pub(crate) const HALT: u64 = 12;
    pub(crate) const READ_COUNTER: u64 = 15;
    pub(crate) const CALL: u64 = 18;
    pub(crate) const CONTROL_REGISTER: u64 = 28;
    pub(crate) const DEBUG_REGISTER: u64 = 29;
    pub(crate) const PORT: u64 = 30;
    pub(crate) const READ_REGISTER: u64 = 31;
    pub(crate) const WRITE_REGISTER: u64 = 32;
    pub(crate) const PAGE_FAULT: u64 = 48;
    pub(crate) const SET_COMPONENTS: u64 = 55;
    pub(crate) const BAD_STATE: u64 = 1 << 31 | 33;
}

/// Interrupts are on.
pub(crate) const FLAGS: u64 = 1 << 9 | 2;

/// A virtual machine under VMX.
pub(crate) type Machine = l4_test::guest::Machine<Guest>;

/// A vCPU.
#[derive(Clone, Copy)]
pub(crate) struct Guest {
    pub(crate) vcpu: Vcpu,
    state: *mut u8,
}

impl guest::Guest for Guest {
    /// In real mode at the start of the code.
    fn new() -> Self {
        let state = State::new();
        let vcpu = state.enter().vcpu();
        vcpu.set_saved_state(GUEST);
        let state = ptr::with_exposed_provenance_mut(state.address());
        let guest = Self { vcpu, state };
        guest.reset();
        guest
    }

    fn vcpu(self) -> Vcpu {
        self.vcpu
    }

    /// Real mode, flat segments, and interrupts on: Bochs (2.7) does not interrupt a guest that begins without
    /// that flag until it sets it.
    fn reset(self) {
        for number in 0..8 {
            let rights = match number {
                1 => 0x9b,
                6 => 1 << 16,
                7 => 0x8b,
                _ => 0x93,
            };
            self.set(0x800 + number * 2, 0);
            self.set(0x4800 + number * 2, 0xffff);
            self.set(0x4814 + number * 2, rights);
            self.set(0x6806 + number * 2, 0);
        }
        // Limits and bases of the descriptor tables.
        for field in [0x4810, 0x4812] {
            self.set(field, 0xffff);
        }
        let zero = [
            0x4824, 0x482a, 0x6816, 0x6818, 0x6822, 0x6824, 0x6826, 0x4006, 0x4008, 0x6000, 0x6004,
            0x6006,
        ];
        for field in zero {
            self.set(field, 0);
        }
        for (field, value) in [
            (field::PIN_CONTROLS, 0),
            (field::CPU_CONTROLS, 0),
            (field::CPU_CONTROLS_2, 0),
            (field::EXIT_CONTROLS, 0),
            (field::ENTRY_CONTROLS, LOAD_EFER),
            (field::ENTRY_EVENT, 0),
            (field::EXCEPTION_BITMAP, 0),
            (field::TSC_OFFSET, 0),
            (field::ACTIVITY, 0),
            (field::CR4_MASK, 0),
            (field::GUEST_CR0, 0x10),
            (field::GUEST_CR3, 0),
            (field::GUEST_CR4, 0),
            (field::GUEST_EFER, 0),
            (field::GUEST_DR7, 0x400),
            (field::GUEST_RFLAGS, FLAGS),
            (field::GUEST_RIP, CODE),
            (field::GUEST_RSP, STACK),
        ] {
            self.set(field, value);
        }
    }

    fn exit(self) -> u64 {
        self.get(field::EXIT_REASON)
    }
}

impl Pc for Guest {
    const INTERRUPT: u64 = reason::INTERRUPT;
    const HALTED: u64 = exit::HALT;
    const PAGE_FAULT: u64 = exit::PAGE_FAULT;

    fn go_to(self, address: u64) {
        self.set(field::GUEST_RIP, address);
    }

    fn flags(self) -> u64 {
        self.get(field::GUEST_RFLAGS)
    }

    fn missing(self) -> u64 {
        self.get(field::GUEST_PHYSICAL_ADDRESS)
    }

    fn ax(self) -> u64 {
        self.vcpu.registers().rax
    }
}

/// A machine whose page tables, from [`DATA`] on, have one page of 2 MiB at 0.
pub(crate) fn machine_with_tables(code: &[u8]) -> Machine {
    const PRESENT: u64 = 3;
    let machine = Machine::new(code);
    machine.write(DATA, &(0x3000 | PRESENT).to_le_bytes());
    machine.write(0x3000, &PRESENT.to_le_bytes());
    machine.write(0, &(1 << 7 | PRESENT).to_le_bytes());
    machine
}

/// What keeps events off, and the rights of the code segment: fields.
pub(crate) const INTERRUPTIBILITY: u32 = 0x4824;
pub(crate) const CODE_RIGHTS: u32 = 0x4816;

impl Guest {
    /// In 64-bit mode, with this page table.
    pub(crate) fn enter_long_mode(self, root: u64) {
        self.set(field::ENTRY_CONTROLS, LOAD_EFER | LONG_MODE_GUEST);
        self.set(field::GUEST_EFER, 0x501);
        self.set(field::GUEST_CR0, 0x8000_0031);
        self.set(field::GUEST_CR3, root);
        self.set(field::GUEST_CR4, 0x20);
        self.set(CODE_RIGHTS, 0xa09b);
    }

    /// A word of the state.
    fn word(self, offset: usize) -> *mut u64 {
        assert!(offset < 0x1000 && offset.is_multiple_of(8));
        self.state.wrapping_add(offset).cast()
    }

    /// What the kernel tells of the machine.
    pub(crate) fn info(self, index: usize) -> u64 {
        // SAFETY: a word of the state.
        unsafe { self.word(EXTENDED_INFO_OFFSET + index * 8).read_volatile() }
    }

    /// The word of the values that has a field, and how far up.
    fn place(self, field: u32) -> (*mut u64, u32) {
        let at = at::VALUES + offset(field);
        (
            self.word(EXTENDED_STATE_OFFSET + (at & !7)),
            at as u32 % 8 * 8,
        )
    }

    pub(crate) fn get(self, field: u32) -> u64 {
        let (word, shift) = self.place(field);
        // SAFETY: a word of the state.
        unsafe { word.read_volatile() >> shift & mask(field) }
    }

    /// Sets a field without saying so.
    pub(crate) fn set_silently(self, field: u32, value: u64) {
        let (word, shift) = self.place(field);
        // SAFETY: a word of the state, of which nobody changes others now.
        unsafe {
            let others = word.read_volatile() & !(mask(field) << shift);
            word.write_volatile(others | (value & mask(field)) << shift);
        }
    }

    pub(crate) fn set(self, field: u32, value: u64) {
        self.set_silently(field, value);
        let bit = offset(field);
        let word = self.word(EXTENDED_STATE_OFFSET + at::CHANGED + bit / 64 * 8);
        // SAFETY: likewise.
        unsafe { word.write_volatile(word.read_volatile() | 1 << (bit % 64)) };
    }

    /// Goes on behind the instruction that has exited.
    pub(crate) fn skip(self) {
        let next = self.get(field::GUEST_RIP) + self.get(field::EXIT_LENGTH);
        self.set(field::GUEST_RIP, next);
    }
}

fn mask(field: u32) -> u64 {
    u64::MAX >> (64 - width(field))
}
