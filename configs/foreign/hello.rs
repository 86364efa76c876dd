//! A program that knows nothing of this workspace: no crate of it, no runtime, only the ABI.
//!
//! It writes a line to its log (slot 5) and tells its parent (slot 0x13) that it has ended. The two
//! `hello-*.elf` beside this file were made from it, see README.md.
#![no_std]
#![no_main]

use core::arch::asm;

const LOG: u64 = 0x5 << 12;
const PARENT: u64 = 0x13 << 12;
const SEND: u64 = 1;
const CALL: u64 = 3;
const LOG_PROTOCOL: i64 = -13;
const PARENT_PROTOCOL: i64 = 0x4002;
const WORD: usize = 8;

static LINE: [u8; 32] = *b"Hello from a foreign program!\n\0\0";
const LINE_LENGTH: u64 = 30;

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let mut message = [0, LINE_LENGTH, 0, 0, 0, 0];
    for (word, bytes) in message[2..].iter_mut().zip(LINE.as_chunks::<WORD>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    invoke(LOG | SEND, LOG_PROTOCOL, &message);
    // Operation 0: signal; signal 0: exit; the exit code.
    invoke(PARENT | CALL, PARENT_PROTOCOL, &[0, 0, 0]);
    loop {}
}

/// Puts `words` into the message registers and enters the kernel.
fn invoke(destination: u64, protocol: i64, words: &[u64]) {
    let tag = (protocol << 16) as u64 | words.len() as u64;
    let utcb = utcb();
    for (index, word) in words.iter().enumerate() {
        // SAFETY: the UTCB begins with 63 message registers.
        unsafe { utcb.add(index).write_volatile(*word) };
    }
    // SAFETY: the registers are those of the ABI; nothing is received into memory.
    unsafe { system_call(tag, destination) }
}

#[cfg(target_arch = "x86_64")]
fn utcb() -> *mut u64 {
    let utcb;
    // SAFETY: the kernel puts the address there.
    unsafe { asm!("mov {}, gs:0", out(reg) utcb) };
    utcb
}

#[cfg(target_arch = "x86_64")]
unsafe fn system_call(tag: u64, destination: u64) {
    // SAFETY: as the caller promises.
    unsafe {
        asm!("syscall", inout("rax") tag => _, inout("rdx") destination => _, inout("rsi") 0u64 => _,
            in("r8") 0u64, out("rcx") _, out("r11") _, out("r15") _, out("rdi") _)
    };
}

#[cfg(target_arch = "aarch64")]
fn utcb() -> *mut u64 {
    let utcb;
    // SAFETY: the kernel puts the address there.
    unsafe { asm!("mrs {}, tpidrro_el0", out(reg) utcb) };
    utcb
}

#[cfg(target_arch = "aarch64")]
unsafe fn system_call(tag: u64, destination: u64) {
    // SAFETY: as the caller promises.
    unsafe {
        asm!("svc #0", inout("x0") tag => _, inout("x1") 0u64 => _, inout("x2") destination => _,
            inout("x3") 0u64 => _, out("x4") _)
    };
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
