//! The guest's CPU: how it starts, and what else the monitor does to it, whatever the host's processor is.

use alloc::boxed::Box;
use core::error::Error;

use crate::x86_64::kernel_image::Entry;
use l4_abi::arch::x86_64::vm::are_memory_types;
use l4_abi::exception::ExceptionFrame;
use l4_abi::vcpu::{StateFlags, UserTask};
use l4_guest::event::{EXCEPTION, HAS_ERROR, NON_MASKABLE, VALID};
use l4_guest::{Hardware, Register, segment, vector, word_of_register};
use l4_sys::object::Task;
use l4_sys::vcpu::{GuestEnd, Vcpu};
use l4_sys::{Cap, Object, Result};

/// The registers with which a kernel starts (Documentation/x86/boot.rst).
mod start {
    pub(super) const CR0: u64 = 0x8005_0033;
    pub(super) const CR4: u64 = 1 << 5;
    /// LMA, LME.
    pub(super) const EFER: u64 = 1 << 10 | 1 << 8;
    /// What the CPU has after a reset.
    pub(super) const PAGE_ATTRIBUTES: u64 = 0x0007_0406_0007_0406;
}

mod efer {
    pub(super) const LONG_MODE_ACTIVE: u64 = 1 << 10;
    /// What a guest can set: system calls, long mode, no execution.
    pub(super) const ALL: u64 = LONG_MODE_ACTIVE | 1 << 0 | 1 << 8 | 1 << 11;
}

/// Registers that the guest's state has on all processors.
const PAGE_ATTRIBUTES: u32 = 0x277;
const EFER: u32 = 0xc000_0080;
/// Of RFLAGS.
const INTERRUPTS: u64 = 1 << 9;

/// The CPU.
pub(super) struct Cpu {
    pub(super) vcpu: Vcpu,
    pub(super) hardware: Box<dyn Hardware>,
}

impl Cpu {
    /// The calling thread as the CPU of `vm`.
    pub(super) fn new(vm: Cap<Task>) -> core::result::Result<Self, Box<dyn Error>> {
        let extended = l4_rt::vcpu::extended()?;
        let vcpu = extended.vcpu();
        vcpu.set_user_task(UserTask::new(vm.selector()));
        vcpu.set_saved_state(StateFlags::USER_MODE | StateFlags::FPU_ENABLED);
        let hardware = l4_guest::of(extended)
            .ok_or("the processor has VMX; for that build the monitor with the feature vmx")?;
        Ok(Self { vcpu, hardware })
    }

    /// The state at the first instruction of a kernel.
    pub(super) fn start(&mut self, entry: &Entry) {
        self.set_segments((0x10, 0xa9b, 0), (0x18, 0xc93), u32::MAX, entry.gdt);
        let control = [start::CR0, entry.page_table, start::CR4];
        self.reset(start::EFER, control, entry.instruction);
        self.change(|frame| frame.rsi = entry.parameters);
    }

    pub(super) fn reset(&mut self, efer: u64, [cr0, cr3, cr4]: [u64; 3], instruction: u64) {
        self.change(|frame| *frame = ExceptionFrame::default());
        self.hardware.reset();
        for (register, value) in [
            (Register::Efer, efer),
            (Register::Cr0, cr0),
            (Register::Cr3, cr3),
            (Register::Cr4, cr4),
            (Register::PageAttributes, start::PAGE_ATTRIBUTES),
            (Register::Flags, 2),
            (Register::Ip, instruction),
            (Register::Sp, 0),
            (Register::Ax, 0),
        ] {
            self.hardware.set(register, value);
        }
    }

    /// Selector, rights and base of the code segment; selector and rights of those for data; base and limit
    /// of the GDT. LDT and TR: something valid.
    pub(super) fn set_segments(
        &mut self,
        (code, code_rights, code_base): (u16, u16, u64),
        (data, data_rights): (u16, u16),
        limit: u32,
        (gdt, gdt_limit): (u64, u16),
    ) {
        let hardware = &mut self.hardware;
        for number in 0..segment::GDT {
            hardware.set_segment(number, data, data_rights, limit, 0);
        }
        hardware.set_segment(segment::CODE, code, code_rights, limit, code_base);
        hardware.set_segment(segment::GDT, 0, 0, gdt_limit.into(), gdt);
        hardware.set_segment(segment::LDT, 0, 0x82, 0xffff, 0);
        hardware.set_segment(segment::IDT, 0, 0, 0xffff, 0);
        hardware.set_segment(segment::TASK_STATE, 0, 0x8b, 0xffff, 0);
    }

    /// Runs the guest until there is something to do.
    pub(super) fn run(&mut self) -> Result<GuestEnd> {
        self.hardware.enter();
        let end = self.vcpu.run_guest(&[])?;
        self.hardware.leave(end == GuestEnd::Exit);
        Ok(end)
    }

    /// Changes general registers: all but RAX and RSP.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut ExceptionFrame)) {
        let mut frame = self.vcpu.registers();
        change(&mut frame);
        self.vcpu.set_registers(frame);
    }

    /// RAX.
    pub(super) fn ax(&self) -> u64 {
        self.hardware.get(Register::Ax)
    }

    /// Sets it.
    pub(super) fn set_ax(&mut self, value: u64) {
        self.hardware.set(Register::Ax, value);
    }

    /// The general register that an instruction names by this number.
    pub(super) fn general(&self, number: usize) -> u64 {
        match number {
            0 => self.ax(),
            4 => self.hardware.get(Register::Sp),
            number => self.vcpu.registers().to_words()[word_of_register(number)],
        }
    }

    /// Sets it.
    pub(super) fn set_general(&mut self, number: usize, value: u64) {
        match number {
            0 => self.set_ax(value),
            4 => self.hardware.set(Register::Sp, value),
            number => self.change(|frame| {
                let mut words = frame.to_words();
                words[word_of_register(number)] = value;
                *frame = ExceptionFrame::from_words(&words);
            }),
        }
    }

    /// A model-specific register that is in the guest's state.
    pub(super) fn msr(&self, number: u32) -> Option<u64> {
        match number {
            EFER => Some(self.hardware.get(Register::Efer)),
            PAGE_ATTRIBUTES => Some(self.hardware.get(Register::PageAttributes)),
            _ => self.hardware.msr(number),
        }
    }

    /// Sets it, unless it is none, or cannot have that value.
    pub(super) fn set_msr(&mut self, number: u32, value: u64) -> Option<()> {
        let (register, value) = match number {
            EFER if value & !efer::ALL == 0 => {
                // The CPU itself keeps LMA.
                let active = self.hardware.get(Register::Efer) & efer::LONG_MODE_ACTIVE;
                (Register::Efer, value & !efer::LONG_MODE_ACTIVE | active)
            }
            PAGE_ATTRIBUTES if are_memory_types(value) => (Register::PageAttributes, value),
            _ => return self.hardware.set_msr(number, value),
        };
        self.hardware.set(register, value);
        Some(())
    }

    /// Goes on behind the instruction that has exited.
    pub(super) fn skip(&mut self) {
        let next = self.hardware.next_instruction();
        self.hardware.go_on_at(next);
    }

    /// Whether the guest takes interrupts at all.
    pub(super) fn has_interrupts_on(&self) -> bool {
        self.hardware.get(Register::Flags) & INTERRUPTS != 0
    }

    /// The interrupt that cannot be masked, taken with the next run, unless something else is; whether it is.
    pub(super) fn inject_non_maskable(&mut self) -> bool {
        let has_room = self.hardware.has_room_for_nmi();
        if has_room {
            self.hardware.inject(VALID | NON_MASKABLE);
        }
        has_room
    }

    /// An exception, taken with the next run.
    pub(super) fn raise(&mut self, vector: u64) {
        let error = match vector {
            vector::GENERAL_PROTECTION | vector::ALIGNMENT_CHECK => HAS_ERROR,
            _ => 0,
        };
        self.hardware.inject(VALID | EXCEPTION | error | vector);
    }
}
