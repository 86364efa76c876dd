//! In place of trace buffers in kernels without them: nothing, at no cost.
//! What each function notes is said in `mod.rs`.

use l4_abi::flexpage::Flexpage;
use l4_abi::message_tag::MessageTag;
use machine::event::{Fault, Source};
use machine::options::Options;

use crate::cpu::Cpu;
use crate::memory::{KernelHeap, OutOfMemory};
use crate::object::thread::Thread;

/// No buffer.
pub struct Buffer;

impl Buffer {
    /// No buffer.
    #[inline(always)]
    pub fn new(_heap: &KernelHeap, _options: &Options) -> Result<Self, OutOfMemory> {
        Ok(Self)
    }
}

/// Nothing is noted.
#[cfg(feature = "debugger")]
#[inline(always)]
pub(crate) fn name(_kernel: &crate::kernel::Kernel, _number: u64, _name: [u64; 2]) {}

/// Nothing is noted.
#[inline(always)]
pub fn announce(_cpu: &Cpu) {}

/// Nothing is noted.
#[inline(always)]
pub fn syscall(_cpu: &Cpu) {}

/// Nothing is noted.
#[inline(always)]
pub fn fault(_cpu: &Cpu, _fault: &Fault) {}

/// Nothing is noted.
#[inline(always)]
pub fn interrupt(_cpu: &Cpu, _source: Source) {}

/// Nothing is noted.
#[inline(always)]
pub fn leave(_cpu: &Cpu) {}

/// Nothing is noted.
#[inline(always)]
pub fn switch(_cpu: &Cpu, _thread: Option<&Thread>) {}

/// Nothing is noted.
#[inline(always)]
pub fn message(_cpu: &Cpu, _sender: &Thread, _receiver: &Thread, _tag: MessageTag) {}

/// Nothing is noted.
#[inline(always)]
pub fn irq_message(_cpu: &Cpu, _receiver: &Thread, _irq: u64, _label: u64) {}

/// Nothing is noted.
#[inline(always)]
pub fn map(_cpu: &Cpu, _flexpage: Flexpage, _window: Flexpage) {}

/// Nothing is noted.
#[inline(always)]
pub fn unmap(_cpu: &Cpu, _flexpage: Flexpage) {}
