//! What a guest exits with.

use l4_test::guest::{AFTER, CODE, Guest as _, NOTHING};
use l4_test::spawn;
use l4_test::sys::vcpu::GuestEnd;

use super::guest::{Guest, HALT, Machine, at, exit};

/// Runs `code`; the code of the exit and the vCPU.
fn exit_of(code: &[u8]) -> (u64, [u64; 2]) {
    Machine::new(code).run(|guest| {
        let [one, two] = [at::EXIT_INFO_1, at::EXIT_INFO_2];
        assert_eq!(guest.vcpu.state(), AFTER);
        (guest.exit(), [guest.vmcb.word(one), guest.vmcb.word(two)])
    })
}

pub(crate) fn instructions_exit_with_their_codes() {
    assert_eq!(exit_of(HALT).0, exit::HALT);
    // vmmcall
    assert_eq!(exit_of(&[0x0f, 0x01, 0xd9]).0, exit::CALL);
    // out 0x10, al: the port, one byte; and the address behind.
    let (code, info) = exit_of(&[0xe6, 0x10]);
    assert_eq!(
        (code, info[0] >> 16, info[0] & 0x71),
        (exit::PORT, 0x10, 0x10)
    );
    assert_eq!(info[1], CODE + 2);
}

pub(crate) fn cpuid_exits_if_the_user_wants_it() {
    const CPUID_HALT: &[u8] = &[0x0f, 0xa2, 0xf4];
    assert_eq!(exit_of(CPUID_HALT).0, exit::HALT);
    let machine = Machine::new(CPUID_HALT);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        guest.vmcb.set_long(at::INSTRUCTIONS_0, 1 << 18);
        for _ in 0..3 {
            assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::CPUID));
        }
        guest.skip(2);
        assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::HALT));
    });
    worker.join();
}

pub(crate) fn registers_of_the_machine_exit_but_for_those_that_are_switched() {
    // mov ecx, MSR; rdmsr; hlt
    let read = |register: u32| {
        let [a, b, c, d] = register.to_le_bytes();
        exit_of(&[0x66, 0xb9, a, b, c, d, 0x0f, 0x32, 0xf4]).0
    };
    for register in [0x174, 0x175, 0x176, 0xc000_0081, 0xc000_0084, 0xc000_0102] {
        assert_eq!(read(register), exit::HALT, "{register:#x}");
    }
    for register in [
        0x10,
        0x1b,
        0x173,
        0x177,
        0x277,
        0x6e0,
        0x800,
        0x1fff,
        0x2000,
        0x4000_0000,
        0xc000_0080,
        0xc000_0085,
        0xc000_00ff,
        0xc000_0103,
        0xc001_0114,
        0xc001_0117,
        u32::MAX,
    ] {
        assert_eq!(read(register), exit::REGISTER, "{register:#x}");
    }
    // mov ecx, STAR; mov eax, 0x1234; xor edx, edx; wrmsr; hlt
    let machine = Machine::new(&[
        0x66, 0xb9, 0x81, 0, 0, 0xc0, 0x66, 0xb8, 0x34, 0x12, 0, 0, 0x66, 0x31, 0xd2, 0x0f, 0x30,
        0xf4,
    ]);
    let star = machine.run(|guest| {
        assert_eq!(guest.exit(), exit::HALT);
        guest.vmcb.word(at::STAR)
    });
    assert_eq!(star, 0x1234);
}

pub(crate) fn what_is_not_mapped_exits_with_its_address() {
    // mov al, [NOTHING]
    let [low, high, ..] = NOTHING.to_le_bytes();
    let (code, info) = exit_of(&[0xa0, low, high]);
    assert_eq!((code, info[1]), (exit::PAGE_FAULT, NOTHING));
    assert_eq!(info[0] & 3, 0, "not there, and read");
    // mov [NOTHING], al
    let (code, info) = exit_of(&[0xa2, low, high]);
    assert_eq!((code, info[1], info[0] & 3), (exit::PAGE_FAULT, NOTHING, 2));
}

pub(crate) fn a_triple_fault_is_an_exit() {
    let machine = Machine::new(&[0x0f, 0x0b]);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        // An interrupt table without entries.
        guest.vmcb.set_word(at::SEGMENTS + 8 * 16, 0);
        assert_eq!(
            (guest.run(), guest.exit()),
            (GuestEnd::Exit, exit::SHUTDOWN)
        );
    });
    worker.join();
}

pub(crate) fn the_user_does_not_see_forced_intercepts() {
    Machine::new(HALT).run(|guest: Guest| {
        let fields = [at::EXCEPTIONS, at::INSTRUCTIONS_0, at::INSTRUCTIONS_1];
        assert_eq!(fields.map(|field| guest.vmcb.long(field)), [0; 3]);
    });
}

pub(crate) fn none_of_the_instructions_for_hosts_is_the_guests() {
    // vmrun, vmload, vmsave, stgi, clgi, invlpga; rdpmc; mov to and from dr0
    let cases: [(&[u8], u64); 9] = [
        (&[0x0f, 0x01, 0xd8], 0x80),
        (&[0x0f, 0x01, 0xda], 0x82),
        (&[0x0f, 0x01, 0xdb], 0x83),
        (&[0x0f, 0x01, 0xdc], 0x84),
        (&[0x0f, 0x01, 0xdd], 0x85),
        (&[0x0f, 0x01, 0xdf], 0x7a),
        (&[0x0f, 0x33], 0x6f),
        (&[0x0f, 0x23, 0xc0], 0x30),
        (&[0x0f, 0x21, 0xc0], 0x20),
    ];
    for (code, expected) in cases {
        // In protected mode, where all of them are instructions.
        let machine = Machine::new(code);
        let worker = spawn(move || {
            let guest = machine.vcpu();
            guest.vmcb.set_word(at::CR0, 0x11);
            assert_eq!(guest.run(), GuestEnd::Exit);
            guest.exit()
        });
        let code_of_exit = worker.join();
        assert_eq!(code_of_exit, expected, "{code:x?}");
    }
}
