//! The memory of virtual machines, and their end.

use core::time::Duration;

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::vcpu::UserTask;
use l4_test::guest::{DATA, Guest as _, NOTHING, STACK, settle};
use l4_test::memory::{PAGE_ORDER, load, store};
use l4_test::sys::vcpu::GuestEnd;
use l4_test::sys::{Object, ipc};
use l4_test::{own, spawn, spawn_on};

use super::guest::{Guest, HALT, Machine, at, exit};

/// The last CPU: another one than the runner's, if there is any.
fn last_cpu() -> u32 {
    own::scheduler().info().unwrap().cpus.count_ones() - 1
}

/// mov ax, [DATA]; hlt; and again.
const READ: &[u8] = &[0xa1, 0x00, 0x20, 0xf4, 0xeb, 0xfa];
/// inc word [DATA]; jmp back.
const COUNT: &[u8] = &[0xff, 0x06, 0x00, 0x20, 0xeb, 0xfa];

pub(crate) fn each_machine_has_its_own_memory() {
    let worker = spawn(|| {
        let machines = [0x1111, 0x2222, 0x3333].map(|number| {
            let machine = Machine::new(READ);
            store(machine.memory + DATA, number);
            (machine, number)
        });
        // One vCPU that goes from one to the other, without a change of its registers.
        let guest = Guest::new();
        for round in 0..12 {
            let (machine, number) = &machines[round % 3];
            guest
                .vcpu
                .set_user_task(UserTask::new(machine.vm.selector()));
            guest.reset();
            assert_eq!(guest.run(), GuestEnd::Exit);
            assert_eq!(guest.vmcb.half(at::AX), *number as u16);
        }
    });
    worker.join();
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
    let machine = Machine::new(COUNT);
    let memory = machine.memory;
    let worker = spawn_on(last_cpu(), move || {
        let guest = machine.vcpu();
        assert_eq!(guest.run(), GuestEnd::Exit);
        assert_eq!(guest.exit(), exit::PAGE_FAULT);
        assert_eq!(guest.vmcb.word(at::EXIT_INFO_2), DATA);
    });
    settle(|| load(memory + DATA) != 0);
    let page = Flexpage::memory(memory + DATA, PAGE_ORDER, MemoryRights::RWX);
    own::task().unmap(page, UnmapMask::OTHER_SPACES).unwrap();
    let last = load(memory + DATA);
    worker.join();
    assert_eq!(
        load(memory + DATA),
        last,
        "nothing is written after the unmap"
    );
}

pub(crate) fn vcpus_of_a_machine_share_its_memory() {
    // The first one writes 1 and waits for 2; the second one waits for 1 and writes 2.
    // movb [DATA], 1; cmpb [DATA], 2; jne back; hlt
    const FIRST: &[u8] = &[
        0xc6, 0x06, 0x00, 0x20, 0x01, 0x80, 0x3e, 0x00, 0x20, 0x02, 0x75, 0xf9, 0xf4,
    ];
    // cmpb [DATA], 1; jne back; movb [DATA], 2; hlt
    const SECOND: &[u8] = &[
        0x80, 0x3e, 0x00, 0x20, 0x01, 0x75, 0xf9, 0xc6, 0x06, 0x00, 0x20, 0x02, 0xf4,
    ];
    const OTHER_CODE: u64 = STACK - 0x800;
    let machine = Machine::new(FIRST);
    machine.write(OTHER_CODE, SECOND);
    let task = UserTask::new(machine.vm.selector());
    let other = spawn_on(last_cpu(), move || {
        let guest = Guest::new();
        guest.vcpu.set_user_task(task);
        guest.vmcb.set_word(at::IP, OTHER_CODE);
        assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::HALT));
    });
    let first = spawn_on(0, move || {
        let guest = Guest::new();
        guest.vcpu.set_user_task(task);
        assert_eq!((guest.run(), guest.exit()), (GuestEnd::Exit, exit::HALT));
    });
    first.join();
    other.join();
    drop(machine);
}

pub(crate) fn a_machine_ends_while_its_guest_runs() {
    let machine = Machine::new(COUNT);
    let memory = machine.memory;
    let task = UserTask::new(machine.vm.selector());
    let worker = spawn_on(last_cpu(), move || {
        let guest = Guest::new();
        guest.vcpu.set_user_task(task);
        assert_eq!(guest.run(), GuestEnd::Exit);
        guest.exit()
    });
    settle(|| load(memory + DATA) != 0);
    drop(machine);
    // All its memory has gone.
    assert_eq!(worker.join(), exit::PAGE_FAULT);
}

pub(crate) fn a_thread_ends_while_its_guest_runs() {
    for _ in 0..5 {
        let machine = Machine::new(COUNT);
        let memory = machine.memory;
        let worker = spawn_on(last_cpu(), move || machine.vcpu().run());
        settle(|| load(memory + DATA) != 0);
        drop(worker);
        let last = load(memory + DATA);
        ipc::sleep(Duration::from_millis(2));
        assert_eq!(load(memory + DATA), last);
    }
    // The CPU is free for others.
    spawn_on(last_cpu(), || Machine::new(HALT).vcpu().run()).join();
}
