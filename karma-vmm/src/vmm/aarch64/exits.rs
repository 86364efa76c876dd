//! What exits mean.

use crate::aarch64::access::Access;
use crate::aarch64::platform::Platform;
use crate::aarch64::psci::Answer;
use crate::aarch64::system_register::SystemRegister;
use l4_abi::arch::aarch64::exception::{ExceptionFrame, class, exception_class};
use l4_abi::arch::aarch64::vm::PPI_VIRTUAL_TIMER;
use l4_memory::Shared;
use l4_rt::println;

use super::{Board, Next, Worker};
use crate::vmm::Stop;

/// The lowest bits of a syndrome: the number in a call, or of a virtual interrupt.
const IMMEDIATE: u64 = 0xffff;

impl Worker<'_> {
    /// Serves the exit.
    pub(super) fn serve_exit(&self, board: &mut Board) -> Next {
        let registers = self.cpu.vcpu.registers();
        let syndrome = registers.error;
        match exception_class(syndrome) {
            class::DATA_ABORT_LOWER => {
                return self.device(board, syndrome, registers.fault_address);
            }
            class::VIRTUAL_PPI if syndrome & IMMEDIATE == u64::from(PPI_VIRTUAL_TIMER) => {
                board.statistics.count("timer", None);
                board.platform.timer(self.cpu.number);
            }
            // An interrupt has ended: what waits is shown at the next entry.
            class::VIRTUAL_PPI => board.statistics.count("interrupt end", None),
            class::WFX => {
                board.statistics.count("wait", None);
                self.cpu.skip(None);
                return Next::Wait;
            }
            class::HVC64 => return self.call(board, &registers),
            // The firmware is called by `hvc` only.
            class::SMC64 => {
                board.statistics.count("monitor call", registers.x[0]);
                self.cpu.skip(Some((0, u64::MAX)));
            }
            class::SYSTEM_REGISTER => self.system_register(board, syndrome),
            class::IPC => {
                board.statistics.count("message", None);
                let label = self.cpu.vcpu.message().label;
                board.arrived(label, &self.machine.ram.shared);
            }
            _ => return self.fault(board),
        }
        Next::Run
    }

    fn device(&self, board: &mut Board, syndrome: u64, address: u64) -> Next {
        let (Some(access), Some(name)) = (Access::of(syndrome), Platform::<Shared>::name(address))
        else {
            return self.fault(board);
        };
        let (platform, memory) = (&mut board.platform, &self.machine.ram.shared);
        let done = if access.is_write {
            let value = access.written(self.cpu.register(access.register));
            let done = platform.write(self.cpu.number, address, access, value, memory);
            done.map(|()| None)
        } else {
            let value = platform.read(self.cpu.number, address, access);
            value.map(|value| Some((access.register, access.loaded(value))))
        };
        let Some(result) = done else {
            return self.fault(board);
        };
        board.statistics.count(name, None);
        self.cpu.skip(result);
        Next::Run
    }

    fn call(&self, board: &mut Board, registers: &ExceptionFrame) -> Next {
        let [function, one, two, three, ..] = registers.x;
        board.statistics.count("firmware call", function);
        match (board.firmware).answer(self.cpu.number, [function, one, two, three]) {
            Answer::Value(value) => self.cpu.skip(Some((0, value))),
            Answer::CpuOff => {
                self.cpu.release(&mut board.platform.gic);
                return Next::Off;
            }
            Answer::End(end) => return self.stop(board, Stop::End(end)),
        }
        Next::Run
    }

    fn system_register(&self, board: &mut Board, syndrome: u64) {
        let access = SystemRegister::of(syndrome);
        board.statistics.count("system register", access.encoding);
        if access.generates_interrupts() {
            let value = self.cpu.register(access.register);
            board.platform.gic.generate(self.cpu.number, value);
        }
        let result = access.is_read.then_some((access.register, 0));
        self.cpu.skip(result);
    }

    /// The guest did what this machine does not have: tells all that is known.
    fn fault(&self, board: &mut Board) -> Next {
        let registers = self.cpu.vcpu.registers();
        let class = exception_class(registers.error);
        board.statistics.count("fault", class);
        println!();
        println!(
            "the guest is stopped: CPU {}, class {class:#x}, syndrome {:#x}, address {:#x}",
            self.cpu.number, registers.error, registers.fault_address
        );
        println!("{registers:#x?}");
        self.stop(board, Stop::Fault)
    }

    fn stop(&self, board: &mut Board, why: Stop) -> Next {
        self.machine.stop(board, why);
        Next::Off
    }
}
