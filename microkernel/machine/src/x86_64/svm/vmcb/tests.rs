//! What a user can wish, and what comes of it.

use super::*;

const WORDS: usize = 0xc00 / 8;
const ROOT: u64 = 0x5000;

fn wish() -> [AtomicU64; WORDS] {
    let wish = [const { AtomicU64::new(0) }; WORDS];
    wish[at::EFER / 8].store(EFER_SVME, Relaxed);
    wish[at::NESTED_PAGING / 8].store(1, Relaxed);
    wish
}

fn prepared() -> Vmcb {
    let vmcb = Vmcb::new();
    vmcb.prepare(Setup {
        port_map: 0x1000,
        register_map: 0x2000,
    });
    vmcb
}

fn get(vmcb: &Vmcb, offset: usize) -> u64 {
    vmcb.word(offset).get()
}

/// Whatever the user writes, with all bits set or clear.
#[test]
fn what_keeps_a_guest_in_is_the_kernels() {
    for fill in [0, u64::MAX, 0x5555_5555_5555_5555, 0xaaaa_aaaa_aaaa_aaaa] {
        let wish = [const { AtomicU64::new(0) }; WORDS];
        for word in &wish {
            word.store(fill, Relaxed);
        }
        wish[at::EFER / 8].store(fill | EFER_SVME, Relaxed);
        wish[at::NESTED_PAGING / 8].store(fill | 1, Relaxed);
        wish[at::PAGE_ATTRIBUTES / 8].store(0, Relaxed);
        let vmcb = prepared();
        // A guest that ran last has been loaded once.
        assert!(vmcb.load(&wish, ROOT, false, false).is_some());
        assert!(vmcb.load(&wish, ROOT, false, true).is_some());
        vmcb.set_forgotten(1);
        assert_eq!(
            get(&vmcb, at::REGISTER_INTERCEPTS) >> 32 & 0xff3f_ff3f,
            0xff3f_ff3f
        );
        assert_eq!(get(&vmcb, at::EXCEPTION_INTERCEPTS) & 0x6_0002, 0x6_0002);
        let first = get(&vmcb, at::EXCEPTION_INTERCEPTS) >> 32;
        assert_eq!(first & 0xfd40_800f, 0xfd40_800f);
        let second = get(&vmcb, at::INSTRUCTION_INTERCEPTS);
        assert_eq!(second & 0x2cff, 0x2cff);
        assert_eq!(second >> 32, 0);
        assert_eq!(get(&vmcb, at::PORT_MAP), 0x1000);
        assert_eq!(get(&vmcb, at::REGISTER_MAP), 0x2000);
        assert_eq!(get(&vmcb, at::NESTED_ROOT), ROOT);
        assert_eq!(get(&vmcb, at::NESTED_PAGING), 1);
        assert_eq!(get(&vmcb, at::TLB), 1 << 32 | 1);
        assert_eq!(get(&vmcb, at::LAST_BRANCH), 0);
        let control = get(&vmcb, at::VIRTUAL_INTERRUPT);
        assert_eq!(control & !VIRTUAL_INTERRUPT, INTERRUPT_MASKING);
        assert_eq!(get(&vmcb, at::CR4) & CR4_MACHINE_CHECK, CR4_MACHINE_CHECK);
        // Nothing else in the control area, be it reserved or new.
        let made = [
            0x00, 0x08, 0x10, 0x38, 0x40, 0x48, 0x50, 0x58, 0x60, 0x68, 0x90, 0xa8, 0xb0, 0xb8,
        ];
        for offset in (0..0x400)
            .step_by(8)
            .filter(|offset| !made.contains(offset))
        {
            assert_eq!(get(&vmcb, offset), 0, "{offset:#x}");
        }
    }
}

#[test]
fn without_svm_or_nested_paging_or_memory_types_nothing_is_taken_over() {
    for (offset, value) in [
        (at::EFER, !EFER_SVME),
        (at::NESTED_PAGING, !1),
        (at::PAGE_ATTRIBUTES, 2),
    ] {
        let wish = wish();
        wish[offset / 8].store(value, Relaxed);
        wish[at::CR3 / 8].store(0x7000, Relaxed);
        let vmcb = prepared();
        assert_eq!(vmcb.load(&wish, ROOT, true, true), None);
        assert_eq!(get(&vmcb, at::CR3), 0);
    }
}

#[test]
fn translations_are_forgotten_when_what_they_rest_on_changes() {
    let (vmcb, wish) = (prepared(), wish());
    assert_eq!(vmcb.load(&wish, ROOT, false, true), Some(true));
    vmcb.store(&wish);
    assert_eq!(vmcb.load(&wish, ROOT, false, true), Some(false));
    for offset in [at::CR0, at::CR3, at::CR4, at::EFER, at::PAGE_ATTRIBUTES] {
        wish[offset / 8].fetch_xor(1 << 10, Relaxed);
        assert_eq!(
            vmcb.load(&wish, ROOT, false, true),
            Some(true),
            "{offset:#x}"
        );
        assert_eq!(
            vmcb.load(&wish, ROOT, false, true),
            Some(false),
            "{offset:#x}"
        );
    }
    // What the guest itself changes the CPU knows.
    vmcb.word(at::CR3).set(0x9000);
    vmcb.store(&wish);
    assert_eq!(vmcb.load(&wish, ROOT, false, true), Some(false));
    // The user says so.
    wish[at::TLB / 8].store(1 << 32, Relaxed);
    assert_eq!(vmcb.load(&wish, ROOT, false, true), Some(true));
}

#[test]
fn what_the_user_has_not_changed_is_not_taken_again() {
    let (vmcb, wish) = (prepared(), wish());
    let tell = |offset: usize, value: u64| wish[offset / 8].store(value, Relaxed);
    let all = u64::from(CleanBits::all().bits()) | UNCHANGED_SAVE_AREA;
    // Not of a guest that did not run last.
    tell(at::UNCHANGED, all);
    tell(at::CR3, 0x7000);
    assert_eq!(vmcb.load(&wish, ROOT, false, false), Some(true));
    assert_eq!(get(&vmcb, at::CR3), 0x7000);
    for offset in [at::CR3, at::EFER, at::TSC_OFFSET, at::VIRTUAL_INTERRUPT] {
        tell(offset, 0x8000);
    }
    for offset in [at::FLAGS, at::IP, at::SP, at::AX] {
        tell(offset, 0x9000);
    }
    assert_eq!(vmcb.load(&wish, ROOT, false, true), Some(false));
    assert_eq!(get(&vmcb, at::CR3), 0x7000);
    assert_eq!(get(&vmcb, at::EFER), EFER_SVME);
    assert_eq!(get(&vmcb, at::TSC_OFFSET), 0);
    assert_eq!(get(&vmcb, at::VIRTUAL_INTERRUPT), INTERRUPT_MASKING);
    for offset in [at::FLAGS, at::IP, at::SP, at::AX] {
        assert_eq!(get(&vmcb, offset), 0x9000);
    }
}

#[test]
fn the_guests_state_goes_there_and_back() {
    let (vmcb, wish) = (prepared(), wish());
    let places = COPIED.map(|(offset, count)| offset / 8..offset / 8 + count);
    for index in places.iter().cloned().flatten() {
        wish[index].store(index as u64 | 1 << 6, Relaxed);
    }
    vmcb.load(&wish, ROOT, false, true);
    for index in places.iter().cloned().flatten() {
        assert_eq!(vmcb.0[index].get(), index as u64 | 1 << 6);
        vmcb.0[index].set(index as u64 + 0x1000);
    }
    vmcb.word(at::INTERRUPT_SHADOW).set(1);
    vmcb.word(at::EXIT_CODE).set(0x7b);
    assert!(!vmcb.store(&wish));
    for index in places.iter().cloned().flatten() {
        assert_eq!(wish[index].load(Relaxed), index as u64 + 0x1000);
    }
    assert_eq!(wish[at::INTERRUPT_SHADOW / 8].load(Relaxed), 1);
    assert_eq!(wish[at::EXIT_CODE / 8].load(Relaxed), 0x7b);
}

#[test]
fn an_event_that_an_interrupt_overtakes_comes_again() {
    let (vmcb, wish) = (prepared(), wish());
    vmcb.load(&wish, ROOT, false, true);
    vmcb.word(at::EXIT_CODE).set(EXIT_INTERRUPT);
    vmcb.word(at::EXIT_INTERRUPTION).set(VALID | 0x21);
    assert!(vmcb.store(&wish));
    assert_eq!(wish[at::EVENT_INJECTION / 8].load(Relaxed), VALID | 0x21);
}

#[test]
fn machine_checks_are_told_from_other_exits() {
    let vmcb = prepared();
    for (exit_code, is_one) in [(0x51, false), (0x52, true), (0x53, false), (0x72, false)] {
        vmcb.word(at::EXIT_CODE).set(exit_code);
        assert_eq!(vmcb.has_machine_check(), is_one);
    }
}

#[test]
fn components_are_what_the_cpu_has_and_takes() {
    for available in [0b11, 0b111, 0b1110_0111] {
        let wish = wish();
        let set = |wanted| wish[XCR0_OFFSET / 8].store(wanted, Relaxed);
        for wanted in 0..=0x3ff_u64 {
            set(wanted);
            let components = components(&wish, available);
            assert_eq!(components & 1, 1);
            assert_eq!(components & !available, 0);
            assert!(components & 0b100 == 0 || components & 0b10 != 0);
            let upper = components >> 5 & 7;
            assert!(upper == 0 || upper == 7 && components & 0b100 != 0);
        }
        set(u64::MAX);
        assert_eq!(super::components(&wish, available), available);
    }
}
