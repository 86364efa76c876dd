//! The guest's CPU: how it starts, and what else the monitor does to it, whatever the host's processor is.

use alloc::boxed::Box;

use crate::x86_64::kernel_image::Entry;
use crate::x86_64::msr::NoSuchRegister;
use l4_abi::arch::x86_64::vm::are_memory_types;
use l4_abi::exception::ExceptionFrame;
use l4_abi::vcpu::{StateFlags, UserTask};
use l4_guest::event::{EXCEPTION, HAS_ERROR, NON_MASKABLE, VALID};
use l4_guest::{Exit, Hardware, Register, Segment, general_register, segment, vector};
use l4_sys::object::Task;
use l4_sys::vcpu::{GuestEnd, Vcpu};
use l4_sys::{Cap, Object, Result};

/// The registers with which a kernel starts (Documentation/x86/boot.rst).
mod start {
    pub(super) const CR0: u64 = 0x8005_0033;
    pub(super) const CR0_REAL_MODE: u64 = 0x10;
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
mod msr {
    pub(super) const PAGE_ATTRIBUTES: u32 = 0x277;
    pub(super) const EFER: u32 = 0xc000_0080;
}

const INTERRUPTS: u64 = 1 << 9;

/// The CPU.
pub(super) struct Cpu {
    vcpu: Vcpu,
    hardware: Box<dyn Hardware>,
}

impl Cpu {
    /// The calling thread as the CPU of `vm`.
    pub(super) fn new(vm: Cap<Task>) -> Result<Self> {
        let extended = l4_rt::vcpu::extended()?;
        let vcpu = extended.vcpu();
        vcpu.set_user_task(UserTask::new(vm.selector()));
        vcpu.set_saved_state(StateFlags::USER_MODE | StateFlags::FPU_ENABLED);
        let hardware = l4_guest::of(extended);
        Ok(Self { vcpu, hardware })
    }

    /// The state at the first instruction of a kernel.
    pub(super) fn start(&mut self, entry: &Entry) {
        self.set_segments((0x10, 0xa9b), (0x18, 0xc93), u32::MAX);
        let (base, limit) = entry.gdt;
        let gdt = Segment {
            limit: limit.into(),
            base,
            ..Segment::default()
        };
        self.hardware.set_segment(segment::GDT, gdt);
        self.reset(
            start::EFER,
            [start::CR0, entry.page_table, start::CR4],
            entry.instruction,
        );
        self.change(|frame| frame.rsi = entry.parameters);
    }

    /// The state in which another CPU starts this one: in real mode, at the beginning of a page.
    pub(super) fn start_up(&mut self, page: u8) {
        self.set_segments((u16::from(page) << 8, 0x9b), (0, 0x93), 0xffff);
        let code = Segment {
            selector: u16::from(page) << 8,
            attributes: 0x9b,
            limit: 0xffff,
            base: u64::from(page) << 12,
        };
        self.hardware.set_segment(segment::CODE, code);
        self.reset(0, [start::CR0_REAL_MODE, 0, 0], 0);
    }

    fn reset(&mut self, efer: u64, [cr0, cr3, cr4]: [u64; 3], instruction: u64) {
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

    /// Code and data segments, each a selector and attributes; LDT and TR: something valid.
    fn set_segments(&mut self, code: (u16, u16), data: (u16, u16), limit: u32) {
        for number in 0..segment::COUNT {
            let ((selector, attributes), limit) = match number {
                segment::CODE => (code, limit),
                segment::GDT | segment::IDT => ((0, 0), 0xffff),
                segment::LDT => ((0, 0x82), 0xffff),
                segment::TASK_STATE => ((0, 0x8b), 0xffff),
                _ => (data, limit),
            };
            let segment = Segment {
                selector,
                attributes,
                limit,
                base: 0,
            };
            self.hardware.set_segment(number, segment);
        }
    }

    /// Runs the guest until there is something to do.
    pub(super) fn run(&mut self) -> Result<GuestEnd> {
        self.hardware.enter();
        let end = self.vcpu.run_guest(&[])?;
        self.hardware.leave(end == GuestEnd::Exit);
        Ok(end)
    }

    /// Why it has exited. What only the host's processor makes exit is done with that.
    pub(super) fn exit(&mut self) -> Exit {
        self.hardware.exit()
    }

    /// What the processor says of that.
    pub(super) fn exit_words(&self) -> [u64; 3] {
        self.hardware.exit_words()
    }

    /// A register.
    pub(super) fn get(&self, register: Register) -> u64 {
        self.hardware.get(register)
    }

    /// The general registers: all but RAX and RSP.
    pub(super) fn registers(&self) -> ExceptionFrame {
        self.vcpu.registers()
    }

    /// Changes them.
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
            4 => self.get(Register::Sp),
            number => *general_register(&mut self.vcpu.registers(), number),
        }
    }

    /// Sets it.
    pub(super) fn set_general(&mut self, number: usize, value: u64) {
        match number {
            0 => self.set_ax(value),
            4 => self.hardware.set(Register::Sp, value),
            number => self.change(|frame| *general_register(frame, number) = value),
        }
    }

    /// A model-specific register that is in the guest's state.
    pub(super) fn msr(&self, number: u32) -> Option<u64> {
        match number {
            msr::EFER => Some(self.get(Register::Efer)),
            msr::PAGE_ATTRIBUTES => Some(self.get(Register::PageAttributes)),
            _ => self.hardware.msr(number),
        }
    }

    /// Sets it.
    pub(super) fn set_msr(
        &mut self,
        number: u32,
        value: u64,
    ) -> core::result::Result<(), NoSuchRegister> {
        match number {
            msr::EFER if value & !efer::ALL == 0 => {
                // The CPU itself keeps LMA.
                let active = self.get(Register::Efer) & efer::LONG_MODE_ACTIVE;
                let value = value & !efer::LONG_MODE_ACTIVE | active;
                self.hardware.set(Register::Efer, value);
            }
            msr::PAGE_ATTRIBUTES if are_memory_types(value) => {
                self.hardware.set(Register::PageAttributes, value);
            }
            msr::EFER | msr::PAGE_ATTRIBUTES => return Err(NoSuchRegister),
            _ if self.hardware.set_msr(number, value) => {}
            _ => return Err(NoSuchRegister),
        }
        Ok(())
    }

    /// Goes on behind the instruction that has exited.
    pub(super) fn skip(&mut self) {
        self.go_on_at(self.hardware.next_instruction());
    }

    /// Goes on at `instruction`: the one that exited is done, and a shadow of interrupts is over.
    pub(super) fn go_on_at(&mut self, instruction: u64) {
        self.hardware.set(Register::Ip, instruction);
        self.hardware.end_shadow();
    }

    /// Whether the guest takes interrupts at all.
    pub(super) fn has_interrupts_on(&self) -> bool {
        self.get(Register::Flags) & INTERRUPTS != 0
    }

    /// Lets the guest take this interrupt as soon as it takes any, or none.
    pub(super) fn offer(&mut self, vector: Option<u8>) {
        self.hardware.offer(vector);
    }

    /// Whether the guest has yet to take it.
    pub(super) fn has_offer(&self) -> bool {
        self.hardware.has_offer()
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
