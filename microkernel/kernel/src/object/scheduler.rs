//! Scheduler: gives threads their priority, time slice and CPU (abi/05).

use l4_abi::error::ResultCode;
use l4_abi::protocol::label;
use l4_abi::protocol::scheduler::{
    CLASS_FIXED_PRIORITY, CLASSES, CpuSet, DEFAULT_QUANTUM, MAX_PRIORITY, Opcode, PARAMETER_LENGTH,
    run_thread_word as word,
};
use machine::quiescence::bits;

use super::icu::{HOTPLUG_PIN, invoke_pins};
use super::thread::{Deferred, Thread};
use super::{Fail, Invocation, OperationResult, Outcome};
use crate::{remote, scheduling};

/// The scheduler.
pub struct Scheduler;

/// The number of CPUs that the ABI's sets are announced for.
const MAX_CPUS: u64 = 64;

impl Scheduler {
    /// Performs an operation.
    #[inline(never)]
    pub fn invoke(&self, call: &Invocation<'_>) -> OperationResult {
        if call.tag.label() == label::IRQ {
            return invoke_pins(call, 1, 0, |pin| (pin == 0).then_some(HOTPLUG_PIN));
        }
        call.require_label(label::SCHEDULER)?;
        call.require_words(1, ResultCode::EMSGTOOSHORT)?;
        match Opcode::from_word(call.word(0)) {
            Some(Opcode::Info) => self.info(call),
            Some(Opcode::RunThread) => self.run_thread(call),
            Some(Opcode::IdleTime) => {
                call.require_words(3, ResultCode::EMSGTOOSHORT)?;
                let kernel = call.cpu.kernel;
                let set = cpu_set(call);
                let asked = bits(kernel.quiescence.online()).find(|id| set.contains(*id));
                let reachable = asked.and_then(|id| kernel.reachable.get(id as usize));
                let idle = &reachable.ok_or(ResultCode::EINVAL)?.idle;
                call.reply(0, idle.total(kernel.platform.timer.now()));
                Ok(Outcome::words(1))
            }
            None => Err(ResultCode::ENOSYS.into()),
        }
    }

    fn info(&self, call: &Invocation<'_>) -> OperationResult {
        call.require_words(2, ResultCode::EMSGTOOSHORT)?;
        let set = CpuSet {
            granularity_offset: call.word(1),
            map: 1,
        };
        if u64::from(set.offset()) >= MAX_CPUS {
            return Err(ResultCode::ERANGE.into());
        }
        let mut present = 0;
        for cpu in bits(call.cpu.kernel.quiescence.online()) {
            if cpu >= set.offset() {
                present |= 1u64 << ((cpu - set.offset()) >> set.granularity()).min(63);
            }
        }
        call.reply(0, present);
        call.reply(1, MAX_CPUS);
        call.reply(2, CLASSES);
        Ok(Outcome::words(3))
    }

    fn run_thread(&self, call: &Invocation<'_>) -> OperationResult {
        call.require_words(word::COUNT, ResultCode::EINVAL)?;
        let (priority, quantum) = parameters(call)?;
        let (thread, _) = call.argument::<Thread>()?;
        if !thread.is_here(call.cpu) {
            remote::visit(call.cpu, call.caller, thread.home(), Deferred::Syscall);
            return Ok(Outcome::DONE);
        }
        // A set without a present CPU: the thread stays where it is.
        if let Some(home) = choose(call, thread) {
            scheduling::set_parameters(call.cpu, thread, priority, quantum);
            scheduling::make_ready(call.cpu, thread);
            scheduling::migrate(call.cpu, thread, home);
        }
        Ok(Outcome::OK)
    }
}

/// The CPU of the set on which `thread` is to run: its own, the caller's, or
/// the first.
fn choose(call: &Invocation<'_>, thread: &Thread) -> Option<u32> {
    let set = cpu_set(call);
    let online = call.cpu.kernel.quiescence.online();
    let fits = |id: &u32| online >> id & 1 != 0 && set.contains(*id);
    [thread.residence(), call.caller.residence()]
        .into_iter()
        .chain(bits(online))
        .find(fits)
}

pub(super) fn cpu_set(call: &Invocation<'_>) -> CpuSet {
    CpuSet {
        granularity_offset: call.word(word::GRANULARITY_OFFSET),
        map: call.word(word::MAP),
    }
}

/// Priority and time slice in µs.
pub(super) fn parameters(call: &Invocation<'_>) -> Result<(u8, u64), Fail> {
    let class = call.word(word::PRIORITY) as i64;
    let (priority, quantum) = if class >= 0 {
        (class as u64, call.word(word::QUANTUM))
    } else if class == CLASS_FIXED_PRIORITY {
        let length = call.word(word::QUANTUM);
        let sent = (call.tag.words() as u64).saturating_sub(1) * 8;
        if length < PARAMETER_LENGTH || length > sent {
            return Err(ResultCode::EINVAL.into());
        }
        (
            call.word(word::CLASS_PRIORITY) & 0xffff,
            call.word(word::CLASS_QUANTUM),
        )
    } else {
        return Err(ResultCode::ERANGE.into());
    };
    if priority == 0 {
        return Err(ResultCode::EINVAL.into());
    }
    let priority = u8::try_from(priority).unwrap_or(MAX_PRIORITY);
    let quantum = if quantum == 0 {
        DEFAULT_QUANTUM
    } else {
        quantum
    };
    Ok((priority, quantum))
}
