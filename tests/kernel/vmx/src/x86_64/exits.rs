//! What a guest exits with.

use l4_test::abi::arch::x86_64::vmx::field;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::MemoryRights;
use l4_test::guest::{AFTER, CODE, DATA, Guest as _, NOTHING};
use l4_test::memory::{PAGE_ORDER, load, store};
use l4_test::own;
use l4_test::sys::vcpu::GuestEnd;

use super::guest::{FLAGS, Guest, HALT, Machine, exit};

/// Runs `code`; why it exits, and the exit's qualification.
fn exit_of(code: &[u8]) -> (u64, u64) {
    Machine::new(code).run(|guest| {
        assert_eq!(guest.vcpu.state(), AFTER);
        (guest.exit(), guest.get(field::EXIT_QUALIFICATION))
    })
}

pub(crate) fn instructions_exit_with_their_reasons() {
    assert_eq!(exit_of(HALT).0, exit::HALT);
    assert_eq!(exit_of(&[0x0f, 0xa2]).0, exit::CPUID);
    // vmcall; rdpmc
    assert_eq!(exit_of(&[0x0f, 0x01, 0xc1]).0, exit::CALL);
    assert_eq!(exit_of(&[0x0f, 0x33]).0, exit::READ_COUNTER);
    // out 0x10, al: one byte, out, the port is in the instruction.
    assert_eq!(exit_of(&[0xe6, 0x10]), (exit::PORT, 0x10 << 16 | 1 << 6));
    // mov eax, cr0; or eax, CD; mov cr0, eax: no caches for the kernel either.
    let no_cache = [
        0x0f, 0x20, 0xc0, 0x66, 0x0d, 0, 0, 0, 0x40, 0x0f, 0x22, 0xc0, 0xf4,
    ];
    assert_eq!(exit_of(&no_cache).0, exit::CONTROL_REGISTER);
    // mov dr0, eax: the host's.
    assert_eq!(exit_of(&[0x0f, 0x23, 0xc0]).0, exit::DEBUG_REGISTER);
    // One after the other.
    Machine::new(&[0x0f, 0xa2, 0xf4]).run(|guest| {
        for _ in 0..3 {
            assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::CPUID));
        }
        assert_eq!(guest.get(field::EXIT_LENGTH), 2);
        guest.skip();
        assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::HALT));
        assert_eq!(guest.get(field::GUEST_RIP), CODE + 2);
    });
}

pub(crate) fn string_instructions_exit_before_they_do_anything() {
    // outsb; rep insw. What is told: size, in, string, repeated.
    for (instruction, how) in [([0x6e, 0x90], 1 << 4), ([0xf3, 0x6d], 1 | 7 << 3)] {
        // mov dx, 0x3f8; mov cx, 4; mov si, DATA; mov di, DATA
        let mut code = [
            0xba, 0xf8, 0x03, 0xb9, 4, 0, 0xbe, 0x00, 0x20, 0xbf, 0x00, 0x20, 0, 0,
        ];
        code[12..].copy_from_slice(&instruction);
        let machine = Machine::new(&code);
        let data = machine.memory + DATA;
        store(data, 0x1234);
        machine.run(move |guest| {
            let (reason, qualification) = (guest.exit(), guest.get(field::EXIT_QUALIFICATION));
            assert_eq!((reason, qualification), (exit::PORT, 0x3f8 << 16 | how));
            let frame = guest.vcpu.registers();
            assert_eq!((frame.rcx, frame.rsi, frame.rdi), (4, DATA, DATA));
            assert_eq!(load(data), 0x1234);
        });
    }
}

pub(crate) fn a_change_of_components_exits() {
    const XSAVE: u32 = 1 << 26;
    if core::arch::x86_64::__cpuid(1).ecx & XSAVE == 0 {
        return;
    }
    let reason = Machine::new(&[0x0f, 0x01, 0xd1]).run_prepared(
        // CR4.OSXSAVE: else it is no instruction.
        |guest| guest.set(field::GUEST_CR4, 1 << 18),
        |guest| guest.exit(),
    );
    assert_eq!(reason, exit::SET_COMPONENTS);
}

pub(crate) fn ports_and_registers_exit_whatever_bitmaps_say() {
    const BITMAPS: u64 = 1 << 25 | 1 << 28;
    // in al, 0x80; mov ecx, STAR; rdmsr; wrmsr; hlt
    let code = [
        0xe4, 0x80, 0x66, 0xb9, 0x81, 0, 0, 0xc0, 0x0f, 0x32, 0x0f, 0x30, 0xf4,
    ];
    Machine::new(&code).run_prepared(
        |guest| {
            guest.set(field::CPU_CONTROLS, BITMAPS);
            // Where the bitmaps are: a page of zeros, for all the user knows.
            for bitmap in [0x2000, 0x2002, 0x2004] {
                guest.set(bitmap, DATA);
            }
        },
        |guest| {
            for reason in [exit::PORT, exit::READ_REGISTER, exit::WRITE_REGISTER] {
                assert_eq!(guest.exit(), reason);
                guest.skip();
                guest.run();
            }
            assert_eq!(guest.exit(), exit::HALT);
        },
    );
}

pub(crate) fn registers_of_the_machine_exit() {
    // mov ecx, MSR; rdmsr or wrmsr; hlt
    for register in [
        0x10_u32,
        0x1b,
        0x174,
        0x277,
        0x6e0,
        0xc000_0080,
        0xc000_0100,
        u32::MAX,
    ] {
        let [a, b, c, d] = register.to_le_bytes();
        for (instruction, reason) in [(0x32, exit::READ_REGISTER), (0x30, exit::WRITE_REGISTER)] {
            let code = [0x66, 0xb9, a, b, c, d, 0x0f, instruction, 0xf4];
            assert_eq!(exit_of(&code).0, reason, "{register:#x}");
        }
    }
}

pub(crate) fn what_is_not_mapped_exits_with_its_address() {
    let [low, high, ..] = NOTHING.to_le_bytes();
    // mov al, [NOTHING]; mov [NOTHING], al
    for (instruction, access) in [(0xa0, 1), (0xa2, 2)] {
        let machine = Machine::new(&[instruction, low, high]);
        let address = machine.run(move |guest| {
            let qualification = guest.get(field::EXIT_QUALIFICATION);
            assert_eq!(
                (guest.exit(), qualification & 7),
                (exit::PAGE_FAULT, access)
            );
            guest.get(field::GUEST_PHYSICAL_ADDRESS)
        });
        assert_eq!(address, NOTHING);
    }
}

pub(crate) fn a_page_that_may_not_be_written_exits() {
    let [low, high, ..] = NOTHING.to_le_bytes();
    // mov al, [NOTHING]; mov [NOTHING], al
    let machine = Machine::new(&[0xa0, low, high, 0xa2, low, high]);
    let page = Flexpage::memory(machine.memory + DATA, PAGE_ORDER, MemoryRights::READ);
    machine.map(page, NOTHING);
    machine.run(|guest| {
        let qualification = guest.get(field::EXIT_QUALIFICATION);
        assert_eq!(
            (guest.exit(), qualification & 0x3b),
            (exit::PAGE_FAULT, 0xa)
        );
        assert_eq!(guest.get(field::GUEST_RIP), CODE + 3);
    });
}

pub(crate) fn code_runs_where_it_may_be_run_only() {
    let readable = |rights| {
        // jmp NOTHING
        let machine = Machine::new(&[0xb8, 0x00, 0x80, 0xff, 0xe0]);
        let page = Flexpage::memory(machine.memory + DATA, PAGE_ORDER, rights);
        machine.map(page, NOTHING);
        machine.write(DATA, HALT);
        machine.run(|guest| (guest.exit(), guest.get(field::EXIT_QUALIFICATION) & 0x3f))
    };
    assert_eq!(readable(MemoryRights::RWX).0, exit::HALT);
    // Fetched; may be read, and written.
    assert_eq!(readable(MemoryRights::RW), (exit::PAGE_FAULT, 0x1c));
}

pub(crate) fn addresses_beyond_all_memory_exit() {
    const BEYOND: u64 = 1 << 38;
    // One page of 2 MiB at 0, one beyond; and a table that is beyond.
    let run = |code: &[u8]| {
        let machine = Machine::new(code);
        for (address, entry) in [
            (DATA, 0x3000 | 3),
            (DATA + 8, BEYOND | 3),
            (0x3000, 3),
            (0, 1 << 7 | 3),
            (8, BEYOND | 1 << 7 | 3),
        ] {
            machine.write(address, &u64::to_le_bytes(entry));
        }
        machine.run_prepared(
            |guest| guest.enter_long_mode(DATA),
            |guest| {
                assert_eq!(guest.exit(), exit::PAGE_FAULT);
                let address = guest.get(field::GUEST_PHYSICAL_ADDRESS);
                // Whether it is what the guest wants, or a table of the guest's.
                (address, guest.get(field::EXIT_QUALIFICATION) >> 8 & 1)
            },
        )
    };
    // mov al, [0x20_0000]
    let page = run(&[0x8a, 0x04, 0x25, 0, 0, 0x20, 0]);
    assert_eq!(page, (BEYOND, 1));
    // mov al, [1 << 39]
    let table = run(&[0xa0, 0, 0, 0, 0, 0x80, 0, 0, 0]);
    assert_eq!(table, (BEYOND, 0));
}

pub(crate) fn a_page_that_is_taken_away_is_gone() {
    // mov [DATA], al; cpuid; jmp back
    let machine = Machine::new(&[0xa2, 0x00, 0x20, 0x0f, 0xa2, 0xeb, 0xf9]);
    let memory = machine.memory;
    let again = |guest: Guest| {
        guest.skip();
        assert_eq!(guest.run(), GuestEnd::Exit);
        guest.exit()
    };
    machine.run_prepared(
        |guest| {
            let mut registers = guest.vcpu.registers();
            registers.rax = 7;
            guest.vcpu.set_registers(registers);
        },
        move |guest| {
            assert_eq!((guest.exit(), load(memory + DATA)), (exit::CPUID, 7));
            assert_eq!(again(guest), exit::CPUID);
            let page = Flexpage::memory(memory + DATA, PAGE_ORDER, MemoryRights::RWX);
            own::task().unmap(page, UnmapMask::OTHER_SPACES).unwrap();
            assert_eq!(again(guest), exit::PAGE_FAULT);
            assert_eq!(guest.get(field::GUEST_PHYSICAL_ADDRESS), DATA);
        },
    );
}

pub(crate) fn a_triple_fault_is_an_exit() {
    let reason = Machine::new(&[0x0f, 0x0b]).run_prepared(
        // An interrupt table without entries.
        |guest| guest.set(0x4812, 0),
        |guest| guest.exit(),
    );
    assert_eq!(reason, exit::TRIPLE_FAULT);
}

pub(crate) fn debug_exceptions_exit_whatever_the_user_wants() {
    // int1, which goes on without end where its handler does the same; a single step
    for (code, flags) in [(&[0xf1][..], FLAGS), (&[0x90, 0x90], FLAGS | 1 << 8)] {
        Machine::new(code).run_prepared(
            move |guest| guest.set(field::GUEST_RFLAGS, flags),
            |guest| {
                let event = guest.get(field::EXIT_EVENT);
                assert_eq!((guest.exit(), event & 0xff), (exit::EXCEPTION, 1));
            },
        );
    }
}

pub(crate) fn exceptions_exit_if_the_user_wants_it() {
    Machine::new(&[0x0f, 0x0b]).run_prepared(
        |guest| guest.set(field::EXCEPTION_BITMAP, 1 << 6),
        |guest| {
            let event = guest.get(field::EXIT_EVENT);
            assert_eq!(
                (guest.exit(), event),
                (exit::EXCEPTION, 1 << 31 | 3 << 8 | 6)
            );
            assert_eq!(guest.get(field::EXCEPTION_BITMAP), 1 << 6);
        },
    );
}
