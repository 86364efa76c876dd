//! What a guest has from one run to the next, and what the kernel has after it.

use core::arch::asm;

use l4_test::abi::arch::x86_64::vmx::field;
use l4_test::arch::{guest as pc, segments};
use l4_test::guest::{CODE, DATA, Guest as _, STACK};
use l4_test::sys::vcpu::GuestEnd;
use l4_test::{own, spawn};

use super::guest::{Guest, HALT, Machine, exit, machine_with_tables};

pub(crate) fn all_registers_go_both_ways() {
    // inc ax; inc cx; hlt; jmp back. Real mode leaves the others alone.
    let machine = Machine::new(&[0x40, 0x41, 0xf4, 0xeb, 0xfb]);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        let mut frame = guest.vcpu.registers();
        let registers = [
            &mut frame.rax,
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
            *register = number * 0x0101_0101_0101_0100;
        }
        guest.vcpu.set_registers(frame);
        guest.set(field::CR2, 0x1234_5678);
        for round in 1..=10 {
            assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::HALT));
            let mut expected = frame;
            expected.rax += round;
            expected.rcx += round;
            assert_eq!(guest.vcpu.registers(), expected);
            assert_eq!(guest.get(field::GUEST_RSP), STACK);
            assert_eq!(guest.get(field::CR2), 0x1234_5678);
            guest.skip();
        }
    });
    worker.join();
}

pub(crate) fn a_guest_with_64_bits_has_its_own_gs() {
    // swapgs; mov rax, gs:[0]; hlt
    let machine = machine_with_tables(&[
        0x0f, 0x01, 0xf8, 0x65, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0, 0xf4,
    ]);
    machine.write(DATA + 0x800, &0x1122_3344_5566_7788_u64.to_le_bytes());
    machine.run_prepared(
        |guest| {
            guest.enter_long_mode(DATA);
            guest.set(0x6810, 0x5555_0000);
            guest.set(field::KERNEL_GS_BASE, DATA + 0x800);
        },
        |guest| {
            assert_eq!(guest.exit(), exit::HALT);
            assert_eq!(guest.vcpu.registers().rax, 0x1122_3344_5566_7788);
            assert_eq!(guest.get(field::KERNEL_GS_BASE), 0x5555_0000);
            assert_eq!(guest.get(0x6810), DATA + 0x800);
        },
    );
}

pub(crate) fn the_kernels_registers_come_back() {
    let selectors = || -> [u16; 4] {
        let mut all = [0; 4];
        // SAFETY: reading them has no effect.
        unsafe {
            asm!("mov {:x}, ds", "mov {:x}, es", "mov {:x}, fs", "mov {:x}, gs",
                out(reg) all[0], out(reg) all[1], out(reg) all[2], out(reg) all[3]);
        }
        all
    };
    let limits = || {
        let mut pointers = [[0_u16; 5]; 2];
        // SAFETY: each writes ten bytes.
        unsafe {
            asm!("sgdt [{}]", "sidt [{}]", in(reg) &mut pointers[0], in(reg) &mut pointers[1]);
        }
        pointers
    };
    let machine = Machine::new(HALT);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        assert_eq!(segments::set(own::task(), 0, &[segments::data(0)]), Ok(0));
        // The flat data segment, also where it is not so by itself, and one of the task.
        for data in [0x23, segments::selector(0)] {
            // SAFETY: the base stays 0, and the program uses neither of them otherwise.
            unsafe { asm!("mov ds, {0:x}", "mov es, {0:x}", in(reg) data) };
            let before = (selectors(), limits());
            guest.set(field::GUEST_RIP, CODE);
            assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::HALT));
            assert_eq!((selectors(), limits()), before);
        }
    });
    worker.join();
}

pub(crate) fn floating_point_registers_are_the_threads() {
    pc::floating_point_registers_are_the_threads::<Guest>();
}

pub(crate) fn a_value_counts_when_it_is_marked_as_changed() {
    let machine = Machine::new(&[0xf4, 0x90, 0xf4]);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        guest.run();
        guest.set_silently(field::GUEST_RIP, CODE + 1);
        guest.run();
        assert_eq!(guest.get(field::GUEST_RIP), CODE);
        guest.set(field::GUEST_RIP, CODE + 1);
        guest.run();
        assert_eq!(guest.get(field::GUEST_RIP), CODE + 2);
    });
    worker.join();
}
