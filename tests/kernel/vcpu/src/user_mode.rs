//! Entries from the user task.

use l4_test::abi::capability::Selector;
use l4_test::abi::exception::ExceptionFrame;
use l4_test::abi::message_tag::MessageTag;
use l4_test::abi::operation::{Destination, Operation};
use l4_test::abi::protocol::label;
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::vcpu::StateFlags;
use l4_test::memory::{load, store};
use l4_test::suite::PRIORITY;
use l4_test::sys::Utcb;
use l4_test::{Worker, spawn, spawn_at};

use crate::arch::{self, Access};
use crate::guest::{
    AFTER, Code, DATA, Entry, Guest, NOTHING, SAVED, USER, kernel_user_page, new_vcpu, new_vcpu_at,
    settle, user_registers,
};

fn address(code: Code) -> u64 {
    code as *const () as u64
}

pub(crate) fn a_system_call_enters_at_its_instruction() {
    let guest = Guest::new();
    let entry = guest.run(arch::system_call, 0);
    assert!(arch::is_system_call(&entry.registers), "{entry:?}");
    assert_eq!(
        entry.registers.instruction_pointer(),
        address(arch::system_call)
    );
    entry.check_from_user();
}

pub(crate) fn an_undefined_instruction_enters() {
    let guest = Guest::new();
    let entry = guest.run(arch::undefined, 0);
    assert!(arch::is_undefined(&entry.registers), "{entry:?}");
    assert_eq!(
        entry.registers.instruction_pointer(),
        address(arch::undefined)
    );
    entry.check_from_user();
}

pub(crate) fn all_registers_go_both_ways() {
    let guest = Guest::new();
    let worker = spawn(move || {
        let vcpu = guest.vcpu(arch::count, 0);
        let mut registers = vcpu.registers();
        arch::fill(&mut registers, 100);
        vcpu.set_registers(registers);
        vcpu.run(&[]).unwrap();
        vcpu.registers()
    });
    let registers = worker.join();
    assert!(arch::is_undefined(&registers));
    assert!(arch::are_filled(&registers, 101), "{registers:?}");
}

/// Runs `code`, which makes a system call, with registers that `ask` changes, and checks them. The
/// vCPU's state is `offset` bytes from the start of a page.
fn call_with(
    guest: Guest,
    code: Code,
    offset: u64,
    ask: impl FnOnce(&mut ExceptionFrame) + 'static,
) -> Worker<()> {
    spawn_at(PRIORITY - 1, move || {
        let vcpu = new_vcpu_at(kernel_user_page() + offset);
        // The kernel knows the task after it, and goes there faster.
        guest.prepare(vcpu, arch::system_call, 0);
        vcpu.run(&[]).unwrap();
        guest.map_code(code);
        vcpu.set_saved_state(USER);
        let mut registers = user_registers(code, 0);
        arch::fill(&mut registers, 1);
        ask(&mut registers);
        vcpu.set_registers(registers);
        vcpu.run(&[]).unwrap();
        let found = vcpu.registers();
        assert!(arch::is_system_call_with(&found, &registers), "{found:?}");
    })
}

pub(crate) fn a_system_call_has_all_registers_whatever_it_asks() {
    const OWN: Destination = Destination::new(Selector::INVALID, Operation::CALL);
    let tags = [
        MessageTag::EMPTY,
        MessageTag::words_only(label::TASK, 2),
        MessageTag::words_only(label::THREAD, 1),
        MessageTag::words_only(label::THREAD, 2),
    ];
    for (tag, offset) in tags
        .into_iter()
        .flat_map(|tag| OFFSETS.map(|offset| (tag, offset)))
    {
        let ask = move |registers: &mut _| arch::set_request(registers, tag.raw(), OWN.raw());
        call_with(Guest::new(), arch::system_call, offset, ask).join();
    }
}

/// States need not be aligned to more than words.
const OFFSETS: [u64; 2] = [0, 8];

pub(crate) fn a_system_call_after_an_interruption_has_all_registers() {
    for offset in OFFSETS {
        let guest = Guest::new();
        let page = guest.page;
        let ask = |registers: &mut _| arch::set_argument(registers, DATA);
        let worker = call_with(guest, arch::system_call_later, offset, ask);
        Guest::await_sign(page);
        store(page, 2);
        worker.join();
    }
}

/// Whichever of the two ways the resume takes, and although another thread runs meanwhile.
pub(crate) fn each_mode_has_thread_registers_of_its_own() {
    let guest = Guest::new();
    let page = guest.page;
    let worker = spawn_at(PRIORITY - 1, move || {
        arch::prepare_thread_registers(page);
        let utcb = Utcb::current().address() as u64;
        let vcpu = new_vcpu();
        for _ in 0..2 {
            guest.prepare(vcpu, arch::thread_registers, DATA);
            let mut registers = vcpu.registers();
            arch::set_thread_registers(&mut registers);
            vcpu.set_registers(registers);
            store(page, 0);
            vcpu.run(&[]).unwrap();
            arch::check_thread_registers(&vcpu.registers());
            arch::check_own_thread_registers(utcb);
        }
        arch::check_changed_host_state(vcpu, &guest);
    });
    for _ in 0..2 {
        settle(|| load(page) == 1);
        arch::set_other_thread_registers();
        store(page, 2);
    }
    worker.join();
}

pub(crate) fn page_faults_enter() {
    let guest = Guest::new();
    let cases: [(Code, Access); 3] = [
        (arch::read, Access::Read),
        (arch::write, Access::Write),
        (arch::jump, Access::Execute),
    ];
    for (code, access) in cases {
        let entry = guest.run(code, NOTHING);
        assert!(
            arch::is_page_fault(&entry.registers, access, NOTHING),
            "{entry:?}"
        );
        let place = match access {
            Access::Execute => NOTHING,
            Access::Read | Access::Write => address(code),
        };
        assert_eq!(entry.registers.instruction_pointer(), place);
        entry.check_from_user();
    }
}

pub(crate) fn a_fault_is_repeated_after_the_resume() {
    let guest = Guest::new();
    let page = guest.page;
    let worker = spawn(move || {
        let vcpu = guest.vcpu(arch::write, NOTHING);
        vcpu.run(&[]).unwrap();
        let first = Entry::of(vcpu);
        assert!(arch::is_page_fault(
            &first.registers,
            Access::Write,
            NOTHING
        ));
        vcpu.run(&[]).unwrap();
        let again = Entry::of(vcpu);
        assert!(arch::is_page_fault(
            &again.registers,
            Access::Write,
            NOTHING
        ));
        guest.map(page, NOTHING, MemoryRights::RW);
        vcpu.run(&[]).unwrap();
        assert!(arch::is_undefined(&vcpu.registers()));
    });
    worker.join();
}

pub(crate) fn the_fpu_can_be_denied() {
    let guest = Guest::new();
    let worker = spawn(move || {
        let vcpu = guest.vcpu(arch::use_fpu, 0);
        vcpu.set_saved_state(StateFlags::USER_MODE);
        vcpu.run(&[]).unwrap();
        let denied = Entry::of(vcpu);
        assert!(arch::is_no_fpu(&denied.registers), "{denied:?}");
        let expected = StateFlags::USER_MODE | StateFlags::ENTRY;
        assert_eq!(
            (denied.state, denied.saved_state),
            (StateFlags::empty(), expected)
        );
        // In its kernel mode it has the FPU.
        arch::use_fpu_here();
        vcpu.set_saved_state(StateFlags::USER_MODE);
        vcpu.run(&[]).unwrap();
        assert!(arch::is_no_fpu(&vcpu.registers()));
        vcpu.set_saved_state(USER);
        vcpu.run(&[]).unwrap();
        let allowed = Entry::of(vcpu);
        assert!(arch::is_undefined(&allowed.registers), "{allowed:?}");
        assert_eq!((allowed.state, allowed.saved_state), (AFTER, SAVED));
    });
    worker.join();
}

pub(crate) fn user_tasks_can_be_changed_at_each_resume() {
    let guests = [Guest::new(), Guest::new()];
    store(guests[0].page, 10);
    store(guests[1].page, 11);
    let worker = spawn(move || {
        let vcpu = new_vcpu();
        for round in 0..20 {
            let index = round % 2;
            guests[index].prepare(vcpu, arch::read, DATA);
            vcpu.run(&[]).unwrap();
            let registers = vcpu.registers();
            assert!(arch::is_undefined(&registers), "{registers:?}");
            assert_eq!(arch::read_value(&registers), 10 + index as u64);
        }
    });
    worker.join();
}

pub(crate) fn a_deleted_user_task_is_an_empty_one() {
    let guest = Guest::new();
    let worker = spawn(move || {
        let vcpu = guest.vcpu(arch::undefined, 0);
        vcpu.run(&[]).unwrap();
        assert!(arch::is_undefined(&vcpu.registers()));
        guest.task.delete();
        vcpu.run(&[]).unwrap();
        let place = address(arch::undefined);
        let registers = vcpu.registers();
        assert!(
            arch::is_page_fault(&registers, Access::Execute, place),
            "{registers:?}"
        );
    });
    worker.join();
}
