//! What each CPU has for itself, found through a register (GS base on
//! x86_64, TPIDR_EL2 on aarch64).

use core::cell::Cell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use l4_abi::capability::Selector;
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::operation::{Destination, Operation};
use l4_abi::protocol::label;
use l4_abi::protocol::scheduler::run_thread_word::COUNT;
use l4_abi::protocol::thread::{CONTROL_WORDS, EX_REGS_WORDS};

use crate::arch::context::Frame;
use crate::arch::cpu::CpuState;
use crate::cell::{CPU_BITS, MARKS};
use crate::vcpu::TrapRegisters;

/// The part of the per-CPU data that entry and exit code knows; the offsets
/// of its first fields are part of that code.
#[repr(C)]
pub struct CpuBlock {
    /// Where this block is, so that code can find it through the register.
    this: Cell<*const CpuBlock>,
    /// The registers of the thread that runs when the kernel is left; null:
    /// none, the CPU idles.
    frame: Cell<*const Frame>,
    /// The end of this CPU's kernel stack.
    stack_top: Cell<u64>,
    /// Room for entry code to put registers aside.
    scratch: [Cell<u64>; 4],
    /// The registers for [`ShortWay::ToARegisterSet`], a vCPU's, to which entry
    /// code saves until the vCPU leaves its user mode or is interrupted. On
    /// aarch64 none otherwise; on x86_64, where they begin a word later, as in a
    /// [`Frame`], and are for system calls, those of the frame that is entered.
    registers: Cell<*const TrapRegisters>,
    /// It does not wait while it idles: an interrupt is taken if there still is
    /// one. For aarch64: a local APIC keeps what it has accepted.
    pub(crate) is_paused: Cell<bool>,
    /// The CPU's number.
    id: u32,
    /// What the architecture keeps for each CPU.
    pub arch: CpuState,
}

impl CpuBlock {
    /// The CPU's number; the boot CPU is 0.
    #[inline]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The frame that is entered when the kernel is left.
    #[inline]
    pub fn frame(&self) -> *const Frame {
        self.frame.get()
    }

    /// True if no frame is entered when the kernel is left.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.frame.get().is_null()
    }

    /// Idle when the kernel is left.
    #[inline]
    pub fn set_idle(&self) {
        self.frame.set(core::ptr::null());
        self.is_paused.set(false);
    }

    /// Take the interrupt that waits when the kernel is left; if another CPU
    /// has withdrawn it, that is one without a source.
    pub fn pause(&self) {
        self.frame.set(core::ptr::null());
        self.is_paused.set(true);
    }

    /// Enter `frame` when the kernel is left. Only for
    /// `context::switch`, which knows that the frame stays.
    #[inline]
    pub(crate) fn set_frame(&self, frame: *const Frame) {
        self.frame.set(frame);
    }

    /// Load `registers` when the kernel is left by
    /// [`ShortWay::ToARegisterSet`], at once.
    #[inline]
    pub(crate) fn set_registers(&self, registers: *const TrapRegisters) {
        self.registers.set(registers);
    }

    /// What [`set_registers`](Self::set_registers) has set.
    #[inline]
    pub fn registers(&self) -> *const TrapRegisters {
        self.registers.get()
    }

    /// The end of the kernel stack.
    #[inline]
    pub fn stack_top(&self) -> u64 {
        self.stack_top.get()
    }

    /// Told by boot code before the CPU is entered.
    pub(crate) fn set_stack_top(&self, top: u64) {
        self.stack_top.set(top);
        self.this.set(self);
    }
}

/// A CPU's data: the machine's part, then the kernel's.
///
/// It is also the proof that code runs on that CPU: there is one for each
/// number, and it is neither `Send` nor `Sync`. Shared references to kernel
/// objects are bounded by a borrow of it; what is reaped needs it whole
/// (`&mut`), so no reference outlives the kernel entry in which it was made.
#[repr(C)]
pub struct PerCpu<L> {
    block: CpuBlock,
    words: [u32; MARKS],
    local: L,
    not_send: PhantomData<*const ()>,
}

impl<L> PerCpu<L> {
    /// The data of CPU `id`.
    pub fn new(id: u32, local: L) -> Self {
        Self {
            block: CpuBlock {
                this: Cell::new(core::ptr::null()),
                frame: Cell::new(core::ptr::null()),
                stack_top: Cell::new(0),
                scratch: [const { Cell::new(0) }; 4],
                registers: Cell::new(core::ptr::null()),
                is_paused: Cell::new(false),
                id,
                arch: CpuState::new(),
            },
            words: [0, 1, 2, 3, 4, 5, 6, 7].map(|mark| id | mark << CPU_BITS),
            local,
            not_send: PhantomData,
        }
    }

    /// The CPU's number.
    #[inline]
    pub fn id(&self) -> u32 {
        self.block.id
    }

    /// The word of a [`Homed`](crate::cell::Homed) value that is here and has
    /// this mark.
    #[inline]
    pub(crate) fn word(&self, mark: u16) -> u32 {
        self.words[usize::from(mark) % MARKS]
    }

    /// The machine's part.
    #[inline]
    pub fn block(&self) -> &CpuBlock {
        &self.block
    }
}

impl<L> Deref for PerCpu<L> {
    type Target = L;
    #[inline]
    fn deref(&self) -> &L {
        &self.local
    }
}

impl<L> DerefMut for PerCpu<L> {
    #[inline]
    fn deref_mut(&mut self) -> &mut L {
        &mut self.local
    }
}

/// The tag and the destination of a vCPU's resume without items.
pub const RESUME: [u64; 2] = [
    MessageTag::words_only(label::THREAD, 1).raw(),
    Destination::new(Selector::INVALID, Operation::CALL).raw(),
];

/// The tag of the creation of an object without arguments, as a thread is.
pub const CREATE: MessageTag = MessageTag::words_only(label::FACTORY, 1);
/// The tag of thread control with a task to bind to.
pub const BIND: MessageTag = MessageTag::new(label::THREAD, CONTROL_WORDS, 1, TagFlags::empty());
/// The tag of ex_regs.
pub const EX_REGS: MessageTag = MessageTag::words_only(label::THREAD, EX_REGS_WORDS);

/// The tag of the scheduler's run_thread.
pub const RUN: MessageTag = MessageTag::new(label::SCHEDULER, COUNT, 1, TagFlags::empty());

/// How far the short way through the kernel led.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ShortWay {
    /// Nothing is done: `syscall` follows.
    Nowhere = 0,
    /// All is done: the thread goes on.
    ToTheEnd = 1,
    /// The operation is done: `finish` follows.
    ToTheExit = 2,
    /// All is done: what is in the frame that is entered goes on. It is another
    /// thread's, or has other registers than entry code put there.
    ToTheFrame = 3,
    /// The same, and the frame is in a system call.
    ToASyscall = 4,
    /// The same, for a vCPU that is entered
    /// ([`Frame::enter_at_once`](crate::context::Frame)).
    ToAnEntry = 5,
    /// The same, for a vCPU that goes to its user mode: most registers are to
    /// be loaded from its state.
    ToARegisterSet = 6,
}

/// What `task_syscall` leads to: a tag, with which the thread goes
/// on, or a [`ShortWay`] below a bit that no answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct TaskAnswer(u64);

impl TaskAnswer {
    pub(crate) const NO_TAG: u64 = TagFlags::ERROR.bits();
    /// All is left to do.
    pub const NOWHERE: Self = Self(Self::NO_TAG | ShortWay::Nowhere as u64);
    /// The operation is done, and its tag in the frame: `finish`
    /// follows.
    pub const TO_THE_EXIT: Self = Self(Self::NO_TAG | ShortWay::ToTheExit as u64);

    /// The thread goes on with `tag`.
    #[inline]
    pub fn new(tag: MessageTag) -> Self {
        Self(tag.raw())
    }

    /// The tag with which it goes on.
    pub fn tag(self) -> Option<MessageTag> {
        (self.0 & Self::NO_TAG == 0).then_some(MessageTag::from_raw(self.0))
    }
}

/// Defines the symbols through which entry code reaches the kernel; `$local`
/// is the kernel's part of [`PerCpu`], which has a function for each. When one
/// of them returns, the CPU goes on with the frame that [`CpuBlock::frame`]
/// names. Once, in the kernel's `main.rs`.
#[macro_export]
macro_rules! upcalls {
    ($local:ty) => {
        #[unsafe(no_mangle)]
        extern "C" fn brio_start(boot: &mut $crate::boot::Boot) -> ! {
            <$local>::start(boot)
        }

        #[unsafe(no_mangle)]
        extern "C" fn brio_short_syscall(
            cpu: &$crate::per_cpu::PerCpu<$local>,
            label: u64,
            destination: u64,
            tag: u64,
            timeouts: u64,
        ) -> $crate::per_cpu::ShortWay {
            let led = <$local>::short_syscall(
                cpu,
                label,
                destination,
                tag,
                timeouts,
            );
            // SAFETY: entry code has called this, and nothing is to be dropped.
            unsafe { $crate::syscall::leave_by(cpu.block(), led) };
            led
        }

        #[unsafe(no_mangle)]
        extern "C" fn brio_resume(
            cpu: &$crate::per_cpu::PerCpu<$local>,
        ) -> $crate::per_cpu::TaskAnswer {
            <$local>::resume(cpu).unwrap_or_else(|way| {
                // SAFETY: entry code has called this, and nothing is to be dropped.
                unsafe { $crate::syscall::leave_by(cpu.block(), way) };
                $crate::per_cpu::TaskAnswer::NOWHERE
            })
        }

        $crate::upcalls! { $local:
            brio_start_cpu = start_cpu(&mut);
            brio_finish = finish(&mut);
            brio_syscall = syscall(&mut);
            brio_fault = fault(&mut, fault: &$crate::trap::Fault);
            brio_interrupt = interrupt(&mut, interrupt: $crate::trap::Interrupt);
            brio_panicked = panicked(&);
            brio_task_syscall = task_syscall(&, label: u64, to: u64, tag: u64) -> $crate::per_cpu::TaskAnswer;
            brio_create_thread = create_thread(&, label: u64, to: u64) -> $crate::per_cpu::TaskAnswer;
            brio_bind_thread = bind_thread(&, label: u64, to: u64) -> $crate::per_cpu::TaskAnswer;
            brio_ex_regs = ex_regs(&, label: u64, to: u64) -> $crate::per_cpu::TaskAnswer;
            brio_run_thread = run_thread(&, label: u64, to: u64) -> bool;
        }
    };
    ($local:ty: $($symbol:ident = $upcall:ident(& $($mutable:ident)? $(, $name:ident: $type:ty)*) $(-> $answer:ty)?;)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $symbol(
                cpu: & $($mutable)? $crate::per_cpu::PerCpu<$local> $(, $name: $type)*
            ) $(-> $answer)? {
                <$local>::$upcall(cpu $(, $name)*)
            }
        )*
    };
}
