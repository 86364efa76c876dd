//! The guest's CPU: its registers in the vCPU's state and in the control block (AMD APM volume 2, 15 and
//! appendix B).

use crate::x86_64::kernel_image::Entry;
use crate::x86_64::msr::NoSuchRegister;
use l4_abi::arch::x86_64::vm::{CLEAN_BITS_OFFSET, UNCHANGED_SAVE_AREA, are_memory_types};
use l4_abi::exception::ExceptionFrame;
use l4_abi::vcpu::{StateFlags, UserTask};
use l4_sys::arch::vmcb::Vmcb;
use l4_sys::object::Task;
use l4_sys::vcpu::{GuestEnd, Vcpu};
use l4_sys::{Cap, Object, Result};

/// Offsets in the control block.
pub(super) mod at {
    pub(crate) const INSTRUCTIONS_0: usize = 0x0c;
    pub(crate) const INTERRUPT_CONTROL: usize = 0x60;
    pub(crate) const INTERRUPT_SHADOW: usize = 0x68;
    pub(crate) const EXIT_CODE: usize = 0x70;
    pub(crate) const EXIT_INFO_1: usize = 0x78;
    pub(crate) const EXIT_INFO_2: usize = 0x80;
    pub(crate) const EXIT_INTERRUPTION: usize = 0x88;
    pub(crate) const NESTED_PAGING: usize = 0x90;
    pub(crate) const EVENT: usize = 0xa8;
    pub(crate) const SEGMENTS: usize = 0x400;
    pub(crate) const GDT: usize = 0x460;
    pub(crate) const EFER: usize = 0x4d0;
    pub(crate) const CR4: usize = 0x548;
    pub(crate) const CR3: usize = 0x550;
    pub(crate) const CR0: usize = 0x558;
    pub(crate) const DR7: usize = 0x560;
    pub(crate) const DR6: usize = 0x568;
    pub(crate) const FLAGS: usize = 0x570;
    pub(crate) const IP: usize = 0x578;
    pub(crate) const SP: usize = 0x5d8;
    pub(crate) const AX: usize = 0x5f8;
    pub(crate) const PAGE_ATTRIBUTES: usize = 0x668;
    pub(crate) const XCR0: usize = 0x698;
}

/// Of the first word of instructions.
const CPUID: u32 = 1 << 18;
/// In the interrupt control: the guest's priority, and an interrupt that it gets as soon as it takes any, whatever
/// that priority is; the place of the vector.
const PRIORITY: u64 = 0xff;
const OFFERED: u64 = 1 << 8;
const WHATEVER_PRIORITY: u64 = 1 << 20;
const VECTOR_SHIFT: u32 = 32;
/// Which of the segments is that of the code.
const CODE: usize = 1;
/// From here on they are tables, and what is described in those.
const TABLES: usize = 6;
/// A valid event.
const VALID: u64 = 1 << 31;
const HAS_ERROR: u64 = 1 << 11;
const EXCEPTION: u64 = 3 << 8;
const NON_MASKABLE: u64 = 2 << 8 | 2;
const INTERRUPTS: u64 = 1 << 9;

/// The registers with which a kernel starts (Documentation/x86/boot.rst).
mod start {
    pub(super) const CR0: u64 = 0x8005_0033;
    pub(super) const CR0_REAL_MODE: u64 = 0x10;
    pub(super) const CR4: u64 = 1 << 5;
    /// SVME, LMA, LME.
    pub(super) const EFER: u64 = 1 << 12 | 1 << 10 | 1 << 8;
    /// What the CPU has after a reset.
    pub(super) const PAGE_ATTRIBUTES: u64 = 0x0007_0406_0007_0406;
    pub(super) const DR6: u64 = 0xffff_0ff0;
    pub(super) const DR7: u64 = 0x400;
}

mod efer {
    pub(super) const LONG_MODE_ACTIVE: u64 = 1 << 10;
    pub(super) const SVM: u64 = 1 << 12;
    /// What a guest can set: system calls, long mode, no execution.
    pub(super) const ALL: u64 = LONG_MODE_ACTIVE | 1 << 0 | 1 << 8 | 1 << 11;
}

/// Exceptions that a guest gets.
pub(super) mod vector {
    pub(crate) const DEBUG: u64 = 1;
    pub(crate) const INVALID_OPCODE: u64 = 6;
    pub(crate) const GENERAL_PROTECTION: u64 = 13;
    pub(crate) const ALIGNMENT_CHECK: u64 = 17;
}

/// The CPU.
pub(super) struct Cpu {
    pub(super) vcpu: Vcpu,
    pub(super) block: Vmcb,
    /// More than RAX, RSP, RIP and RFLAGS of the save area has been changed since the last exit.
    is_changed: bool,
}

impl Cpu {
    /// The calling thread as the CPU of `vm`.
    pub(super) fn new(vm: Cap<Task>) -> Result<Self> {
        let extended = l4_rt::vcpu::extended()?;
        let vcpu = extended.vcpu();
        vcpu.set_user_task(UserTask::new(vm.selector()));
        vcpu.set_saved_state(StateFlags::USER_MODE | StateFlags::FPU_ENABLED);
        Ok(Self {
            vcpu,
            block: Vmcb::of(extended),
            is_changed: true,
        })
    }

    /// The state at the first instruction of a kernel.
    pub(super) fn start(&mut self, entry: &Entry) {
        self.is_changed = true;
        let block = self.block;
        block.set_word(at::NESTED_PAGING, 1);
        block.set_long(at::INSTRUCTIONS_0, CPUID);
        self.set_segments((0x10, 0xa9b), (0x18, 0xc93), u32::MAX);
        let (base, limit) = entry.gdt;
        block.set_long(at::GDT + 4, limit.into());
        block.set_word(at::GDT + 8, base);
        for (offset, value) in [
            (at::EFER, start::EFER),
            (at::CR0, start::CR0),
            (at::CR3, entry.page_table),
            (at::CR4, start::CR4),
            (at::DR6, start::DR6),
            (at::DR7, start::DR7),
            (at::PAGE_ATTRIBUTES, start::PAGE_ATTRIBUTES),
            // All that the host has, so that nothing is switched; the guest sees none of it.
            (at::XCR0, u64::MAX),
            (at::FLAGS, 2),
            (at::IP, entry.instruction),
            (at::SP, 0),
        ] {
            block.set_word(offset, value);
        }
        self.change(|frame| frame.rsi = entry.parameters);
    }

    /// The state in which another CPU starts this one: in real mode, at the beginning of a page.
    pub(super) fn start_up(&mut self, page: u8) {
        self.is_changed = true;
        let block = self.block;
        block.set_word(at::NESTED_PAGING, 1);
        block.set_long(at::INSTRUCTIONS_0, CPUID);
        self.set_segments((u16::from(page) << 8, 0x9b), (0, 0x93), 0xffff);
        block.set_word(at::SEGMENTS + CODE * 16 + 8, u64::from(page) << 12);
        for (offset, value) in [
            (at::EFER, efer::SVM),
            (at::CR0, start::CR0_REAL_MODE),
            (at::CR3, 0),
            (at::CR4, 0),
            (at::DR6, start::DR6),
            (at::DR7, start::DR7),
            (at::PAGE_ATTRIBUTES, start::PAGE_ATTRIBUTES),
            (at::XCR0, u64::MAX),
            (at::FLAGS, 2),
            (at::IP, 0),
            (at::SP, 0),
            (at::AX, 0),
            (at::EVENT, 0),
            (at::EXIT_INTERRUPTION, 0),
            (at::INTERRUPT_SHADOW, 0),
        ] {
            block.set_word(offset, value);
        }
        self.change(|frame| *frame = ExceptionFrame::default());
    }

    /// Code and data segments, each a selector and attributes; LDT and TR: something valid.
    fn set_segments(&mut self, code: (u16, u16), data: (u16, u16), limit: u32) {
        let table = (0, 0);
        // ES, CS, SS, DS, FS, GS, GDT, LDT, IDT, TR.
        let segments = [
            data,
            code,
            data,
            data,
            data,
            data,
            table,
            (0, 0x82),
            table,
            (0, 0x8b),
        ];
        for (segment, (selector, attributes)) in segments.into_iter().enumerate() {
            let offset = at::SEGMENTS + segment * 16;
            self.block.set_half(offset, selector);
            self.block.set_half(offset + 2, attributes);
            let limit = if segment < TABLES { limit } else { 0xffff };
            self.block.set_long(offset + 4, limit);
            self.block.set_word(offset + 8, 0);
        }
    }

    /// Runs the guest until there is something to do.
    pub(super) fn run(&mut self) -> Result<GuestEnd> {
        let unchanged = if self.is_changed {
            0
        } else {
            UNCHANGED_SAVE_AREA
        };
        self.block.set_word(CLEAN_BITS_OFFSET, unchanged);
        let end = self.vcpu.run_guest(&[])?;
        // Without an exit the kernel may not have looked at it at all.
        self.is_changed &= end != GuestEnd::Exit;
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
        self.block.word(at::AX)
    }

    /// Sets it.
    pub(super) fn set_ax(&mut self, value: u64) {
        self.block.set_word(at::AX, value);
    }

    /// EFER as the guest sees it: without SVM.
    pub(super) fn efer(&self) -> u64 {
        self.block.word(at::EFER) & !efer::SVM
    }

    /// Sets it. The CPU itself keeps LMA.
    pub(super) fn set_efer(&mut self, value: u64) -> core::result::Result<(), NoSuchRegister> {
        if value & !efer::ALL != 0 {
            return Err(NoSuchRegister);
        }
        let active = self.efer() & efer::LONG_MODE_ACTIVE;
        let value = value & !efer::LONG_MODE_ACTIVE | active | efer::SVM;
        self.block.set_word(at::EFER, value);
        self.is_changed = true;
        Ok(())
    }

    /// The PAT: the memory types of pages.
    pub(super) fn page_attributes(&self) -> u64 {
        self.block.word(at::PAGE_ATTRIBUTES)
    }

    /// Sets it.
    pub(super) fn set_page_attributes(
        &mut self,
        value: u64,
    ) -> core::result::Result<(), NoSuchRegister> {
        if !are_memory_types(value) {
            return Err(NoSuchRegister);
        }
        self.block.set_word(at::PAGE_ATTRIBUTES, value);
        self.is_changed = true;
        Ok(())
    }

    /// Goes on behind an instruction of so many bytes.
    pub(super) fn skip(&mut self, bytes: u64) {
        let next = self.block.word(at::IP).wrapping_add(bytes);
        self.go_on_at(next);
    }

    /// Goes on at `instruction`: the one that exited is done, and a shadow of interrupts is over.
    pub(super) fn go_on_at(&mut self, instruction: u64) {
        self.block.set_word(at::IP, instruction);
        self.block.set_word(at::INTERRUPT_SHADOW, 0);
    }

    /// Whether the guest takes interrupts at all.
    pub(super) fn has_interrupts_on(&self) -> bool {
        self.block.word(at::FLAGS) & INTERRUPTS != 0
    }

    /// Lets the guest take this interrupt as soon as it takes any, or none. The CPU looks when that is: an event
    /// that is injected comes whatever the guest masks, and QEMU's CPU can deliver an interrupt as such twice.
    pub(super) fn offer(&mut self, vector: Option<u8>) {
        let priority = self.block.word(at::INTERRUPT_CONTROL) & PRIORITY;
        let offer = vector.map_or(0, |vector| {
            OFFERED | WHATEVER_PRIORITY | u64::from(vector) << VECTOR_SHIFT
        });
        self.block.set_word(at::INTERRUPT_CONTROL, priority | offer);
    }

    /// Whether the guest has yet to take it.
    pub(super) fn has_offer(&self) -> bool {
        self.block.word(at::INTERRUPT_CONTROL) & OFFERED != 0
    }

    /// The interrupt that cannot be masked, taken with the next run, unless something else is; whether it is.
    pub(super) fn inject_non_maskable(&mut self) -> bool {
        let is_free = self.block.word(at::EVENT) & VALID == 0;
        if is_free {
            self.block.set_word(at::EVENT, VALID | NON_MASKABLE);
        }
        is_free
    }

    /// An exception, taken with the next run.
    pub(super) fn raise(&mut self, vector: u64) {
        let error = match vector {
            vector::GENERAL_PROTECTION | vector::ALIGNMENT_CHECK => HAS_ERROR,
            _ => 0,
        };
        self.block
            .set_word(at::EVENT, VALID | EXCEPTION | error | vector);
    }

    /// The event that was on its way into the guest when it exited comes again.
    pub(super) fn repeat_event(&mut self) {
        let event = self.block.word(at::EXIT_INTERRUPTION);
        if event & VALID != 0 {
            self.block.set_word(at::EVENT, event);
        }
    }
}
