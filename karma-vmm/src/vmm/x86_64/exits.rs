//! What exits mean (AMD APM volume 2, appendix C).

use core::arch::x86_64::__cpuid_count;

use crate::end::End;
use crate::vmm::Stop;
use crate::x86_64::cpuid;
use crate::x86_64::debug_registers::decode;
use crate::x86_64::msr::{NoSuchRegister, Now};
use crate::x86_64::platform::Platform;
use l4_abi::exception::ExceptionFrame;
use l4_memory::Shared;
use l4_rt::println;

use super::alarm;
use super::control_block::{at, vector};
use super::processor::Processor;

/// Exit codes.
mod exit {
    pub(super) const DEBUG_READ: u64 = 0x20;
    pub(super) const DEBUG_WRITE: u64 = 0x30;
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
    pub(super) const NO_INSTRUCTION: [u64; 10] =
        [0x7a, 0x80, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x8a, 0x8b];
    pub(super) const COMPONENTS: u64 = 0x8d;
}

/// Lengths of instructions.
const TWO_BYTES: u64 = 2;
const THREE_BYTES: u64 = 3;
const ONE_BYTE: u64 = 1;

/// Registers that the control block has: the PAT, and EFER, in which the host has a bit.
const PAGE_ATTRIBUTES: u32 = 0x277;
const EFER: u32 = 0xc000_0080;

/// What a hypercall that is not there returns (Linux, KVM_ENOSYS).
const NO_SUCH_HYPERCALL: u64 = -1000_i64 as u64;

impl Processor {
    /// Serves the exit.
    pub(super) fn serve_exit(&mut self) -> Option<Stop> {
        let exit_code = self.cpu.block.word(at::EXIT_CODE);
        self.cpu.repeat_event();
        match exit_code {
            exit::PORT => return self.port(),
            exit::REGISTER => self.register(),
            exit::CPUID => self.cpuid(),
            exit::HALT => {
                self.statistics.count("halt", None);
                self.cpu.skip(ONE_BYTE);
                match self.cpu.has_interrupts_on() {
                    true => self.halt(),
                    false => self.sleep(),
                }
            }
            exit::NMI => self.statistics.count("host", None),
            exit::DEBUG_EXCEPTION => self.exception(vector::DEBUG),
            exit::ALIGNMENT_EXCEPTION => self.exception(vector::ALIGNMENT_CHECK),
            exit::HYPERCALL => {
                self.statistics.count("hypercall", self.cpu.ax());
                self.cpu.set_ax(NO_SUCH_HYPERCALL);
                self.cpu.skip(THREE_BYTES);
            }
            exit::CACHES => {
                self.statistics.count("caches", None);
                self.cpu.skip(TWO_BYTES);
            }
            exit::COUNTER => self.exception(vector::GENERAL_PROTECTION),
            exit::COMPONENTS => self.exception(vector::INVALID_OPCODE),
            code if exit::NO_INSTRUCTION.contains(&code) => {
                self.exception(vector::INVALID_OPCODE);
            }
            exit::SHUTDOWN => {
                self.statistics.count("triple fault", None);
                return Some(Stop::End(End::Reset));
            }
            exit::DEBUG_READ..=0x3f => return self.debug_register(exit_code),
            _ => return Some(self.fault()),
        }
        None
    }

    fn exception(&mut self, vector: u64) {
        self.statistics.count("exception", vector);
        self.cpu.raise(vector);
    }

    fn port(&mut self) -> Option<Stop> {
        const IN: u64 = 1 << 0;
        const STRING: u64 = 1 << 2;
        let info = self.cpu.block.word(at::EXIT_INFO_1);
        if info & STRING != 0 {
            return Some(self.fault());
        }
        let port = (info >> 16) as u16;
        let size = (info >> 4 & 7) as u8;
        let mask = u64::from(u32::MAX >> (32 - 8 * u32::from(size.clamp(1, 4))));
        let now = alarm::now();
        let mut end = None;
        if info & IN != 0 {
            self.statistics.count("port in", u64::from(port));
            let read = |platform: &mut Platform<Shared>| platform.read_port(port, size, now);
            let value = u64::from(self.with_platform(read)) & mask;
            // Four bytes clear the upper half of the register.
            let kept = if size == 4 { 0 } else { self.cpu.ax() & !mask };
            self.cpu.set_ax(kept | value);
        } else {
            self.statistics.count("port out", u64::from(port));
            let value = (self.cpu.ax() & mask) as u32;
            let memory = &self.machine.ram.shared;
            end =
                self.with_platform(|platform| platform.write_port(port, size, value, now, memory));
        }
        let next = self.cpu.block.word(at::EXIT_INFO_2);
        self.cpu.go_on_at(next);
        end.map(Stop::End)
    }

    fn register(&mut self) {
        const WRITE: u64 = 1;
        let frame = self.cpu.vcpu.registers();
        let (number, ax) = (frame.rcx as u32, self.cpu.ax());
        let is_write = self.cpu.block.word(at::EXIT_INFO_1) == WRITE;
        let done = if is_write {
            self.statistics.count("register write", u64::from(number));
            let value = frame.rdx << 32 | ax & 0xffff_ffff;
            // The clock of the kernel info page runs with the counter, from its zero on.
            let now = Now {
                tsc: 0,
                nanoseconds: 0u64.wrapping_sub(self.machine.started),
                started: 0,
                scale: self.machine.scale,
            };
            match number {
                EFER => self.cpu.set_efer(value),
                PAGE_ATTRIBUTES => self.cpu.set_page_attributes(value),
                _ if Self::is_of_apic(number) => {
                    let written = self.write_apic(number, value);
                    written.map_err(|_| NoSuchRegister)
                }
                _ => (self.registers).write(number, value, &self.machine.ram.shared, now),
            }
        } else {
            self.statistics.count("register read", u64::from(number));
            let value = match number {
                EFER => Ok(self.cpu.efer()),
                PAGE_ATTRIBUTES => Ok(self.cpu.page_attributes()),
                _ if Self::is_of_apic(number) => self.read_apic(number).map_err(|_| NoSuchRegister),
                _ => self.registers.read(number),
            };
            value.map(|value| {
                self.cpu.set_ax(value & 0xffff_ffff);
                self.cpu.change(|frame| frame.rdx = value >> 32);
            })
        };
        match done {
            Ok(()) => self.cpu.skip(TWO_BYTES),
            Err(_) => self.cpu.raise(vector::GENERAL_PROTECTION),
        }
    }

    fn cpuid(&mut self) {
        let (leaf, sub_leaf) = (self.cpu.ax() as u32, self.cpu.vcpu.registers().rcx as u32);
        // Where a guest looks for hypervisors it looks at very many.
        let detail = Some(u64::from(leaf)).filter(|_| leaf >> 28 != 4);
        self.statistics.count("cpuid", detail);
        let own = __cpuid_count(leaf, sub_leaf);
        let own = [own.eax, own.ebx, own.ecx, own.edx];
        let cpu = cpuid::Cpu {
            id: self.id,
            count: self.machine.cpu_count(),
            has_apic: self.machine.has_apics(),
        };
        let [eax, ebx, ecx, edx] = cpuid::answer(leaf, sub_leaf, own, cpu).map(u64::from);
        self.cpu.set_ax(eax);
        self.cpu.change(|frame| {
            (frame.rbx, frame.rcx, frame.rdx) = (ebx, ecx, edx);
        });
        self.cpu.skip(TWO_BYTES);
    }

    fn debug_register(&mut self, exit_code: u64) -> Option<Stop> {
        let number = (exit_code & 0xf) as usize;
        self.statistics.count("debug register", number as u64);
        let (root, address) = (self.cpu.block.word(at::CR3), self.cpu.block.word(at::IP));
        let Some(instruction) = decode(&self.machine.ram.shared, root, address) else {
            return Some(self.fault());
        };
        let is_write = exit_code >= exit::DEBUG_WRITE;
        let old = self.debug_registers.get(number);
        let mut frame = self.cpu.vcpu.registers();
        let value = match instruction.register {
            0 => self.cpu.ax(),
            register => general_register(&mut frame, register).map_or(0, |value| *value),
        };
        if is_write {
            self.debug_registers.set(number, value);
        } else if instruction.register == 0 {
            self.cpu.set_ax(old);
        } else if let Some(place) = general_register(&mut frame, instruction.register) {
            *place = old;
            self.cpu.vcpu.set_registers(frame);
        }
        self.cpu.skip(instruction.length);
        None
    }

    /// The guest did what this machine does not have: tells all that is known.
    fn fault(&mut self) -> Stop {
        let word = |offset| self.cpu.block.word(offset);
        self.statistics.count("fault", word(at::EXIT_CODE));
        println!();
        println!(
            "the guest is stopped: exit {:#x}, {:#x} {:#x}",
            word(at::EXIT_CODE),
            word(at::EXIT_INFO_1),
            word(at::EXIT_INFO_2)
        );
        println!(
            "rip {:#x} rsp {:#x} rflags {:#x} rax {:#x} cr0 {:#x} cr3 {:#x} cr4 {:#x} efer {:#x}",
            word(at::IP),
            word(at::SP),
            word(at::FLAGS),
            word(at::AX),
            word(at::CR0),
            word(at::CR3),
            word(at::CR4),
            word(at::EFER)
        );
        println!("{:#x?}", self.cpu.vcpu.registers());
        Stop::Fault
    }
}

/// The place of a general register, but for RAX (0) and RSP (4), which are elsewhere.
fn general_register(frame: &mut ExceptionFrame, number: usize) -> Option<&mut u64> {
    Some(match number {
        1 => &mut frame.rcx,
        2 => &mut frame.rdx,
        3 => &mut frame.rbx,
        5 => &mut frame.rbp,
        6 => &mut frame.rsi,
        7 => &mut frame.rdi,
        8 => &mut frame.r8,
        9 => &mut frame.r9,
        10 => &mut frame.r10,
        11 => &mut frame.r11,
        12 => &mut frame.r12,
        13 => &mut frame.r13,
        14 => &mut frame.r14,
        15 => &mut frame.r15,
        _ => return None,
    })
}
