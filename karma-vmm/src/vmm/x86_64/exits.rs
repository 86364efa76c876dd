//! What is done about exits.

use core::arch::x86_64::__cpuid_count;

use crate::end::End;
use crate::vmm::Stop;
use crate::x86_64::cpuid;
use crate::x86_64::debug_registers::decode;
use crate::x86_64::msr::NoSuchRegister;
use crate::x86_64::platform::Platform;
use l4_guest::{Exit, Register, vector};
use l4_memory::Shared;
use l4_rt::println;

use super::alarm;
use super::processor::Processor;

/// What a hypercall that is not there returns (Linux, KVM_ENOSYS).
const NO_SUCH_HYPERCALL: u64 = -1000_i64 as u64;

impl Processor {
    /// Serves the exit.
    pub(super) fn serve_exit(&mut self) -> Option<Stop> {
        match self.cpu.hardware.exit() {
            Exit::In(port, size) => self.read_port(port, size),
            Exit::Out(port, size) => return self.write_port(port, size).map(Stop::End),
            Exit::ReadMsr => self.register(false),
            Exit::WriteMsr => self.register(true),
            Exit::ReadDebug(number, general) => return self.debug_register(number, general, false),
            Exit::WriteDebug(number, general) => return self.debug_register(number, general, true),
            Exit::Cpuid => self.cpuid(),
            Exit::Halt => {
                self.count("halt", None);
                self.cpu.skip();
                match self.cpu.has_interrupts_on() {
                    true => self.halt(),
                    false => self.sleep(),
                }
            }
            Exit::Hypercall => {
                self.count("hypercall", self.cpu.ax());
                self.cpu.set_ax(NO_SUCH_HYPERCALL);
                self.cpu.skip();
            }
            Exit::Caches => {
                self.count("caches", None);
                self.cpu.skip();
            }
            Exit::Exception(vector) => self.exception(vector),
            Exit::Debug(reasons) => {
                self.debug_registers.note(reasons);
                self.exception(vector::DEBUG);
            }
            Exit::Done(what) => self.count(what, None),
            Exit::TripleFault => {
                self.count("triple fault", None);
                return Some(Stop::End(End::Reset));
            }
            Exit::Other => return Some(self.fault()),
        }
        None
    }

    fn exception(&mut self, vector: u64) {
        self.count("exception", vector);
        self.cpu.raise(vector);
    }

    fn read_port(&mut self, port: u16, size: u8) {
        self.count("port in", u64::from(port));
        let now = alarm::now();
        let read = |platform: &mut Platform<Shared>| platform.read_port(port, size, now);
        let value = u64::from(self.with_platform(read)) & mask(size);
        // Four bytes clear the upper half of the register.
        let kept = if size == 4 {
            0
        } else {
            self.cpu.ax() & !mask(size)
        };
        self.cpu.set_ax(kept | value);
        self.cpu.skip();
    }

    fn write_port(&mut self, port: u16, size: u8) -> Option<End> {
        self.count("port out", u64::from(port));
        let now = alarm::now();
        let value = (self.cpu.ax() & mask(size)) as u32;
        let memory = &self.machine.ram.shared;
        let end =
            self.with_platform(|platform| platform.write_port(port, size, value, now, memory));
        self.cpu.skip();
        end
    }

    fn register(&mut self, is_write: bool) {
        let frame = self.cpu.vcpu.registers();
        let (number, ax) = (frame.rcx as u32, self.cpu.ax());
        let done = if is_write {
            self.count("register write", u64::from(number));
            let value = frame.rdx << 32 | ax & 0xffff_ffff;
            // The clock of the kernel info page runs with the counter, from its zero on.
            let time = (self.machine.scale, 0u64.wrapping_sub(self.machine.started));
            match number {
                _ if self.cpu.msr(number).is_some() => {
                    self.cpu.set_msr(number, value).ok_or(NoSuchRegister)
                }
                _ if Self::is_of_apic(number) => self.write_apic(number, value),
                _ => (self.registers).write(number, value, &self.machine.ram.shared, time),
            }
        } else {
            self.count("register read", u64::from(number));
            let value = match self.cpu.msr(number) {
                Some(value) => Ok(value),
                _ if Self::is_of_apic(number) => self.read_apic(number),
                _ => self.registers.read(number),
            };
            value.map(|value| {
                self.cpu.set_ax(value & 0xffff_ffff);
                self.cpu.change(|frame| frame.rdx = value >> 32);
            })
        };
        match done {
            Ok(()) => self.cpu.skip(),
            Err(_) => self.cpu.raise(vector::GENERAL_PROTECTION),
        }
    }

    fn cpuid(&mut self) {
        let (leaf, sub_leaf) = (self.cpu.ax() as u32, self.cpu.vcpu.registers().rcx as u32);
        // Where a guest looks for hypervisors it looks at very many.
        let detail = Some(u64::from(leaf)).filter(|_| leaf >> 28 != 4);
        self.count("cpuid", detail);
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
        self.cpu.skip();
    }

    fn debug_register(
        &mut self,
        number: usize,
        general: Option<usize>,
        is_write: bool,
    ) -> Option<Stop> {
        self.count("debug register", number as u64);
        let hardware = &mut self.cpu.hardware;
        let (general, next) = match general {
            Some(general) => (general, hardware.next_instruction()),
            None => {
                let (root, address) = (hardware.get(Register::Cr3), hardware.get(Register::Ip));
                let Some(found) = decode(&self.machine.ram.shared, root, address) else {
                    return Some(self.fault());
                };
                (found.register, address.wrapping_add(found.length))
            }
        };
        hardware.go_on_at(next);
        if is_write {
            let value = self.cpu.general(general);
            self.debug_registers.set(number, value);
        } else {
            let value = self.debug_registers.get(number);
            self.cpu.set_general(general, value);
        }
        None
    }

    /// The guest did what this machine does not have: tells all that is known.
    fn fault(&mut self) -> Stop {
        let hardware = &self.cpu.hardware;
        let [exit, first, second] = hardware.exit_words();
        self.count("fault", exit);
        println!();
        println!("the guest is stopped: exit {exit:#x}, {first:#x} {second:#x}");
        for register in Register::ALL {
            println!("{register:?} {:#x}", hardware.get(register));
        }
        println!("{:#x?}", self.cpu.vcpu.registers());
        Stop::Fault
    }
}

/// What so many bytes can hold.
fn mask(size: u8) -> u64 {
    (u32::MAX >> (32 - 8 * u32::from(size.clamp(1, 4)))).into()
}
