//! This CPU's local APIC (SDM 10): end of interrupt, timer, interrupts
//! between CPUs. By its registers in memory, or by MSRs if it has them
//! (x2APIC).

use core::arch::asm;
use core::ptr::NonNull;

use super::instructions::{cpuid, msr, read_msr, write_msr};
use super::window;

/// Vectors that the kernel gives away.
pub(super) mod vector {
    /// First of the pins' and messages'.
    pub(crate) const FIRST_PIN: u32 = 0x30;
    /// Behind the last of these.
    pub(crate) const END_PIN: u32 = 0xf0;
    pub(crate) const TIMER: u32 = 0xf0;
    pub(crate) const IPI: u32 = 0xf1;
    pub(crate) const SPURIOUS: u32 = 0xff;
}

/// Registers: offset in memory, shifted right by four (10.12.1.2).
mod register {
    pub(super) const ID: u32 = 0x02;
    pub(super) const TASK_PRIORITY: u32 = 0x08;
    pub(super) const END_OF_INTERRUPT: u32 = 0x0b;
    pub(super) const SPURIOUS: u32 = 0x0f;
    /// The first of eight, a bit for each vector.
    pub(super) const REQUESTS: u32 = 0x20;
    pub(super) const COMMAND: u32 = 0x30;
    pub(super) const COMMAND_HIGH: u32 = 0x31;
    pub(super) const TIMER: u32 = 0x32;
    pub(super) const LINE_0: u32 = 0x35;
    pub(super) const LINE_1: u32 = 0x36;
    pub(super) const ERROR: u32 = 0x37;
    pub(super) const TIMER_INITIAL: u32 = 0x38;
    pub(super) const TIMER_CURRENT: u32 = 0x39;
    pub(super) const TIMER_DIVIDE: u32 = 0x3e;
}

const MASKED: u32 = 1 << 16;
const SOFTWARE_ENABLE: u32 = 1 << 8;
const DEADLINE_MODE: u32 = 2 << 17;
const DIVIDE_BY_1: u32 = 0b1011;
const DELIVERY_PENDING: u32 = 1 << 12;
/// Commands: the level is asserted; delivery mode INIT, and start-up.
const INIT: u32 = 1 << 14 | 0b101 << 8;
const START_UP: u32 = 1 << 14 | 0b110 << 8;

/// Bits of the base MSR.
const ENABLE: u64 = 1 << 11;
const ENABLE_X2APIC: u64 = 1 << 10;

/// How the local APIC is reached; the same on every CPU.
#[derive(Clone, Copy)]
pub(super) struct LocalApic {
    /// Its registers; `None`: by MSRs.
    registers: Option<NonNull<u32>>,
}

// SAFETY: at the same address every CPU finds its own.
unsafe impl Send for LocalApic {}
// SAFETY: likewise.
unsafe impl Sync for LocalApic {}

impl LocalApic {
    /// The local APIC, whose registers are at `address` in memory.
    pub(super) fn find(address: u64) -> Self {
        const X2APIC: u32 = 1 << 21;
        let registers = if cpuid(1, 0).ecx & X2APIC != 0 {
            None
        } else {
            Some(window::map_device(address, 4096).cast())
        };
        Self { registers }
    }

    fn read(&self, register: u32) -> u32 {
        match self.registers {
            // SAFETY: mapped, and a register.
            Some(registers) => unsafe { registers.add(register as usize * 4).read_volatile() },
            // SAFETY: the CPU has these MSRs.
            None => unsafe { read_msr(msr::X2APIC + register) as u32 },
        }
    }

    fn write(&self, register: u32, value: u32) {
        match self.registers {
            // SAFETY: what is written asks for interrupts with handlers, or
            // for none.
            Some(registers) => unsafe {
                registers.add(register as usize * 4).write_volatile(value);
            },
            // SAFETY: likewise.
            None => unsafe { write_msr(msr::X2APIC + register, u64::from(value)) },
        }
    }

    /// Turns this CPU's local APIC on, all its own interrupts off.
    pub(super) fn initialise(&self) {
        // SAFETY: the CPU has the register; the address stays.
        unsafe {
            let base = read_msr(msr::APIC_BASE) | ENABLE;
            write_msr(msr::APIC_BASE, base);
            if self.registers.is_none() {
                write_msr(msr::APIC_BASE, base | ENABLE_X2APIC);
            }
        }
        for register in [
            register::TIMER,
            register::LINE_0,
            register::LINE_1,
            register::ERROR,
        ] {
            self.write(register, MASKED);
        }
        self.write(register::TASK_PRIORITY, 0);
        self.write(register::SPURIOUS, SOFTWARE_ENABLE | vector::SPURIOUS);
    }

    /// This CPU's hardware id.
    pub(super) fn id(&self) -> u32 {
        let id = self.read(register::ID);
        if self.registers.is_some() {
            id >> 24
        } else {
            id
        }
    }

    /// True if an interrupt was requested and is not taken yet.
    pub(super) fn has_request(&self) -> bool {
        let mut requests = register::REQUESTS..register::REQUESTS + 8;
        requests.any(|register| self.read(register) != 0)
    }

    /// Ends the handling of an interrupt.
    #[inline]
    pub(super) fn end_of_interrupt(&self) {
        self.write(register::END_OF_INTERRUPT, 0);
    }

    /// Sends the CPU with hardware id `id` an interrupt.
    pub(super) fn send_ipi(&self, id: u32) {
        self.command(id, vector::IPI);
    }

    /// Stops the CPU with hardware id `id` until a start-up interrupt comes.
    pub(super) fn send_init(&self, id: u32) {
        self.command(id, INIT);
    }

    /// Lets the CPU with hardware id `id`, which waits for it, begin at
    /// `page`, a multiple of 4096 below 1 MiB.
    pub(super) fn send_start_up(&self, id: u32, page: u64) {
        self.command(id, START_UP | (page >> 12) as u32 & 0xff);
    }

    fn command(&self, id: u32, command: u32) {
        if self.registers.is_some() {
            while self.read(register::COMMAND) & DELIVERY_PENDING != 0 {
                core::hint::spin_loop();
            }
            self.write(register::COMMAND_HIGH, id << 24);
            self.write(register::COMMAND, command);
        } else {
            let command = u64::from(id) << 32 | u64::from(command);
            // What was written before is seen by who is interrupted: this
            // write is not ordered with others by itself (10.12.3).
            // SAFETY: the interrupt has a handler, or none is running yet.
            unsafe {
                asm!("mfence", "lfence", options(nostack, preserves_flags));
                write_msr(msr::X2APIC + register::COMMAND, command);
            }
        }
    }

    /// Lets the timer interrupt once, when a number of its own ticks is over
    /// ([`start_timer`](Self::start_timer)), or when the time stamp counter
    /// has reached a value ([`set_deadline`](Self::set_deadline)).
    pub(super) fn enable_timer(&self, by_deadline: bool) {
        let mode = if by_deadline { DEADLINE_MODE } else { 0 };
        self.write(register::TIMER_DIVIDE, DIVIDE_BY_1);
        self.write(register::TIMER, mode | vector::TIMER);
    }

    /// Starts the timer's ticks anew; 0 stops it.
    #[inline]
    pub(super) fn start_timer(&self, ticks: u32) {
        self.write(register::TIMER_INITIAL, ticks);
    }

    /// The timer's ticks that are left.
    pub(super) fn timer_ticks(&self) -> u32 {
        self.read(register::TIMER_CURRENT)
    }

    /// Sets the time stamp counter's deadline; 0: none.
    #[inline]
    pub(super) fn set_deadline(&self, ticks: u64) {
        // SAFETY: the CPU has it if the timer was enabled so.
        unsafe { write_msr(msr::TSC_DEADLINE, ticks) };
    }
}
