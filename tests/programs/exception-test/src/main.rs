//! A thread does everything that a CPU or the kernel must refuse, and asks for register values that
//! no thread may have. Its pager and exception handler, the main thread, checks what is reported.
//! That the system goes on after all this is the other half of the test.
#![no_std]
#![no_main]

#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
mod arch;
mod fpu;
mod victim;

use l4_rt::println;

use victim::{Report, Victim};

l4_rt::entry!(main);

/// Code that is stopped, and how.
struct Attack {
    name: &'static str,
    code: Code,
    refusal: Refusal,
}

/// Where code begins; nothing calls it.
type Code = unsafe extern "C" fn();

/// Bytes that no piece of code is longer than.
const CODE_SIZE: usize = 128;

/// Where code begins. It is mapped then: the victims' pager maps nothing.
fn address(code: Code) -> u64 {
    let start = code as *const u8;
    for byte in [start, start.wrapping_add(CODE_SIZE)] {
        // SAFETY: code of this program, or the constants behind it.
        unsafe { byte.read_volatile() };
    }
    start as u64
}

/// What the kernel must report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// An exception with this number: vector or exception class.
    Exception(u64),
    /// A page fault with these flags; unhandled, it becomes an exception.
    PageFault(u64),
}

fn main() -> l4_rt::Result {
    let mut victim = Victim::new(0, arch::BREAKPOINT_CODE, 0)?;
    victim.expect_exception(arch::BREAKPOINT, "the start");
    for &(what, attacks) in arch::ATTACKS {
        for attack in attacks {
            victim.try_attack(attack);
        }
        println!("refused: {what}");
    }
    registers(&mut victim);
    short_answer(&mut victim);
    endless_loop(&mut victim)?;
    fpu::check()?;
    println!("all checks passed");
    Ok(())
}

impl Victim {
    /// Lets it do this, and checks what is reported.
    fn try_attack(&mut self, attack: &Attack) {
        self.go_on_at(attack.code);
        match attack.refusal {
            Refusal::Exception(number) => self.expect_exception(number, attack.name),
            Refusal::PageFault(flags) => {
                let Report::PageFault(word) = self.report else {
                    panic!("{}: {:#x?}", attack.name, self.report);
                };
                assert_eq!(word & 7, flags, "{}", attack.name);
                self.refuse_page();
                self.expect_exception(arch::PAGE_FAULT, attack.name);
            }
        }
    }
}

/// Register values that a thread must not get.
fn registers(victim: &mut Victim) {
    let breakpoint = address(arch::BREAKPOINT_CODE);
    for &(name, spoil, refusal) in arch::SPOILT_REGISTERS {
        let mut frame = arch::at(victim.frame(), breakpoint);
        spoil(&mut frame);
        victim.answer(frame);
        if let Report::PageFault(_) = victim.report {
            victim.refuse_page();
        }
        victim.expect_exception(refusal, name);
        let mended = arch::mended(victim.frame());
        victim.answer(arch::at(mended, breakpoint));
        victim.expect_exception(arch::BREAKPOINT, name);
    }
    println!("refused: registers that no thread may have");
}

/// An answer that is too short changes no register.
fn short_answer(victim: &mut Victim) {
    let before = victim.frame();
    victim.answer_words(arch::at(before, 0), l4_abi::exception::FRAME_WORDS - 1);
    victim.expect_exception(arch::BREAKPOINT, "a short answer");
    assert_eq!(
        victim.frame().instruction_pointer(),
        arch::after_breakpoint(before.instruction_pointer())
    );
}

/// A thread that never gives the CPU up is interrupted, and can be stopped.
fn endless_loop(victim: &mut Victim) -> l4_rt::Result {
    victim.go_on_in_endless_loop(arch::ENDLESS_LOOP);
    victim.trigger_exception()?;
    victim.expect_exception(arch::TRIGGERED, "the endless loop");
    assert_eq!(
        victim.frame().instruction_pointer(),
        address(arch::ENDLESS_LOOP)
    );
    println!("refused: an endless loop");
    Ok(())
}
