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

impl Case {
    fn attempt(&self, arch: Architecture) -> &Attempt {
        match arch {
            Architecture::X86_64 => &self.x86_64,
            Architecture::Aarch64 => &self.aarch64,
        }
    }
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

/// An isolated kernel does not even have it: the page is not present.
const ISOLATED_READ: Attempt = Attempt(
    "set $rax = (*(long **)($rdi + 8))[19]\nset {unsigned int}$pc = 0x008b48",
    "page fault",
    0,
);

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
                astray(workspace, arch, SYSTEM, case.attempt(arch))
            });
        }
        run("no page can be written and run", &|| {
            mappings(workspace, arch)
        });
        if arch == Architecture::X86_64 {
            run("user mode without the kernel's pages", &|| {
                isolation(workspace)
            });
            run("an isolated kernel that reads memory of user mode", &|| {
                astray(workspace, arch, ISOLATED, &ISOLATED_READ)
            });
        }
    }
    Ok(())
}

/// Where the kernel is when gdb's commands of a case come.
const STOP: &str = "set language c\nhbreak brio_syscall\ncontinue\n";

fn astray(
    workspace: &Workspace,
    arch: Architecture,
    system: &str,
    Attempt(commands, exception, bits): &Attempt,
) -> Result<()> {
    let script = format!("{STOP}{commands}\ndelete\ncontinue\n");
    let shown = gdb(workspace, system, arch, &script)?;
    let log = system.trim_end_matches(".toml").replace('/', "-");
    let console = console(workspace, &log, arch)?;
    let panic = format!("@brio panic kernel: {exception}");
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

/// From here on addresses are the kernel's.
const KERNEL: u64 = 1 << 63;

/// A line of QEMU's list of pages.
struct Page<'a> {
    line: &'a str,
    address: u64,
    runs: bool,
    user: bool,
    writable: bool,
}

/// QEMU's list of pages: address, memory, and nine flags, of which the first says that it does not
/// execute, the last but one that it is user mode's, and the last that it can be written.
fn pages(shown: &str) -> impl Iterator<Item = Page<'_>> {
    shown.lines().filter_map(|line| {
        let [address, _, flags] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            return None;
        };
        let has = |position: usize, flag: char| flags.chars().nth(position) == Some(flag);
        Some(Page {
            line,
            address: u64::from_str_radix(address.strip_suffix(':')?, 16).ok()?,
            runs: !has(0, 'X'),
            user: has(7, 'U'),
            writable: has(8, 'W'),
        })
    })
}

fn check_pages(shown: &str) -> Result<()> {
    let (mut code, mut data) = (0, 0);
    for page in pages(shown) {
        let is_kernel = page.address >= KERNEL;
        if is_kernel == page.user || (is_kernel && page.runs && page.writable) {
            fail!("a wrong page: {}", page.line);
        }
        code += u32::from(is_kernel && page.runs);
        data += u32::from(is_kernel && page.writable);
    }
    if code == 0 || data == 0 {
        fail!("{code} pages of code and {data} of data; gdb:\n{shown}");
    }
    Ok(())
}

/// A system whose kernel isolates itself, on one CPU.
const ISOLATED: &str = "tests/isolated/fault.toml";

/// Where a CPU's entry area is: a page of code, then the CPU's tables.
const ENTRY_AREA: u64 = 0xffff_ffff_bfe0_0000;
const ENTRY_AREA_PAGES: u64 = 8;

/// What is mapped when an isolated kernel has been left.
fn isolation(workspace: &Workspace) -> Result<()> {
    let script = "set language c\nhbreak brio_isolated_user\ncontinue\n\
        printf \"entry code %lx %lx\\n\", &__entry_start, &__entry_end\n\
        monitor info registers\nmonitor info tlb\n";
    let shown = gdb(workspace, ISOLATED, Architecture::X86_64, script)?;
    check_isolation(&shown)
}

/// Checks that of the kernel there is nothing but the entry code, the interrupt table and the entry
/// area, where the CPU's other tables are.
fn check_isolation(shown: &str) -> Result<()> {
    let words = |start: &str| {
        let mut lines = shown.lines().filter_map(|line| line.strip_prefix(start));
        let words = lines.next()?.split_whitespace();
        let numbers = words.filter_map(|word| u64::from_str_radix(word, 16).ok());
        Some(numbers.collect::<Vec<_>>())
    };
    let (Some(entry), Some(interrupts), Some(descriptors)) =
        (words("entry code "), words("IDT="), words("GDT="))
    else {
        fail!("gdb does not show the kernel's tables, but:\n{shown}");
    };
    let area = ENTRY_AREA..ENTRY_AREA + ENTRY_AREA_PAGES * 4096;
    if !area.contains(&descriptors[0]) {
        fail!("the descriptors are not in the entry area; gdb:\n{shown}");
    }
    let (mut kernel, mut user) = (0, 0);
    for page in pages(shown) {
        let is_code = (entry[0]..entry[1]).contains(&page.address) || page.address == area.start;
        let is_data = page.address == interrupts[0] || area.contains(&page.address);
        let is_right = match page.address {
            ..KERNEL => page.user,
            _ if is_code => !page.user && page.runs && !page.writable,
            _ => is_data && !page.user && !page.runs,
        };
        if !is_right {
            fail!("a page that user mode should not have: {}", page.line);
        }
        kernel += u64::from(page.address >= KERNEL);
        user += u64::from(page.address < KERNEL);
    }
    if kernel <= ENTRY_AREA_PAGES || user == 0 {
        fail!("{kernel} pages of the kernel and {user} of the user; gdb:\n{shown}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{check_isolation, check_pages, code};

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

    const TABLES: &str = "entry code ffffffff80401000 ffffffff80402800\n\
        GDT=     ffffffffbfe03088 00000077\nIDT=     ffffffff80460000 00000fff\n\
        ffffffff80401000: 0000000000401000 ----A----\n\
        ffffffff80402000: 0000000000402000 ----A----\n\
        ffffffff80460000: 0000000000460000 X--DA---W\n\
        ffffffffbfe00000: 0000000000401000 ----A----\n\
        ffffffffbfe01000: 0000000000470000 X--DA---W\n\
        ffffffffbfe02000: 0000000000471000 X--DA---W\n\
        ffffffffbfe03000: 0000000000472000 X--DA---W\n\
        ffffffffbfe04000: 0000000000473000 X--DA---W\n\
        ffffffffbfe05000: 0000000000474000 X--DA---W\n";

    #[test]
    fn pages_of_an_isolated_kernel_are_known() {
        let check = |lines: &[&str]| check_isolation(&lines.concat()).is_ok();
        assert!(check(&[TABLES, USER]));
        assert!(!check(&[TABLES]));
        assert!(!check(&[USER]));
        assert!(!check(&[TABLES, USER, CODE]));
        assert!(!check(&[TABLES, USER, DATA]));
        for wrong in [
            "ffffffffbfe08000: 0000000000477000 X--DA---W\n",
            "ffffffffbfe06000: 0000000000476000 X--DA--UW\n",
            "ffffffffbfe06000: 0000000000476000 ---DA---W\n",
            "ffffff0000000000: 0000000000000000 X--DA---W\n",
        ] {
            assert!(!check(&[TABLES, USER, wrong]), "{wrong}");
        }
    }
}
