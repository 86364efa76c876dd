//! A kernel that does what only an attacker would want it to do: the processor must refuse.
//!
//! gdb stops the kernel at its first system call, and lets it execute or touch what it must not.
//! Each time the kernel has to end with the exception that the protection raises; without the
//! protection it would go on.

use super::debug::{console, gdb};
use super::{Outcome, Report};
use crate::architecture::Architecture;
use crate::failure::{Result, fail};
use crate::workspace::Workspace;
use std::time::Instant;

/// The system whose kernel is led astray.
const SYSTEM: &str = "hello";

/// Something that the kernel must not be able to do.
struct Case {
    name: &'static str,
    x86_64: Attempt,
    aarch64: Attempt,
}

/// gdb's commands, and what comes of them: the exception's name as the kernel prints it, and what
/// its error code or syndrome must be, in the bits of [`fault_bits`].
struct Attempt(&'static str, &'static str, u64);

/// Of a syndrome: kind of the fault at whatever level, and that it was a write.
const TRANSLATION: u64 = 0x04;
const PERMISSION: u64 = 0x0c;
const WRITE: u64 = 0x40;

/// What of an error code or syndrome is looked at.
fn fault_bits(arch: Architecture) -> u64 {
    match arch {
        Architecture::X86_64 => u64::MAX,
        Architecture::Aarch64 => 0x7c,
    }
}

/// The kernel is where a system call calls it, with the CPU's block as first argument. Its second
/// word is the address of the thread's registers: on x86_64 word 19 of these is `rip` and word 22
/// `rsp`, on aarch64 word 35 is the stack pointer and word 36 `pc`.
const CASES: &[Case] = &[
    Case {
        name: "runs memory of user mode",
        // Present, and a fetch: SMEP. On aarch64 there is no translation at all.
        x86_64: Attempt("set $pc = (*(long **)($rdi + 8))[19]", "page fault", 0x11),
        aarch64: Attempt(
            "set $pc = (*(long **)($x0 + 8))[36]",
            "instruction abort",
            TRANSLATION,
        ),
    },
    Case {
        name: "reads memory of user mode",
        // mov rax, [rax]; present: SMAP.
        x86_64: Attempt(
            "set $rax = (*(long **)($rdi + 8))[19]\nset {unsigned int}$pc = 0x008b48",
            "page fault",
            0x1,
        ),
        // ldr x0, [x0]
        aarch64: Attempt(
            "set $x0 = (*(long **)($x0 + 8))[36]\nset {unsigned int}$pc = 0xf9400000",
            "data abort",
            TRANSLATION,
        ),
    },
    Case {
        name: "writes memory of user mode",
        // mov [rax], rax
        x86_64: Attempt(
            "set $rax = (*(long **)($rdi + 8))[22] & ~7\nset {unsigned int}$pc = 0x008948",
            "page fault",
            0x3,
        ),
        // str x0, [x0]
        aarch64: Attempt(
            "set $x0 = (*(long **)($x0 + 8))[35]\nset {unsigned int}$pc = 0xf9000000",
            "data abort",
            WRITE | TRANSLATION,
        ),
    },
    Case {
        name: "writes its own code",
        x86_64: Attempt(
            "set $rax = (long)$pc & ~7\nset {unsigned int}$pc = 0x008948",
            "page fault",
            0x3,
        ),
        aarch64: Attempt(
            "set $x0 = (long)$pc & ~7\nset {unsigned int}$pc = 0xf9000000",
            "data abort",
            WRITE | PERMISSION,
        ),
    },
    Case {
        name: "runs its own data",
        x86_64: Attempt("set $pc = $rdi", "page fault", 0x11),
        aarch64: Attempt("set $pc = $x0", "instruction abort", PERMISSION),
    },
    Case {
        name: "runs over the end of its stack",
        // push rax; ud2. The processor cannot push either.
        x86_64: Attempt(
            "set $rsp = (long)&__guard_end\nset {unsigned int}$pc = 0x0b0f50",
            "double fault",
            0,
        ),
        // str x0, [sp, #-16]!
        aarch64: Attempt(
            "set $sp = (long)&__stack_guard + 4096\nset {unsigned int}$pc = 0xf81f0fe0",
            "data abort",
            WRITE | TRANSLATION,
        ),
    },
];

pub(super) fn run(
    workspace: &Workspace,
    report: &mut Report,
    archs: &[Architecture],
    selected: &dyn Fn(&str) -> bool,
) -> Result<()> {
    for &arch in archs {
        let mut run = |name: &str, test: &dyn Fn() -> Result<()>| {
            let name = format!("hardening {name} {arch}");
            if !selected(&name) {
                return;
            }
            let start = Instant::now();
            let outcome = match test() {
                Ok(()) => Outcome::Passed,
                Err(failure) => Outcome::Failed(failure.to_string()),
            };
            report.add(&name, &outcome, start.elapsed());
        };
        for case in CASES {
            run(&format!("a kernel that {}", case.name), &|| {
                astray(workspace, arch, case)
            });
        }
        run("no page can be written and run", &|| {
            mappings(workspace, arch)
        });
    }
    Ok(())
}

/// Where the kernel is when gdb's commands of a case come.
const STOP: &str = "set language c\nhbreak brio_syscall\ncontinue\n";

fn astray(workspace: &Workspace, arch: Architecture, case: &Case) -> Result<()> {
    let Attempt(commands, name, bits) = match arch {
        Architecture::X86_64 => &case.x86_64,
        Architecture::Aarch64 => &case.aarch64,
    };
    let script = format!("{STOP}{commands}\ndelete\ncontinue\n");
    let shown = gdb(workspace, SYSTEM, arch, &script)?;
    let console = console(workspace, SYSTEM, arch)?;
    let panic = format!("@brio panic kernel: {name}");
    let is_right = |line: &str| {
        let code = line.strip_prefix(&panic).and_then(code);
        code.is_some_and(|code| code & fault_bits(arch) == *bits)
    };
    if !console.lines().any(is_right) {
        fail!("no line with `{panic}` and code {bits:#x}; the console:\n{console}gdb:\n{shown}");
    }
    Ok(())
}

/// The error code or syndrome in what the kernel says of an exception.
fn code(message: &str) -> Option<u64> {
    let (_, rest) = message
        .split_once(" error 0x")
        .or_else(|| message.split_once(" esr 0x"))?;
    let end = rest.find(|letter: char| !letter.is_ascii_hexdigit())?;
    u64::from_str_radix(&rest[..end], 16).ok()
}

/// SCTLR_EL2: translation is on, and what can be written never executes.
const SCTLR_MMU: u64 = 1 << 0;
const SCTLR_WXN: u64 = 1 << 19;

/// The whole address space of the kernel: on x86_64 page by page, on aarch64 the processor's word
/// for it.
fn mappings(workspace: &Workspace, arch: Architecture) -> Result<()> {
    let command = match arch {
        Architecture::X86_64 => "monitor info tlb",
        Architecture::Aarch64 => "printf \"SCTLR_EL2 %lx\\n\", $SCTLR_EL2",
    };
    let shown = gdb(workspace, SYSTEM, arch, &format!("{STOP}{command}\n"))?;
    match arch {
        Architecture::X86_64 => check_pages(&shown),
        Architecture::Aarch64 => {
            let mut values = shown.lines().filter_map(|line| {
                let value = line.strip_prefix("SCTLR_EL2 ")?;
                u64::from_str_radix(value, 16).ok()
            });
            match values.next() {
                Some(value) if value & SCTLR_MMU != 0 && value & SCTLR_WXN != 0 => Ok(()),
                _ => fail!("no protection; gdb:\n{shown}"),
            }
        }
    }
}

/// Checks QEMU's list of pages: address, memory, and nine flags, of which the first says that it does
/// not execute, the last but one that it is user mode's, and the last that it can be written.
fn check_pages(shown: &str) -> Result<()> {
    const KERNEL: u64 = 1 << 63;
    let (mut code, mut data) = (0, 0);
    for line in shown.lines() {
        let [address, _, flags] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            continue;
        };
        let Some(Ok(address)) = address
            .strip_suffix(':')
            .map(|address| u64::from_str_radix(address, 16))
        else {
            continue;
        };
        let has = |position: usize, flag: char| flags.chars().nth(position) == Some(flag);
        let (runs, user, writable) = (!has(0, 'X'), has(7, 'U'), has(8, 'W'));
        let is_kernel = address >= KERNEL;
        if is_kernel == user || (is_kernel && runs && writable) {
            fail!("a wrong page: {line}");
        }
        code += u32::from(is_kernel && runs);
        data += u32::from(is_kernel && writable);
    }
    if code == 0 || data == 0 {
        fail!("{code} pages of code and {data} of data; gdb:\n{shown}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{check_pages, code};

    #[test]
    fn codes_are_found() {
        let x86_64 = " (vector 14 error 0x11) at 0xffffffff80435714, address 0x1000";
        assert_eq!(code(x86_64), Some(0x11));
        assert_eq!(code(" at EL2: esr 0x97c08007, elr 0x1"), Some(0x97c0_8007));
        assert_eq!(code(" of something else"), None);
    }

    const CODE: &str = "ffffffff80400000: 0000000000400000 -G-------\n";
    const DATA: &str = "ffffffff8046b000: 000000000046b000 XG-DA---W\n";
    const USER: &str = "0000000000000000: 0000000000000000 --PDA--UW\n";

    fn check(lines: &[&str]) -> bool {
        check_pages(&lines.concat()).is_ok()
    }

    #[test]
    fn pages_are_code_or_data_and_the_kernels_or_the_users() {
        assert!(check(&["gdb says:\n", CODE, DATA, USER]));
        assert!(!check(&[CODE, USER]));
        for wrong in [
            "ffffffff8046b000: 000000000046b000 -G-DA---W\n",
            "ffffffff8046b000: 000000000046b000 XG-DA--UW\n",
            "0000000000000000: 0000000000000000 --PDA---W\n",
        ] {
            assert!(!check(&[CODE, DATA, wrong]), "{wrong}");
        }
    }
}
