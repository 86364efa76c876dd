//! What exits mean.

use crate::aarch64::access::Access;
use crate::aarch64::platform::Platform;
use crate::aarch64::psci::{self, Answer};
use crate::aarch64::system_register::SystemRegister;
use l4_abi::arch::aarch64::exception::{class, exception_class};
use l4_abi::arch::aarch64::vm::PPI_VIRTUAL_TIMER;
use l4_memory::Shared;
use l4_rt::println;

use super::{Machine, Stop};

/// The lowest bits of a syndrome: the number in a call, or of a virtual interrupt.
const IMMEDIATE: u64 = 0xffff;

impl Machine {
    /// Serves the exit.
    pub(super) fn serve_exit(&mut self) -> Option<Stop> {
        let registers = self.cpu.vcpu.registers();
        let syndrome = registers.error;
        match exception_class(syndrome) {
            class::DATA_ABORT_LOWER => return self.device(syndrome, registers.fault_address),
            class::VIRTUAL_PPI if syndrome & IMMEDIATE == u64::from(PPI_VIRTUAL_TIMER) => {
                self.statistics.count("timer", None);
                self.platform.timer();
            }
            // An interrupt has ended: what waits is shown at the next entry.
            class::VIRTUAL_PPI => self.statistics.count("interrupt end", None),
            class::WFX => {
                self.statistics.count("wait", None);
                self.cpu.skip(None);
                self.wait();
            }
            class::HVC64 => return self.call(),
            // The firmware is called by `hvc` only.
            class::SMC64 => {
                self.statistics.count("monitor call", registers.x[0]);
                self.cpu.skip(Some((0, u64::MAX)));
            }
            class::SYSTEM_REGISTER => self.system_register(syndrome),
            class::IPC => {
                self.statistics.count("message", None);
                self.arrived(self.cpu.vcpu.message().label);
            }
            _ => return Some(self.fault()),
        }
        None
    }

    fn device(&mut self, syndrome: u64, address: u64) -> Option<Stop> {
        let Some(access) = Access::of(syndrome) else {
            return Some(self.fault());
        };
        let done = if access.is_write {
            let value = access.written(self.cpu.register(access.register));
            let done = self
                .platform
                .write(address, access, value, &self.ram.shared);
            done.map(|()| None)
        } else {
            let value = self.platform.read(address, access);
            value.map(|value| Some((access.register, access.loaded(value))))
        };
        let Some(result) = done else {
            return Some(self.fault());
        };
        let name = Platform::<Shared>::name(address).unwrap_or_default();
        self.statistics.count(name, None);
        self.cpu.skip(result);
        None
    }

    fn call(&mut self) -> Option<Stop> {
        let (function, argument) = (self.cpu.register(0), self.cpu.register(1));
        self.statistics.count("firmware call", function);
        match psci::answer(function, argument) {
            Answer::Off => Some(Stop::Off),
            Answer::Reset => Some(Stop::Reset),
            Answer::Value(value) => {
                self.cpu.skip(Some((0, value)));
                None
            }
        }
    }

    fn system_register(&mut self, syndrome: u64) {
        let access = SystemRegister::of(syndrome);
        self.statistics.count("system register", access.encoding);
        if access.generates_interrupts() {
            let value = self.cpu.register(access.register);
            self.platform.gic.generate(value);
        }
        let result = access.is_read.then_some((access.register, 0));
        self.cpu.skip(result);
    }

    /// The guest did what this machine does not have: tells all that is known.
    fn fault(&mut self) -> Stop {
        let registers = self.cpu.vcpu.registers();
        let class = exception_class(registers.error);
        self.statistics.count("fault", class);
        println!();
        println!(
            "the guest is stopped: class {class:#x}, syndrome {:#x}, address {:#x}",
            registers.error, registers.fault_address
        );
        println!("{registers:#x?}");
        Stop::Fault
    }
}
