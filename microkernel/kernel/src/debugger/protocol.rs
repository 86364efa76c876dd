//! The debugger object (abi/05 Jdb): programs name objects, ask for numbers
//! and names, write to the console, and enter the debugger.
//!
//! What the reference has and this kernel has not is answered with its error:
//! -ENOSYS for trace buffers in its own format and for code coverage. An
//! object's address in the kernel is nobody's number: programs know none.

use l4_abi::error::ResultCode;
use l4_abi::protocol::debugger::{ConsoleOpcode, ObjectOpcode, group};
use l4_abi::protocol::label;
use l4_abi::utcb::MESSAGE_REGISTERS;

use super::command::{self, Line};
use super::registry::{NAME_SIZE, Name, Objects};
use super::terminal::{Terminal, say_part};
use crate::cpu::Cpu;
use crate::memory::OutOfMemory;
use crate::memory::quota::QuotaRef;
use crate::object::task::Task;
use crate::object::{self, Header, Invocation, Kind, ObjectRef, OperationResult, Outcome};

/// The debugger object.
struct DebuggerObject;

/// No object's number.
const NO_NUMBER: u64 = u64::MAX;
/// Bits of word 0 that are the group and the operation.
const OPCODE_MASK: u64 = 0xffff_ffff;
const GROUP_SHIFT: u32 = 8;
/// Words of a name in an answer, the zero byte behind it included.
const NAME_WORDS: usize = NAME_SIZE / 8 + 1;

/// Makes the debugger object, of which there is one.
pub fn create_object(cpu: &Cpu, quota: QuotaRef) -> Result<Option<ObjectRef>, OutOfMemory> {
    let object = object::create(cpu, quota, Kind::Debugger, DebuggerObject)?;
    Ok(Some(object.into_any()))
}

/// Performs an operation on the debugger object.
pub fn invoke(call: &Invocation<'_>) -> OperationResult {
    call.require_label(label::DEBUGGER)?;
    if call.tag.words() == 0 && call.tag.items() == 0 {
        super::enter(call.cpu, format_args!("called by a program"));
        return Ok(Outcome::OK);
    }
    call.require_words(1, ResultCode::EMSGTOOSHORT)?;
    let opcode = call.word(0) & OPCODE_MASK;
    match opcode >> GROUP_SHIFT << GROUP_SHIFT {
        group::OBJECT => of_object(call, opcode),
        group::KERNEL_MEMORY if opcode == group::KERNEL_MEMORY => {
            command::execute(call.cpu, "memory");
            Ok(Outcome::OK)
        }
        group::TRACE | group::COVERAGE | group::KERNEL_MEMORY => Err(ResultCode::ENOSYS.into()),
        _ => of_console(call, opcode & 0xff),
    }
}

fn of_object(call: &Invocation<'_>, opcode: u64) -> OperationResult {
    let object = call.capability_at(call.tag.words())?.object;
    let debug = &object.common().debug;
    match ObjectOpcode::from_word(opcode) {
        Some(ObjectOpcode::SetName) => {
            debug.set_name(call.cpu.kernel, Name::of(text(call, 1)));
            Ok(Outcome::OK)
        }
        Some(ObjectOpcode::GlobalId) => {
            call.reply(0, debug.number());
            Ok(Outcome::words(1))
        }
        Some(ObjectOpcode::PointerToId) => {
            call.reply(0, NO_NUMBER);
            Ok(Outcome::words(1))
        }
        Some(ObjectOpcode::GetName) => answer_name(call, Some(object)),
        Some(ObjectOpcode::NameOfId) => {
            let objects = Objects::wait(call.cpu);
            answer_name(call, objects.find(call.word(1)))
        }
        Some(ObjectOpcode::AddImageInfo) => {
            object.downcast::<Task>().ok_or(ResultCode::ENOSYS)?;
            call.require_words(2, ResultCode::EINVAL)?;
            let quota = object.common().quota;
            let name = Name::of(text(call, 2));
            debug
                .images
                .add(call.cpu.kernel, quota, call.word(1), name)?;
            Ok(Outcome::OK)
        }
        Some(ObjectOpcode::LogTypeId | ObjectOpcode::LogSwitch | ObjectOpcode::QueryLogName) => {
            // There is no event that could be switched.
            Err(ResultCode::EINVAL.into())
        }
        Some(ObjectOpcode::ObjectInfo) | None => Err(ResultCode::ENOSYS.into()),
    }
}

/// The name of `object`, as text from word 0 on.
fn answer_name(call: &Invocation<'_>, object: Option<&Header>) -> OperationResult {
    let name = object.map(|object| object.common().debug.name());
    let name = name
        .filter(|name| !name.is_empty())
        .ok_or(ResultCode::ENOENT)?;
    for (index, word) in name.0.into_iter().chain([0]).enumerate() {
        call.reply(index, word);
    }
    Ok(Outcome::words(NAME_WORDS))
}

fn of_console(call: &Invocation<'_>, opcode: u64) -> OperationResult {
    call.require_words(2, ResultCode::EMSGTOOSHORT)?;
    let terminal = &Terminal::new(call.cpu);
    let value = call.word(1);
    match ConsoleOpcode::from_word(opcode).ok_or(ResultCode::ENOSYS)? {
        ConsoleOpcode::Enter => {
            let mut line = Line::new();
            counted_text(call)
                .take_while(|&byte| byte != 0 && line.push(byte))
                .count();
            match line.text().strip_prefix("*#") {
                Some(commands) => super::execute(call.cpu, commands),
                None => super::enter(call.cpu, format_args!("{}", line.text())),
            }
        }
        ConsoleOpcode::OutCharacter => terminal.byte(value as u8),
        ConsoleOpcode::OutString => counted_text(call).for_each(|byte| terminal.byte(byte)),
        ConsoleOpcode::OutHex32 => say_part!(terminal, "{:08x}", value as u32),
        ConsoleOpcode::OutHex20 => say_part!(terminal, "{:05x}", value & 0xf_ffff),
        ConsoleOpcode::OutHex16 => say_part!(terminal, "{:04x}", value as u16),
        ConsoleOpcode::OutHex12 => say_part!(terminal, "{:03x}", value & 0xfff),
        ConsoleOpcode::OutHex8 => say_part!(terminal, "{:02x}", value as u8),
        ConsoleOpcode::OutDecimal => say_part!(terminal, "{value}"),
    }
    Ok(Outcome::OK)
}

/// The bytes from word 2 on, as many as word 1 says and the message has.
fn counted_text<'a>(call: &'a Invocation<'_>) -> impl Iterator<Item = u8> + 'a {
    text(call, 2).take(call.word(1) as u32 as usize)
}

/// The bytes of the message from word `first` on.
fn text<'a>(call: &'a Invocation<'_>, first: usize) -> impl Iterator<Item = u8> + 'a {
    let words = first..call.tag.words().min(MESSAGE_REGISTERS);
    words.flat_map(|index| call.word(index).to_le_bytes())
}
