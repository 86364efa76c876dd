//! What a guest has from one run to the next, and what the kernel has after it.

use core::arch::asm;

use l4_test::arch::{guest as pc, segments};
use l4_test::guest::{AFTER, CODE, DATA, Guest as _};
use l4_test::memory::load;
use l4_test::sys::vcpu::GuestEnd;
use l4_test::{own, spawn};

use super::guest::{Guest, HALT, Machine, at, exit};

/// The vCPU's registers as numbers, those that a guest has there.
fn set_registers(guest: Guest, value: impl Fn(u64) -> u64) {
    let mut frame = guest.vcpu.registers();
    let registers = [
        &mut frame.rbx,
        &mut frame.rcx,
        &mut frame.rdx,
        &mut frame.rsi,
        &mut frame.rdi,
        &mut frame.rbp,
        &mut frame.r8,
        &mut frame.r9,
        &mut frame.r10,
        &mut frame.r11,
        &mut frame.r12,
        &mut frame.r13,
        &mut frame.r14,
        &mut frame.r15,
    ];
    for (number, register) in (1..).zip(registers) {
        *register = value(number);
    }
    guest.vcpu.set_registers(frame);
}

pub(crate) fn all_registers_go_both_ways() {
    // inc cx; jmp back over it, 256 times; then hlt. Real mode leaves the others alone.
    let machine = Machine::new(&[0x41, 0xf4, 0xeb, 0xfc]);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        let value = |number: u64| number * 0x0101_0101_0101_0100;
        set_registers(guest, value);
        guest.vmcb.set_word(at::AX, 0x55aa);
        let before = guest.vcpu.registers();
        for round in 1..=10 {
            assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::HALT));
            let mut expected = before;
            expected.rcx += round;
            assert_eq!(guest.vcpu.registers(), expected);
            assert_eq!(guest.vmcb.word(at::AX), 0x55aa);
            guest.skip(1);
        }
    });
    worker.join();
}

pub(crate) fn control_registers_stay_what_the_guest_made_them() {
    // mov eax, cr0; or al, 1; mov cr0, eax; hlt; mov eax, cr0; hlt
    let machine = Machine::new(&[
        0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0, 0xf4, 0x0f, 0x20, 0xc0, 0xf4,
    ]);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        guest.run();
        assert_eq!(guest.vmcb.word(at::CR0), 0x11);
        guest.skip(1);
        guest.run();
        assert_eq!(guest.vmcb.word(at::AX), 0x11);
    });
    worker.join();
}

pub(crate) fn floating_point_registers_are_the_threads() {
    pc::floating_point_registers_are_the_threads::<Guest>();
}

pub(crate) fn protection_keys_are_no_other_guests() {
    // SAFETY: CPUID changes nothing.
    if core::arch::x86_64::__cpuid_count(7, 0).ecx & 1 << 3 == 0 {
        return;
    }
    // mov eax, cr4; or eax, PKE; mov cr4, eax; xor ecx, ecx; rdpkru; hlt; mov eax, -1; xor edx, edx; wrpkru; hlt
    let code = [
        0x0f, 0x20, 0xe0, 0x66, 0x0d, 0, 0, 0x40, 0, 0x0f, 0x22, 0xe0, 0x66, 0x31, 0xc9, 0x0f,
        0x01, 0xee, 0xf4, 0x66, 0xb8, 0xff, 0xff, 0xff, 0xff, 0x66, 0x31, 0xd2, 0x0f, 0x01, 0xef,
        0xf4,
    ];
    for _ in 0..2 {
        let machine = Machine::new(&code);
        let worker = spawn(move || {
            let guest = machine.vcpu();
            guest.vmcb.set_word(at::AX, 1);
            assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::HALT));
            assert_eq!(guest.vmcb.word(at::IP), CODE + 18);
            assert_eq!(guest.vmcb.word(at::AX), 0);
            guest.skip(1);
            assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::HALT));
            assert_eq!(guest.vmcb.word(at::IP), CODE + 31);
        });
        worker.join();
    }
}

pub(crate) fn an_injected_event_goes_through_the_guests_table() {
    let machine = Machine::new(HALT);
    // Vector 0x21 of the interrupt table: a handler in the data page.
    machine.write(0x21 * 4, &(DATA as u32).to_le_bytes());
    machine.write(DATA, &[0x90, 0xf4]);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        guest.vmcb.set_word(at::EVENT, 1 << 31 | 0x21);
        assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::HALT));
        assert_eq!(guest.vmcb.word(at::IP), DATA + 1);
        assert_eq!(guest.vmcb.word(at::EVENT) & 1 << 31, 0);
        // Once only.
        guest.vmcb.set_word(at::IP, CODE);
        guest.run();
        assert_eq!(guest.vmcb.word(at::IP), CODE);
    });
    worker.join();
}

pub(crate) fn a_virtual_interrupt_comes_when_the_guest_takes_it() {
    // hlt; sti; nop; nop
    let machine = Machine::new(&[0xf4, 0xfb, 0x90, 0x90, 0x0f, 0x01, 0xd9]);
    machine.write(0x21 * 4, &(DATA as u32).to_le_bytes());
    machine.write(DATA, &[0x90, 0xf4]);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        // V_IRQ, without looking at priorities.
        guest.vmcb.set_long(at::INTERRUPT_CONTROL, 1 << 8 | 1 << 20);
        guest.vmcb.set_byte(at::INTERRUPT_VECTOR, 0x21);
        guest.run();
        assert_eq!(guest.vmcb.word(at::IP), CODE);
        guest.skip(1);
        assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::HALT));
        assert_eq!(guest.vmcb.word(at::IP), DATA + 1);
        assert_eq!(guest.vmcb.long(at::INTERRUPT_CONTROL), 1 << 20);
        // Or the user is told that the guest would take one.
        guest.reset();
        guest.vmcb.set_word(at::IP, CODE + 1);
        guest.vmcb.set_long(at::INTERRUPT_CONTROL, 1 << 8 | 1 << 20);
        guest.vmcb.set_long(at::INSTRUCTIONS_0, 1 << 4);
        guest.run();
        assert_eq!(guest.exit(), exit::VIRTUAL_INTERRUPT);
    });
    worker.join();
}

pub(crate) fn a_virtual_interrupt_comes_before_the_first_instruction() {
    let machine = Machine::new(HALT);
    machine.write(0x21 * 4, &(DATA as u32).to_le_bytes());
    machine.write(DATA, &[0x90, 0xf4]);
    machine.run_prepared(
        |guest| {
            guest.vmcb.set_word(at::FLAGS, 1 << 9 | 2);
            guest.vmcb.set_long(at::INTERRUPT_CONTROL, 1 << 8 | 1 << 20);
            guest.vmcb.set_byte(at::INTERRUPT_VECTOR, 0x21);
        },
        |guest| assert_eq!(guest.vmcb.word(at::IP), DATA + 1),
    );
}

pub(crate) fn a_virtual_interrupt_is_taken_once_and_can_be_withdrawn() {
    // hlt; sti; nop; nop; vmmcall; jmp to itself
    let machine = Machine::new(&[0xf4, 0xfb, 0x90, 0x90, 0x0f, 0x01, 0xd9, 0xeb, 0xfe]);
    machine.write(0x21 * 4, &(DATA as u32).to_le_bytes());
    // inc word [DATA + 0x100]; vmmcall; iret
    machine.write(DATA, &[0xff, 0x06, 0x00, 0x21, 0x0f, 0x01, 0xd9, 0xcf]);
    let count = machine.memory + DATA + 0x100;
    let worker = spawn(move || {
        let guest = machine.vcpu();
        guest.vmcb.set_byte(at::INTERRUPT_VECTOR, 0x21);
        let offer = || guest.vmcb.set_long(at::INTERRUPT_CONTROL, 1 << 8 | 1 << 20);
        offer();
        assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::HALT));
        assert_eq!(guest.vmcb.long(at::INTERRUPT_CONTROL), 1 << 8 | 1 << 20);
        guest.vmcb.set_long(at::INTERRUPT_CONTROL, 0);
        guest.skip(1);
        assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::CALL));
        assert_eq!(load(count), 0, "it was withdrawn");
        // Long enough for interrupts of the host to come in between.
        for round in 1..=2000 {
            guest.skip(3);
            offer();
            assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::CALL));
            assert_eq!(guest.vmcb.long(at::INTERRUPT_CONTROL), 1 << 20);
            assert_eq!(load(count), round);
        }
    });
    worker.join();
}

pub(crate) fn the_kernels_registers_come_back() {
    // A guest with bases and system call registers of its own.
    let machine = Machine::new(HALT);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        for segment in [4, 5, 7, 9] {
            guest
                .vmcb
                .set_word(at::SEGMENTS + segment * 16 + 8, 0xdead_0000);
        }
        for offset in (at::STAR..at::STAR + 64).step_by(8) {
            guest.vmcb.set_word(offset, 0xdead_beef);
        }
        // The data segment that every thread has, and one of the task.
        assert_eq!(segments::set(own::task(), 0, &[segments::data(0)]), Ok(0));
        for selector in [0x23, segments::selector(0), 0x23] {
            // SAFETY: the base is 0.
            unsafe { asm!("mov ds, {0:x}", "mov es, {0:x}", in(reg) selector) };
            assert_eq!(guest.run(), GuestEnd::Exit);
            let (data, extra): (u16, u16);
            // SAFETY: reading has no effect.
            unsafe { asm!("mov {:x}, ds", "mov {:x}, es", out(reg) data, out(reg) extra) };
            assert_eq!((data, extra), (selector, selector));
            // Its UTCB is found by GS base, and system calls work.
            assert_eq!(guest.vcpu.state(), AFTER);
            l4_test::sys::ipc::sleep(core::time::Duration::from_micros(10));
        }
        assert_eq!(guest.vmcb.word(at::STAR), 0xdead_beef);
    });
    worker.join();
}
