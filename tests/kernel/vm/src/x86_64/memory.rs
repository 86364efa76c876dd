//! The memory of virtual machines, and their end.

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::MemoryRights;
use l4_test::arch::guest as pc;
use l4_test::guest::{DATA, Guest as _, NOTHING};
use l4_test::hoard::room;
use l4_test::memory::PAGE_ORDER;
use l4_test::{own, spawn};

use super::guest::{Guest, HALT, Machine, at, exit};

/// Of a factory for a machine with some tables.
const QUOTA: u64 = 0x2_0000;

/// mov ax, [DATA]; hlt; and again.
const READ: &[u8] = &[0xa1, 0x00, 0x20, 0xf4, 0xeb, 0xfa];

pub(crate) fn each_machine_has_its_own_memory() {
    pc::each_machine_has_its_own_memory::<Guest>();
}

pub(crate) fn a_page_that_may_not_be_written_exits() {
    // mov al, [NOTHING]; mov [NOTHING], al
    let [low, high, ..] = NOTHING.to_le_bytes();
    let machine = Machine::new(&[0xa0, low, high, 0xa2, low, high]);
    let page = Flexpage::memory(machine.memory + DATA, PAGE_ORDER, MemoryRights::READ);
    machine.map(page, NOTHING);
    machine.run(|guest| {
        assert_eq!(guest.exit(), exit::PAGE_FAULT);
        assert_eq!(guest.vmcb.word(at::EXIT_INFO_2), NOTHING);
        assert_eq!(
            guest.vmcb.word(at::EXIT_INFO_1) & 3,
            3,
            "there, and written"
        );
    });
}

pub(crate) fn a_page_that_is_taken_away_is_gone() {
    let machine = Machine::new(READ);
    let worker = spawn(move || {
        let guest = machine.vcpu();
        for _ in 0..3 {
            let page = Flexpage::memory(machine.memory + DATA, PAGE_ORDER, MemoryRights::RWX);
            machine.map(page, DATA);
            guest.reset();
            guest.run();
            assert_eq!(guest.exit(), exit::HALT);
            own::task().unmap(page, UnmapMask::OTHER_SPACES).unwrap();
            guest.skip(1);
            guest.run();
            assert_eq!(guest.exit(), exit::PAGE_FAULT);
            assert_eq!(guest.vmcb.word(at::EXIT_INFO_2), DATA);
        }
    });
    worker.join();
}

pub(crate) fn a_page_is_taken_away_while_the_guest_runs() {
    pc::a_page_is_taken_away_while_the_guest_runs::<Guest>();
}

pub(crate) fn vcpus_of_a_machine_share_its_memory() {
    pc::vcpus_of_a_machine_share_its_memory::<Guest>();
}

pub(crate) fn guests_run_on_all_cpus_at_once() {
    pc::guests_run_on_all_cpus_at_once::<Guest>();
}

pub(crate) fn a_machine_ends_while_its_guest_runs() {
    pc::a_machine_ends_while_its_guest_runs::<Guest>();
}

pub(crate) fn a_thread_ends_while_its_guest_runs() {
    pc::a_thread_ends_while_its_guest_runs::<Guest>();
}

pub(crate) fn a_vcpu_moves_with_its_registers() {
    pc::a_vcpu_moves_with_its_registers::<Guest>();
}

pub(crate) fn a_machine_that_ran_gives_back_all_its_memory() {
    let factory = own::factory().create_factory(QUOTA).unwrap();
    let before = room(*factory);
    for _ in 0..3 {
        let machine = Machine::made_by(*factory, HALT);
        let few = room(*factory);
        let page = Flexpage::memory(machine.memory, PAGE_ORDER, MemoryRights::RWX);
        for gigabyte in 1..4 {
            machine.map(page, gigabyte << 30);
        }
        assert!(few < before && room(*factory) < few, "it has paid");
        machine.run(|guest| assert_eq!(guest.exit(), exit::HALT));
        assert_eq!(room(*factory), before);
    }
}
