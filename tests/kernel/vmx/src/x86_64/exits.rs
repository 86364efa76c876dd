//! What a guest exits with.

use l4_test::abi::arch::x86_64::vmx::field;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::MemoryRights;
use l4_test::guest::{AFTER, CODE, DATA, Guest as _, NOTHING};
use l4_test::memory::{PAGE_ORDER, load};
use l4_test::own;
use l4_test::sys::vcpu::GuestEnd;

use super::guest::{Guest, HALT, Machine, exit};

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

pub(crate) fn registers_of_the_machine_exit() {
    // mov ecx, MSR; rdmsr; hlt
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
        let code = [0x66, 0xb9, a, b, c, d, 0x0f, 0x32, 0xf4];
        assert_eq!(exit_of(&code).0, exit::READ_REGISTER, "{register:#x}");
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
