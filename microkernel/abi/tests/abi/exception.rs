use l4_abi::arch::{aarch64, x86_64};
use l4_abi::exception::FaultWord;
use proptest::prelude::*;

/// The observations of `abi/03` §6: read, write, execute on unmapped pages, then on mapped ones.
#[test]
fn x86_64_fault_words_follow_the_cpus_error_code() {
    let flags = |error| x86_64::fault::fault_word(0x1234, error).raw() & 7;
    assert_eq!([flags(0x04), flags(0x06), flags(0x14)], [0, 2, 4]);
    assert_eq!([flags(0x07), flags(0x15)], [3, 5]);
    assert_eq!(x86_64::fault::fault_word(0x1234, 0x06).address(), 0x1230);
    assert!(x86_64::fault::is_present(x86_64::fault::fault_word(
        0, 0x07
    )));
    assert!(!x86_64::fault::is_present(x86_64::fault::fault_word(
        0, 0x06
    )));
}

#[test]
fn aarch64_fault_words_follow_the_syndrome() {
    use aarch64::exception::{class, syndrome};
    let flags = |syndrome| aarch64::fault::fault_word(0x1234, syndrome).raw() & 7;
    let (data, fetch) = (
        syndrome(class::DATA_ABORT_LOWER),
        syndrome(class::INSTRUCTION_ABORT_LOWER),
    );
    let (translation, permission, write) = (0x07, 0x0f, 1 << 6);
    let unmapped = [
        data | translation,
        data | write | translation,
        fetch | translation,
    ];
    assert_eq!(unmapped.map(flags), [1, 3, 5]);
    assert_eq!(
        [flags(data | write | permission), flags(fetch | permission)],
        [2, 4]
    );
    assert!(!aarch64::fault::is_present(aarch64::fault::fault_word(
        0,
        data | translation
    )));
}

#[test]
fn a_fault_word_tells_the_access() {
    let word = FaultWord::new(0xffff_ffff_ffff_ffff, FaultWord::FETCH);
    assert_eq!(word.address(), 0xffff_ffff_ffff_fff8);
    assert!(word.is_fetch() && !word.is_write());
}

#[test]
fn flags_that_a_handler_may_not_set_are_forced() {
    use x86_64::exception::rflags::{INITIAL, sanitize};
    assert_eq!(sanitize(0), INITIAL);
    assert_eq!(sanitize(0x3000 | 0x4000 | 0x100), INITIAL | 0x100);
}

proptest! {
    #[test]
    fn an_x86_64_frame_is_its_words(words in prop::array::uniform26(any::<u64>())) {
        prop_assert_eq!(x86_64::ExceptionFrame::from_words(&words).to_words(), words);
    }

    #[test]
    fn an_aarch64_frame_is_its_words(words in prop::collection::vec(any::<u64>(), 40)) {
        let words: [u64; 40] = words.try_into().unwrap();
        prop_assert_eq!(aarch64::ExceptionFrame::from_words(&words).to_words(), words);
    }
}

#[test]
fn frames_put_registers_where_the_abi_says() {
    let words: Vec<u64> = (0..40).collect();
    let x86_64 = x86_64::ExceptionFrame::from_words(words[..26].try_into().unwrap());
    assert_eq!(
        (x86_64.rax, x86_64.trap, x86_64.rip, x86_64.rsp),
        (15, 16, 18, 21)
    );
    let aarch64 = aarch64::ExceptionFrame::from_words(words[..].try_into().unwrap());
    assert_eq!(
        (aarch64.x[0], aarch64.x[30], aarch64.error, aarch64.pc),
        (1, 31, 33, 36)
    );
}
