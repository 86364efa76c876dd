//! Memory that a guest does not have, told by its intermediate physical address.

use l4_test::abi::arch::aarch64::exception::class;
use l4_test::abi::rights::MemoryRights;
use l4_test::hoard::room;
use l4_test::memory::store;
use l4_test::{own, spawn};

use super::code;
use super::machine::{Exit, Machine, NOTHING, SCTLR, VirtualCpu, blank_page};

/// Of a factory for a machine with some tables.
const QUOTA: u64 = 0x2_0000;
/// Where the machine has its table of stage 1, and the start of what that maps once more.
const TABLE: u64 = 0x70_0000;
const ALIAS: u64 = 3 << 30;
/// Descriptors: a block of 1 GiB that is used, writable, and normal memory; a table.
const BLOCK: u64 = 1 << 10 | 3 << 8 | 1;
const NEXT_TABLE: u64 = 3;
/// TCR_EL1 for 39 bits in tables of 4 KiB, cached; the upper half is off.
const TCR: u64 = 1 << 23 | 3 << 12 | 1 << 10 | 1 << 8 | 25;
const STAGE_1: u32 = 1;

pub(crate) fn an_access_to_nothing_tells_its_address() {
    let machine = Machine::new();
    spawn(move || {
        let exit = machine.vcpu(code::read, NOTHING + 8).run();
        check(&exit, NOTHING + 8, false);
        let exit = machine.vcpu(code::write, NOTHING + 16).run();
        check(&exit, NOTHING + 16, true);
        assert_eq!(exit.pc, code::write as *const () as u64);
    })
    .join();
}

pub(crate) fn behind_stage_1_the_intermediate_address_is_told() {
    let machine = Machine::new();
    spawn(move || {
        let cpu = with_stage_1(&machine, ALIAS + NOTHING + 8);
        check(&cpu.run(), NOTHING + 8, false);
    })
    .join();
}

pub(crate) fn so_it_is_where_the_right_is_missing() {
    let machine = Machine::new();
    spawn(move || {
        machine.map(machine.page, NOTHING, MemoryRights::READ);
        machine.map_code(code::write);
        let cpu = with_stage_1(&machine, ALIAS + NOTHING + 8);
        let mut registers = cpu.vcpu.registers();
        registers.pc = code::write as *const () as u64;
        cpu.vcpu.set_registers(registers);
        check(&cpu.run(), NOTHING + 8, true);
    })
    .join();
}

pub(crate) fn a_missing_table_of_stage_1_is_told() {
    let machine = Machine::new();
    spawn(move || {
        let cpu = with_stage_1(&machine, 2 << 30);
        let exit = cpu.run();
        assert_eq!(exit.class, class::DATA_ABORT_LOWER);
        assert_eq!(exit.address & !0xfff, NOTHING);
    })
    .join();
}

pub(crate) fn a_machine_that_ran_gives_back_all_its_memory() {
    let factory = own::factory().create_factory(QUOTA).unwrap();
    let before = room(*factory);
    for _ in 0..3 {
        let machine = Machine::made_by(*factory);
        let few = room(*factory);
        for gigabyte in 1..4 {
            machine.map(machine.page, gigabyte << 30, MemoryRights::RW);
        }
        assert!(few < before && room(*factory) < few, "it has paid");
        spawn(move || machine.vcpu(code::call, 1).run_to_call()).join();
        assert_eq!(room(*factory), before);
    }
}

fn check(exit: &Exit, address: u64, writes: bool) {
    assert_eq!(exit.class, class::DATA_ABORT_LOWER, "{exit:x?}");
    assert_eq!(
        (exit.address, exit.syndrome >> 6 & 1 != 0),
        (address, writes)
    );
    // What an emulator needs: x1, 64 bits.
    assert_eq!(
        (exit.syndrome >> 24 & 1, exit.syndrome >> 16 & 0x1f),
        (1, 1)
    );
}

/// A guest that reads at `address`, behind a stage 1 with four entries: 2 GiB one to one, a table
/// where there is nothing, and the first GiB again at [`ALIAS`].
fn with_stage_1(machine: &Machine, address: u64) -> VirtualCpu {
    let table = blank_page();
    let entries = [BLOCK, 1 << 30 | BLOCK, NOTHING | NEXT_TABLE, BLOCK];
    for (index, entry) in (0..).zip(entries) {
        store(table + index * 8, entry);
    }
    machine.map(table, TABLE, MemoryRights::RW);
    let cpu = machine.vcpu(code::read, address);
    let mut state = cpu.guest.all();
    state.ttbr0 = TABLE;
    state.tcr = TCR;
    state.mair = 0xff;
    state.guest_sctlr = SCTLR | STAGE_1;
    cpu.guest.set_all(state);
    cpu
}
