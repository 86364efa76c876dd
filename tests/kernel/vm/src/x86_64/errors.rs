//! What is refused.

use l4_test::abi::error::ResultCode;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::abi::vcpu::{StateFlags, UserTask};
use l4_test::guest::{AFTER, GUEST, Guest as _, kernel_user_page};
use l4_test::memory::{PAGE, PAGE_ORDER, UNUSED, allocate};
use l4_test::sys::object::{Control, Thread};
use l4_test::sys::vcpu::{GuestEnd, Vcpu};
use l4_test::sys::{Error, Object};
use l4_test::{own, refused, spawn};

use super::guest::{Guest, HALT, Machine, at};

type Refusal = Result<GuestEnd, Error>;

/// A resume that is refused, and the flags after it.
fn try_resume(vcpu: Vcpu) -> (Refusal, StateFlags, StateFlags) {
    let result = vcpu.run_guest(&[]);
    (result, vcpu.state(), vcpu.saved_state())
}

pub(crate) fn a_guest_needs_an_extended_vcpu() {
    let machine = Machine::new(HALT);
    let worker = spawn(move || {
        let address = kernel_user_page();
        Thread::SELF.vcpu_control(address).unwrap();
        // SAFETY: a page of kernel-user memory of its own, which stays.
        let vcpu = unsafe { Vcpu::new(address as usize) };
        vcpu.set_saved_state(GUEST);
        vcpu.set_user_task(UserTask::new(machine.vm.selector()));
        assert_eq!(
            try_resume(vcpu),
            (refused(ResultCode::EINVAL), AFTER, GUEST)
        );
    });
    worker.join();
}

pub(crate) fn the_extended_state_must_lie_in_kernel_user_memory() {
    let worker = spawn(|| {
        let page = kernel_user_page();
        let invalid = refused(ResultCode::EINVAL);
        for address in [0, UNUSED, allocate(PAGE_ORDER), page + 8, page + PAGE - 8] {
            assert_eq!(Thread::SELF.vcpu_control_extended(address), invalid);
        }
        assert_eq!(Thread::SELF.vcpu_control_extended(page), Ok(()));
    });
    worker.join();
}

/// Tries a guest that `spoil` has changed.
fn refuses(spoil: impl FnOnce(Guest) + 'static) {
    let machine = Machine::new(HALT);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        spoil(guest);
        let saved = guest.vcpu.saved_state();
        let state = saved.difference(StateFlags::USER_MODE);
        let expected = (refused(ResultCode::EINVAL), state, saved);
        assert_eq!(try_resume(guest.vcpu), expected);
        guest.vcpu.set_saved_state(GUEST);
        guest.reset();
        assert_eq!(guest.run(), GuestEnd::Exit);
    });
    worker.join();
}

pub(crate) fn no_guest_runs_without_svm_in_its_efer() {
    refuses(|guest| guest.vmcb.set_word(at::EFER, 0));
}

pub(crate) fn no_guest_runs_without_nested_paging() {
    refuses(|guest| guest.vmcb.set_word(at::NESTED_PAGING, 0));
}

pub(crate) fn no_guest_runs_with_page_attributes_that_are_none() {
    for attributes in [2, 3 << 56, 8 << 24, u64::MAX] {
        refuses(move |guest| guest.vmcb.set_word(at::PAGE_ATTRIBUTES, attributes));
    }
}

pub(crate) fn no_guest_runs_without_the_fpu() {
    refuses(|guest| guest.vcpu.set_saved_state(StateFlags::USER_MODE));
}

pub(crate) fn a_virtual_machine_needs_the_special_right() {
    let machine = Machine::new(HALT);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        let weak = own::copy(
            *machine.vm,
            CapabilityRights::READ | CapabilityRights::WRITE,
        );
        guest.vcpu.set_user_task(UserTask::new(weak.selector()));
        let (result, ..) = try_resume(guest.vcpu);
        assert_eq!(result, refused(ResultCode::EPERM));
    });
    worker.join();
}

pub(crate) fn no_thread_can_be_in_a_virtual_machine() {
    let machine = Machine::new(HALT);
    let area = Flexpage::memory(0x10_0000, PAGE_ORDER, MemoryRights::RW);
    let result = machine.vm.add_kernel_user_memory(area).map(|_| ());
    assert_eq!(result, refused(ResultCode::ENOSYS));
    let thread = own::factory().create_thread().unwrap();
    let bind = Control {
        bind: Some((*machine.vm, 0x10_0000)),
        ..Control::default()
    };
    assert_eq!(thread.control(bind), refused(ResultCode::EINVAL));
}

pub(crate) fn a_virtual_machine_is_paid_for_by_its_factory() {
    const QUOTA: u64 = 0x1_0000;
    let factory = own::factory().create_factory(QUOTA).unwrap();
    let mut machines = 0;
    for _ in 0..3 {
        let mut made = [const { None }; 32];
        let mut count = 0;
        while let (Some(place), Ok(machine)) = (made.get_mut(count), factory.create_vm()) {
            *place = Some(machine);
            count += 1;
        }
        assert!((1..32).contains(&count), "{count} for {QUOTA} bytes");
        assert_eq!(factory.create_vm().map(|_| ()), refused(ResultCode::ENOMEM));
        // What goes is given back.
        assert!(machines == 0 || machines == count);
        machines = count;
    }
}
