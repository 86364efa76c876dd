//! Vlog: the kernel's console as a capability (abi/05).

use l4_abi::error::ResultCode;
use l4_abi::protocol::label;
use l4_abi::protocol::log::{
    InputFlags, LocalFlags, OPCODE_MASK, Opcode, OutputFlags, READ_DATA_WORD, READ_DONE, READ_SIZE,
    WRITE_DATA_WORD, WRITE_SIZE,
};
use l4_abi::rights::CapabilityRights;
use machine::console::Console;
use machine::lock::Lock;

use super::icu::{INPUT_PIN, hit, invoke_pins};
use super::{Invocation, OperationResult, Outcome};
use crate::cpu::{Cpu, CpuLocal};
use crate::debugger;
use crate::object::thread::{Deferred, LongOperation};

/// The log.
pub struct Vlog {
    attributes: Lock<Attributes>,
}

/// The message that is on its way to the device: which byte is next, and how
/// many there are.
pub struct Output {
    text: [u8; WRITE_SIZE],
    next: usize,
    end: usize,
    flags: OutputFlags,
}

impl Output {
    /// No message.
    pub const fn new() -> Self {
        Self {
            text: [0; WRITE_SIZE],
            next: 0,
            end: 0,
            flags: OutputFlags::ONLCR,
        }
    }

    /// Writes a byte; false if there is none.
    pub fn write_next(&mut self, console: &Console) -> bool {
        let Some(&byte) = self.text[..self.end].get(self.next) else {
            return false;
        };
        self.next += 1;
        match byte {
            b'\n' => console.write(b"\r\n"),
            b'\r' if self.flags.contains(OutputFlags::OCRNL) => console.write(b"\r\n"),
            b'\r' if self.flags.contains(OutputFlags::ONLRET) => {}
            other => console.write(&[other]),
        }
        true
    }
}

#[derive(Clone, Copy)]
struct Attributes {
    input: InputFlags,
    output: OutputFlags,
    local: LocalFlags,
}

impl Vlog {
    /// With the ABI's initial attributes.
    pub fn new() -> Self {
        Self {
            attributes: Lock::new(Attributes {
                input: InputFlags::ICRNL,
                output: OutputFlags::ONLCR,
                local: LocalFlags::ECHO,
            }),
        }
    }

    /// Performs an operation.
    #[inline(never)]
    pub fn invoke(&self, call: &Invocation<'_>) -> OperationResult {
        if call.tag.label() == label::IRQ {
            return invoke_pins(call, 1, 0, |pin| (pin == 0).then_some(INPUT_PIN));
        }
        call.require_label(label::LOG)?;
        call.require_words(1, ResultCode::EMSGTOOSHORT)?;
        match Opcode::from_word(call.word(0) & OPCODE_MASK) {
            Some(Opcode::Write) => self.write(call),
            Some(Opcode::Read) => self.read(call),
            Some(Opcode::SetAttributes) => {
                *self.attributes.lock() = Attributes {
                    input: InputFlags::from_bits_retain(call.word(1)),
                    output: OutputFlags::from_bits_retain(call.word(2)) | OutputFlags::ONLCR,
                    local: LocalFlags::from_bits_retain(call.word(3)),
                };
                Ok(Outcome::OK)
            }
            Some(Opcode::GetAttributes) => {
                let attributes = *self.attributes.lock();
                call.reply(1, attributes.input.bits());
                call.reply(2, attributes.output.bits());
                call.reply(3, attributes.local.bits());
                Ok(Outcome::words(4))
            }
            None => Err(ResultCode::ENOSYS.into()),
        }
    }

    /// Writes a message, and what is left of one whose writer pauses before it:
    /// so each is in one piece, and nobody waits for who is less urgent.
    fn write(&self, call: &Invocation<'_>) -> OperationResult {
        let (cpu, length) = (call.cpu, call.word(1) as usize);
        if length > WRITE_SIZE {
            return Ok(Outcome::NO_REPLY);
        }
        let mut is_taken = call.caller.take_parts(cpu) != 0;
        loop {
            let mut output = cpu.kernel.output.lock();
            if output.next == output.end {
                if is_taken {
                    return Ok(Outcome::NO_REPLY);
                }
                for (index, place) in output.text[..length].iter_mut().enumerate() {
                    *place = byte(call, WRITE_DATA_WORD, index);
                }
                (output.next, output.end, is_taken) = (0, length, true);
                output.flags = self.attributes.lock().output;
            }
            output.write_next(&cpu.kernel.platform.console);
            drop(output);
            if CpuLocal::has_waiting_interrupt(cpu) {
                let progress = LongOperation::Parts(usize::from(is_taken));
                call.caller.pause(cpu, progress, Deferred::Syscall);
                return Ok(Outcome::DONE);
            }
        }
    }

    fn read(&self, call: &Invocation<'_>) -> OperationResult {
        call.require_rights(CapabilityRights::WRITE)?;
        let limit = ((call.word(0) >> 16 & 0xffff) as usize).min(READ_SIZE);
        let attributes = *self.attributes.lock();
        let console = &call.cpu.kernel.platform.console;
        let mut count = 0;
        let mut word = 0u64;
        let mut is_unmasked = false;
        while count < limit {
            let Some(input) = debugger::read_input(call.cpu) else {
                if is_unmasked {
                    break;
                }
                // The edge of a byte that comes before this is lost, so there
                // is another look.
                if let Some(pin) = console.interrupt_pin() {
                    call.cpu.kernel.platform.chip.unmask(pin);
                }
                is_unmasked = true;
                continue;
            };
            let input = match input {
                b'\r' if attributes.input.contains(InputFlags::IGNCR) => continue,
                b'\r' if attributes.input.contains(InputFlags::ICRNL) => b'\n',
                b'\n' if attributes.input.contains(InputFlags::INLCR) => b'\r',
                other => other,
            };
            if attributes.local.contains(LocalFlags::ECHO) {
                console.write(if input == b'\n' {
                    b"\r\n"
                } else {
                    core::slice::from_ref(&input)
                });
            }
            word |= u64::from(input) << (count % 8 * 8);
            count += 1;
            if count % 8 == 0 {
                call.reply(READ_DATA_WORD + count / 8 - 1, word);
                word = 0;
            }
        }
        if count % 8 != 0 {
            call.reply(READ_DATA_WORD + count / 8, word);
        }
        let done = if count < limit { READ_DONE } else { 0 };
        call.reply(0, count as u64 | done);
        Ok(Outcome::OK)
    }
}

fn byte(call: &Invocation<'_>, first_word: usize, index: usize) -> u8 {
    (call.word(first_word + index / 8) >> (index % 8 * 8)) as u8
}

/// The console's device has input. Its pin stays masked until somebody has
/// read all of it.
pub fn input(cpu: &Cpu, pin: u32) {
    cpu.kernel.platform.chip.mask(pin);
    if debugger::filter_input(cpu) {
        hit(cpu, INPUT_PIN);
    }
}

#[cfg(test)]
mod tests;
