//! Segments: a thread's selectors and bases, and the descriptors that it sets
//! for itself.

use core::arch::asm;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use l4_abi::arch::x86_64::segment;
use l4_abi::error::ResultCode;
use l4_abi::protocol::thread::SegmentBase;

use super::super::cpu::selector;
use super::super::instructions::msr;
use super::Context;
use crate::event::OperationReply;
use crate::per_cpu::CpuBlock;

/// The selectors that user mode begins with: DS, ES, FS, GS from the low bits up.
pub(super) const PLAIN: u64 = (selector::USER_DATA as u64) << 16 | selector::USER_DATA as u64;
/// Selectors of descriptors of the task, not of the thread.
const LOCAL: u64 = 0x0004_0004_0004_0004;
/// No value of the four selectors is compared with this successfully, for no
/// descriptor table has that many entries.
const SPECIAL: u64 = u64::MAX;

impl Context {
    /// Takes the four selectors from the registers.
    #[inline]
    pub(super) fn save_selectors(&self) {
        // SAFETY: writes the eight bytes of a cell.
        unsafe {
            asm!(
                "mov [{0} + {selectors}], ds",
                "mov [{0} + {selectors} + 2], es",
                "mov [{0} + {selectors} + 4], fs",
                "mov [{0} + {selectors} + 6], gs",
                in(reg) self,
                selectors = const offset_of!(Self, selectors),
                options(nostack, preserves_flags),
            );
        }
    }

    pub(super) fn update_kind(&self) {
        let selectors = self.selectors.get();
        let is_special = selectors & LOCAL != 0 || self.segments.iter().any(|own| own.get() != 0);
        self.kind.set(if is_special { SPECIAL } else { selectors });
    }

    /// Loads descriptors and selectors that are not what every thread has.
    #[cold]
    pub(in super::super) fn load_segments(&self, cpu: &CpuBlock) {
        let all = &cpu.arch.tables().descriptors[usize::from(selector::USER_SEGMENTS / 8)..];
        for (live, own) in all.iter().zip(&self.segments) {
            live.set(own.get());
        }
        let selectors = self.selectors.get();
        let [ds, es, fs, gs] = [0, 16, 32, 48].map(|shift| usable((selectors >> shift) as u16));
        // SAFETY: selectors that can be loaded at the user's privilege level;
        // between the two `swapgs` nothing uses GS.
        unsafe {
            asm!(
                "mov ds, {ds:x}",
                "mov es, {es:x}",
                "mov fs, {fs:x}",
                "swapgs",
                "mov gs, {gs:x}",
                "swapgs",
                ds = in(reg) ds, es = in(reg) es, fs = in(reg) fs, gs = in(reg) gs,
                options(nostack, preserves_flags),
            );
        }
        if fs == 0 {
            self.load_fs_base();
        }
        if gs == 0 {
            self.load_gs_base();
        }
    }

    #[inline]
    pub(super) fn load_fs_base(&self) {
        self.load_base::<{ msr::FS_BASE }, { offset_of!(Self, fs_base) }>();
    }

    /// The user's: that of the kernel is loaded.
    #[inline]
    pub(super) fn load_gs_base(&self) {
        self.load_base::<{ msr::KERNEL_GS_BASE }, { offset_of!(Self, gs_base) }>();
    }

    /// Writes the address that is at `OFFSET` here to a register; the next
    /// [canonical] one, if it is none.
    #[inline]
    fn load_base<const REGISTER: u32, const OFFSET: usize>(&self) {
        // SAFETY: reads a field. The kernel uses neither of these registers.
        unsafe {
            asm!(
                "mov eax, [{0} + {offset}]",
                "movsx edx, word ptr [{0} + {offset} + 4]",
                "wrmsr",
                in(reg) self,
                in("ecx") REGISTER,
                out("eax") _,
                out("edx") _,
                offset = const OFFSET,
                options(nostack, preserves_flags, readonly),
            );
        }
    }

    /// Takes over the registers that user mode writes itself.
    #[inline]
    pub(in super::super) fn save_live(&self) {
        self.save_selectors();
        if self.selectors.get() != self.kind.get() {
            self.update_kind();
        }
    }

    /// Brings to the CPU what was changed, if the thread is the current one.
    pub(super) fn apply(&self, cpu: &CpuBlock) {
        self.update_kind();
        if self.is_loaded(cpu) {
            self.load_segments(cpu);
        }
    }

    /// FS and GS base, canonical.
    pub(in super::super) fn segment_bases(&self) -> [u64; 2] {
        [&self.fs_base, &self.gs_base].map(|base| canonical(base.get()))
    }

    /// The four selectors.
    #[inline]
    pub(in super::super) fn selectors(&self) -> u64 {
        self.selectors.get()
    }

    /// Takes the selectors over from the CPU, if that has this thread's
    /// registers.
    #[inline]
    pub(in super::super) fn save_segments(&self, is_loaded: bool) {
        if is_loaded {
            self.save_live();
        }
    }

    /// Sets bases and selectors, on the CPU too if that has this thread's
    /// registers.
    #[inline(always)]
    pub(in super::super) fn set_segments(
        &self,
        cpu: &CpuBlock,
        is_loaded: bool,
        new: &[AtomicU64; 3],
    ) {
        let [fs_base, gs_base, selectors] = new.each_ref().map(|word| word.load(Relaxed));
        self.fs_base.set(fs_base);
        self.gs_base.set(gs_base);
        if selectors != self.kind.get() {
            self.selectors.set(selectors);
            self.update_kind();
            if is_loaded {
                self.load_segments(cpu);
            }
        } else if is_loaded {
            // Even if they have not changed here: loading a null selector
            // may have changed them.
            self.load_fs_base();
            self.load_gs_base();
        }
    }

    pub(super) fn set_descriptors(&self, words: &[u64]) -> Result<OperationReply, ResultCode> {
        let (first, descriptors) = match words {
            [_] => {
                return Ok(OperationReply {
                    label: 0,
                    words: [u64::from(segment::USER_GDT_START >> 3), 0, 0],
                    count: 1,
                });
            }
            &[_, first, ref descriptors @ ..] if !descriptors.is_empty() => (first, descriptors),
            _ => return Err(ResultCode::EINVAL),
        };
        if first >= u64::from(segment::USER_GDT_ENTRIES)
            || !descriptors.iter().copied().all(is_user_segment)
        {
            return Err(ResultCode::EINVAL);
        }
        for (own, &descriptor) in self.segments[first as usize..].iter().zip(descriptors) {
            own.set(descriptor);
        }
        let selector = segment::USER_GDT_START + segment::USER_PRIVILEGE + ((first as u16) << 3);
        Ok(OperationReply {
            label: i64::from(selector),
            ..OperationReply::default()
        })
    }

    pub(super) fn set_base(&self, which: u64, address: u64) -> Result<(), ResultCode> {
        let (base, shift) = match SegmentBase::from_word(which) {
            Some(SegmentBase::Fs) => (&self.fs_base, 32),
            Some(SegmentBase::Gs) => (&self.gs_base, 48),
            None => return Err(ResultCode::EINVAL),
        };
        if !is_canonical(address) {
            return Err(ResultCode::EINVAL);
        }
        base.set(address);
        self.selectors
            .set(self.selectors.get() & !(0xffff << shift));
        Ok(())
    }
}

pub(super) fn is_canonical(address: u64) -> bool {
    canonical(address) == address
}

/// The address if it is canonical, else one that the CPU accepts.
fn canonical(address: u64) -> u64 {
    ((address as i64) << 16 >> 16) as u64
}

/// A descriptor that does no harm: empty, or a present segment at the user's
/// level (SDM 3.4.5): code that is neither conforming nor 64-bit, data that is
/// 32-bit or read-only. `iretq` to a 16-bit stack loads only half of ESP, and
/// leaves bits of the kernel's in the rest.
pub(in super::super) fn is_user_segment(descriptor: u64) -> bool {
    const PRESENT_USER_SEGMENT: u64 = 0b1111 << 44;
    const CODE: u64 = 1 << 43;
    const CONFORMING: u64 = 1 << 42;
    const WRITABLE: u64 = 1 << 41;
    const LONG: u64 = 1 << 53;
    const BIG: u64 = 1 << 54;
    let harm = match descriptor & CODE {
        0 => descriptor & (WRITABLE | BIG) == WRITABLE,
        _ => descriptor & CONFORMING != 0,
    };
    descriptor == 0
        || descriptor & PRESENT_USER_SEGMENT == PRESENT_USER_SEGMENT
            && descriptor & LONG == 0
            && !harm
}

/// The selector, or the null selector if loading it would fault.
fn usable(selector: u16) -> u16 {
    let readable: u8;
    // All descriptors at the user's level are present, so readable is enough.
    // SAFETY: only looks at the descriptor.
    unsafe {
        asm!("verr {:x}", "setz {}", in(reg) selector | 3, out(reg_byte) readable,
            options(nostack));
    }
    if readable == 1 { selector | 3 } else { 0 }
}

/// Loads the selectors of the kind `new` in place of those of the kind `old`, if
/// there is nothing to load, or DS and ES alone: null selectors, as a vCPU has
/// them, in place of those that user mode begins with, or the other way round.
#[inline(always)]
pub(super) fn load_data_selectors(old: u64, new: u64) -> bool {
    if old == new {
        return true;
    }
    let is_data = matches!((old, new), (PLAIN, 0) | (0, PLAIN));
    if is_data {
        // SAFETY: selectors of user mode. The kernel needs none.
        unsafe {
            asm!("mov ds, {0:x}", "mov es, {0:x}", in(reg) new, options(nostack, preserves_flags));
        }
    }
    is_data
}

/// Loads the segments of `to`, which may be any others than those of `from`.
#[cold]
pub(super) fn exchange_segments(cpu: &CpuBlock, from: &Context, to: &Context) {
    from.update_kind();
    to.load_segments(cpu);
}
