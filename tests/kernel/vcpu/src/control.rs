//! Becoming a vCPU.

use core::mem::size_of;

use l4_test::abi::arch::native::vcpu::VERSION;
use l4_test::abi::error::ResultCode;
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::thread::Opcode;
use l4_test::abi::vcpu::{StateFlags, VcpuState};
use l4_test::memory::{PAGE, PAGE_ORDER, UNUSED, allocate, load};
use l4_test::sys::object::Thread;
use l4_test::sys::vcpu::Vcpu;
use l4_test::{Message, Outcome, refused, spawn};

use crate::arch;
use crate::guest::{Guest, kernel_user_page, new_vcpu};

pub(crate) fn the_state_must_lie_in_kernel_user_memory() {
    let worker = spawn(|| {
        let invalid = refused(ResultCode::EINVAL);
        let page = kernel_user_page();
        let thread = Thread::SELF;
        let size = size_of::<VcpuState>() as u64;
        for address in [
            0,
            UNUSED,
            allocate(PAGE_ORDER),
            page + 4,
            page + PAGE - size + 8,
            page + PAGE,
            u64::MAX - 7,
        ] {
            assert_eq!(thread.vcpu_control(address), invalid, "{address:#x}");
        }
        assert_eq!(thread.vcpu_control(page + PAGE - size), Ok(()));
        assert_eq!(load(page + PAGE - size), VERSION);
        // Another time, elsewhere.
        assert_eq!(thread.vcpu_control(page), Ok(()));
        assert_eq!(load(page), VERSION);
    });
    worker.join();
}

pub(crate) fn the_request_must_be_complete() {
    let outcome: Outcome = Message::new(label::THREAD)
        .words(&[Opcode::VcpuControl.word()])
        .call(Thread::SELF)
        .outcome();
    assert_eq!(outcome, refused(ResultCode::EINVAL));
}

pub(crate) fn another_thread_can_be_made_a_vcpu() {
    let worker = spawn(l4_test::message::wait);
    let page = kernel_user_page();
    worker.thread().vcpu_control(page).unwrap();
    assert_eq!(load(page), VERSION);
    Message::new(1).send(*worker.thread());
    assert!(worker.join().came());
}

pub(crate) fn the_state_starts_as_the_user_left_it() {
    let worker = spawn(|| {
        let page = kernel_user_page();
        // SAFETY: a page of kernel-user memory, which stays.
        let vcpu = unsafe { Vcpu::new(page as usize) };
        vcpu.set_saved_state(StateFlags::FPU_ENABLED);
        vcpu.set_user_data(6, 99);
        Thread::SELF.vcpu_control(page).unwrap();
        assert_eq!(vcpu.state(), StateFlags::empty());
        assert_eq!(vcpu.saved_state(), StateFlags::FPU_ENABLED);
        assert_eq!(vcpu.user_data(6), 99);
        arch::check_host_state(page);
    });
    worker.join();
}

pub(crate) fn the_state_can_be_moved() {
    let guest = Guest::new();
    let worker = spawn(move || {
        let first = new_vcpu();
        let second = new_vcpu();
        guest.prepare(second, arch::undefined, 0);
        guest.prepare(first, arch::system_call, 0);
        second.run(&[]).unwrap();
        assert!(arch::is_undefined(&second.registers()));
        assert_eq!(first.state(), StateFlags::empty());
    });
    worker.join();
}
