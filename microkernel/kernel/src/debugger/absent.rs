//! In place of the debugger in kernels without it: nothing, at no cost. What
//! each part does is said in the debugger itself (`mod.rs`).

use l4_abi::error::ResultCode;
use machine::options::Options;

use crate::cpu::Cpu;
use crate::kernel::Kernel;
use crate::memory::quota::QuotaRef;
use crate::memory::{KernelHeap, OutOfMemory};
use crate::object::{Header, Invocation, ObjectRef, OperationResult, Ref};

/// No debugger.
pub struct Debugger;

impl Debugger {
    /// No debugger, whatever the options say.
    pub fn new(_heap: &KernelHeap, _options: &Options) -> Result<Self, OutOfMemory> {
        Ok(Self)
    }
}

/// What the debugger keeps of an object: nothing.
pub struct Registered;

impl Registered {
    /// Nothing.
    pub const fn new() -> Self {
        Self
    }
}

/// Nothing is noted.
#[inline(always)]
pub fn register(_kernel: &Kernel, _object: &Header) {}

/// Nothing was noted.
#[inline(always)]
pub fn forget(_kernel: &Kernel, _object: &Header) {}

/// There are no names.
#[inline(always)]
pub fn name<T>(_kernel: &Kernel, _object: &Ref<T>, _name: &str) {}

/// There is no debugger object.
#[inline(always)]
pub fn create_object(_cpu: &Cpu, _quota: QuotaRef) -> Result<Option<ObjectRef>, OutOfMemory> {
    Ok(None)
}

/// There is no debugger object.
pub fn invoke(_call: &Invocation<'_>) -> OperationResult {
    Err(ResultCode::ENOSYS.into())
}

/// Nobody looks before user mode starts.
#[inline(always)]
pub fn started(_cpu: &Cpu) {}

/// All input is the user's.
#[inline(always)]
pub fn filter_input(_cpu: &Cpu) -> bool {
    true
}

/// Takes a byte of input.
#[inline(always)]
pub fn read_input(cpu: &Cpu) -> Option<u8> {
    cpu.kernel.platform.console.read()
}

/// No CPU waits for another one's debugger.
#[inline(always)]
pub fn attend(_cpu: &Cpu) {}

/// Nobody looks at a kernel that cannot go on.
pub fn panicked(_cpu: &Cpu) {}
