//! aarch64: there are no virtual machines yet.

use l4_test::abi::error::ResultCode;
use l4_test::sys::object::Thread;
use l4_test::{own, refused};

l4_test::suite![a_virtual_machine_is_refused];

fn a_virtual_machine_is_refused() {
    let result = own::factory().create_vm().map(|_| ());
    assert_eq!(result, refused(ResultCode::ENODEV));
    // That comes before all else.
    let extended = Thread::SELF.vcpu_control_extended(0);
    assert_eq!(extended, refused(ResultCode::ENOSYS));
}
