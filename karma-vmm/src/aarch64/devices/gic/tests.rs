use super::v3::{GROUP_1, LAST, OWN_INTERRUPTS, ROUTES};
use super::*;

const LINE: u32 = 33;

fn ready(cpus: u8) -> Gic {
    let mut gic = Gic::new(Version::V3, cpus);
    gic.write_distributor(0, 0, 4, u64::from(GROUP_1));
    gic.write_distributor(0, 0x104, 4, u64::MAX);
    for cpu in 0..u64::from(cpus) {
        let frame = REDISTRIBUTOR_SIZE * cpu;
        gic.write_redistributor(frame + OWN_INTERRUPTS + 0x100, 4, u64::MAX);
    }
    gic
}

#[test]
fn a_level_is_shown_until_the_guest_has_ended_it() {
    let (mut gic, mut lists) = (ready(1), [0; 4]);
    gic.set_line(LINE, true);
    gic.offer(0, &mut lists);
    assert_eq!(lists[0] & list::NUMBER, LINE.into());
    assert_eq!(lists[0] & list::STATE, list::PENDING);
    assert_ne!(lists[0] & list::TELL_END, 0);
    // Not twice.
    gic.offer(0, &mut lists);
    assert_eq!(lists[1..], [0; 3]);
    // Ended with its line still high: once more.
    lists[0] &= !list::STATE;
    gic.offer(0, &mut lists);
    assert_eq!(lists[0] & list::STATE, list::PENDING);
    // Not taken, and low: no more.
    gic.set_line(LINE, false);
    gic.offer(0, &mut lists);
    assert_eq!(lists, [0; 4]);
}

#[test]
fn the_end_of_a_level_is_told_once() {
    let (mut gic, mut lists) = (ready(1), [0; 4]);
    gic.set_line(LINE, true);
    gic.offer(0, &mut lists);
    // The guest has looked at its device, and ends.
    gic.set_line(LINE, false);
    lists[0] &= !list::STATE;
    gic.offer(0, &mut lists);
    assert_eq!(lists, [0; 4], "what stays there interrupts for ever");
}

#[test]
fn an_edge_is_shown_once() {
    let (mut gic, mut lists) = (ready(1), [0; 4]);
    gic.raise(0, 7);
    gic.offer(0, &mut lists);
    assert_eq!(lists[0] & list::NUMBER, 7);
    lists[0] = 0;
    gic.offer(0, &mut lists);
    assert_eq!(lists, [0; 4]);
    assert!(!gic.is_waiting(0, &lists));
}

#[test]
fn what_came_once_stays_shown_until_the_guest_takes_it() {
    let (mut gic, mut lists) = (ready(1), [0; 4]);
    // A timer: of a level, but there is no line.
    gic.raise(0, 27);
    gic.offer(0, &mut lists);
    let shown = lists;
    gic.offer(0, &mut lists);
    assert_eq!(lists, shown);
    assert_eq!(lists[0] & list::NUMBER, 27);
}

#[test]
fn what_comes_again_while_the_guest_deals_with_it_is_shown_behind_that() {
    const ACTIVE: u64 = 2 << 62;
    let (mut gic, mut lists) = (ready(1), [ACTIVE | 27, 0, 0, 0]);
    gic.raise(0, 27);
    gic.offer(0, &mut lists);
    assert_eq!(lists, [ACTIVE | list::PENDING | 27, 0, 0, 0]);
}

#[test]
fn the_most_urgent_come_first_and_the_others_wait() {
    let (mut gic, mut lists) = (ready(1), [0; 2]);
    for (interrupt, priority) in [(40, 0x80), (41, 0x40), (42, 0x60)] {
        gic.write_distributor(0, 0x400 + interrupt, 1, priority);
        gic.set_line(interrupt as u32, true);
    }
    assert!(gic.offer(0, &mut lists), "one has no room");
    assert_eq!(lists.map(|list| list & list::NUMBER), [41, 42]);
    lists[0] &= !list::STATE;
    gic.set_line(41, false);
    assert!(!gic.offer(0, &mut lists));
    assert_eq!(lists.map(|list| list & list::NUMBER), [40, 42]);
}

#[test]
fn what_is_off_is_not_shown() {
    let (mut gic, mut lists) = (ready(1), [0; 4]);
    gic.write_distributor(0, 0x184, 4, 1 << (LINE - 32));
    gic.set_line(LINE, true);
    gic.offer(0, &mut lists);
    assert_eq!(lists, [0; 4]);
    gic.write_distributor(0, 0x104, 4, 1 << (LINE - 32));
    gic.write_distributor(0, 0, 4, 0);
    gic.offer(0, &mut lists);
    assert_eq!(lists, [0; 4]);
}

#[test]
fn each_frame_has_its_own_interrupts() {
    let mut gic = Gic::new(Version::V3, 1);
    gic.write_distributor(0, 0x100, 4, u64::MAX);
    assert_eq!(gic.read_redistributor(OWN_INTERRUPTS + 0x100, 4), 0);
    gic.write_redistributor(OWN_INTERRUPTS + 0x104, 4, u64::MAX);
    assert_eq!(gic.read_distributor(0, 0x104, 4), 0);
}

#[test]
fn each_cpu_has_its_redistributor_and_the_last_one_says_so() {
    let gic = Gic::new(Version::V3, 2);
    assert_eq!(gic.read_redistributor(8, 8), 0);
    assert_eq!(
        gic.read_redistributor(REDISTRIBUTOR_SIZE + 8, 8),
        1 << 32 | 1 << 8 | LAST
    );
    assert_eq!(gic.read_redistributor(REDISTRIBUTOR_SIZE + 12, 4), 1);
}

#[test]
fn a_software_generated_interrupt_comes_to_the_cpus_that_it_names() {
    const OTHERS: u64 = 1 << 40;
    for (value, cpus) in [
        (0b010, [false, true, false]),
        (0b101, [true, false, true]),
        (OTHERS, [false, true, true]),
        // Of another cluster.
        (0b111 | 1 << 16, [false; 3]),
    ] {
        let mut gic = ready(3);
        gic.generate(0, value | 5 << 24);
        assert_eq!([0, 1, 2].map(|cpu| gic.wants(cpu)), cpus, "{value:#x}");
    }
}

#[test]
fn each_cpu_is_shown_its_own_whatever_the_others_are() {
    let (mut gic, mut one, mut other) = (ready(2), [0; 4], [0; 4]);
    for (cpu, lists) in [(0, &mut one), (1, &mut other)] {
        gic.raise(cpu, 27);
        assert!(gic.wants(cpu));
        gic.offer(cpu, lists);
        assert_eq!(lists[0] & list::NUMBER, 27);
    }
}

#[test]
fn a_device_interrupts_the_cpu_to_which_it_is_routed_and_no_other_meanwhile() {
    let (mut gic, mut one, mut other) = (ready(2), [0; 4], [0; 4]);
    gic.write_distributor(0, ROUTES + 8 * u64::from(LINE - FIRST_SHARED), 8, 1);
    gic.set_line(LINE, true);
    assert_eq!([0, 1].map(|cpu| gic.wants(cpu)), [false, true]);
    gic.offer(1, &mut other);
    assert_eq!(other[0] & list::NUMBER, LINE.into());
    gic.write_distributor(0, ROUTES + 8 * u64::from(LINE - FIRST_SHARED), 8, 0);
    gic.offer(0, &mut one);
    assert_eq!(one, [0; 4]);
}

#[test]
fn what_a_cpu_has_when_it_is_switched_off_comes_to_others() {
    const ACTIVE: u64 = 2 << 62;
    let (mut gic, mut one, mut other) = (ready(2), [0; 4], [0; 4]);
    // The second one's device is an edge.
    gic.write_distributor(0, 0xc08, 4, 2 << 4);
    for line in [LINE, LINE + 1] {
        gic.write_distributor(0, ROUTES + 8 * u64::from(line - FIRST_SHARED), 8, 1);
        gic.set_line(line, true);
    }
    gic.offer(1, &mut other);
    other[0] = other[0] & !list::STATE | ACTIVE;
    assert_eq!(other[1] & list::STATE, list::PENDING);
    gic.release(1, &other);
    for line in [LINE, LINE + 1] {
        gic.write_distributor(0, ROUTES + 8 * u64::from(line - FIRST_SHARED), 8, 0);
    }
    assert!(gic.wants(0));
    gic.offer(0, &mut one);
    let shown = one.map(|list| list & list::NUMBER);
    assert_eq!(shown, [LINE.into(), (LINE + 1).into(), 0, 0]);
}

#[test]
fn a_cpu_of_version_2_sees_its_own_interrupts_in_the_distributor() {
    let mut gic = Gic::new(Version::V2, 2);
    gic.write_distributor(1, 0x100, 4, 0xff);
    assert_eq!(gic.read_distributor(1, 0x100, 4), 0xff);
    assert_eq!(gic.read_distributor(0, 0x100, 4), 0);
    gic.write_distributor(1, 0x104, 4, 0xf0);
    assert_eq!(gic.read_distributor(0, 0x104, 4), 0xf0);
    assert_eq!(
        [0, 1].map(|cpu| gic.read_distributor(cpu, 0x800, 4)),
        [0x0101_0101, 0x0202_0202]
    );
    assert_eq!(gic.read_distributor(0, 4, 4), 1 << 5 | 1);
}

#[test]
fn software_generated_interrupts_and_routes_of_version_2_name_cpus_by_bits() {
    for (value, cpus) in [
        (0b110 << 16 | 3, [false, true, true]),
        (1 << 24 | 3, [true, false, true]),
        (2 << 24 | 3, [false, true, false]),
    ] {
        let mut gic = Gic::new(Version::V2, 3);
        gic.write_distributor(0, 0, 4, 1);
        for cpu in 0..3 {
            gic.write_distributor(cpu, 0x100, 4, 0xffff);
        }
        gic.write_distributor(1, v2::GENERATE, 4, value);
        assert_eq!([0, 1, 2].map(|cpu| gic.wants(cpu)), cpus, "{value:#x}");
    }
    let mut gic = Gic::new(Version::V2, 2);
    gic.write_distributor(0, 0, 4, 1);
    gic.write_distributor(0, 0x104, 4, u64::MAX);
    gic.write_distributor(0, v2::TARGETS, 4, 0x0201_0201);
    assert_eq!(gic.read_distributor(0, v2::TARGETS, 4), 0x0201_0201);
    gic.set_line(LINE, true);
    assert_eq!([0, 1].map(|cpu| gic.wants(cpu)), [false, true]);
}

#[test]
fn list_registers_of_version_2_say_the_same() {
    let mut gic = Gic::new(Version::V2, 1);
    gic.write_distributor(0, 0, 4, 1);
    gic.write_distributor(0, 0x104, 4, u64::MAX);
    gic.write_distributor(0, 0x400 + u64::from(LINE), 1, 0xa0);
    gic.set_line(LINE, true);
    let mut lists = [0; 1];
    gic.offer(0, &mut lists);
    let [shown] = lists.map(v2::narrow);
    assert_eq!(shown, 1 << 28 | 0x14 << 23 | 1 << 19 | LINE);
    assert_eq!(v2::widen(shown), lists[0] & !list::GROUP_1);
}

#[test]
fn no_access_panics() {
    for mut gic in [ready(2), Gic::new(Version::V2, 2)] {
        try_all(&mut gic);
    }
}

fn try_all(gic: &mut Gic) {
    for offset in 0..3 * REDISTRIBUTOR_SIZE {
        for size in [1, 2, 4, 8] {
            gic.write_distributor(0, offset, size, u64::MAX);
            gic.write_redistributor(offset, size, u64::MAX);
            gic.read_distributor(0, offset, size);
            gic.read_redistributor(offset, size);
        }
    }
    gic.generate(usize::MAX, u64::MAX);
    gic.set_line(u32::MAX, true);
    gic.set_line(0, true);
    gic.raise(usize::MAX, u32::MAX);
    let mut lists = [u64::MAX; 4];
    gic.offer(0, &mut lists);
    gic.offer(usize::MAX, &mut lists);
}
