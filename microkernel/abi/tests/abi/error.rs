use l4_abi::error::{IpcError, ResultCode};
use proptest::prelude::*;

#[test]
fn success_is_no_error() {
    assert_eq!(ResultCode::from_label(0), None);
    assert_eq!(ResultCode::from_label(0x4000), None);
}

#[test]
fn ipc_errors_travel_as_result_codes() {
    let code = IpcError::NOT_EXISTENT.result_code();
    assert_eq!(code.label(), -2004);
    assert_eq!(code.ipc_error(), Some(IpcError::NOT_EXISTENT));
    assert_eq!(ResultCode::EINVAL.ipc_error(), None);
    assert_eq!(ResultCode::new(2032).ipc_error(), None);
}

#[test]
fn the_kernels_private_bits_are_not_part_of_an_ipc_error() {
    assert_eq!(IpcError::from_word(0x110), IpcError::SEND_MAP_FAILED);
}

#[test]
fn errors_say_what_happened() {
    assert_eq!(ResultCode::EBADPROTO.to_string(), "EBADPROTO");
    assert_eq!(ResultCode::new(77).to_string(), "error 77");
    assert_eq!(ResultCode::new(2003).to_string(), "receive timeout");
    assert_eq!(IpcError::from_word(0x0a).to_string(), "IPC error 0xa");
}

proptest! {
    #[test]
    fn any_negative_label_is_an_error(label in i64::MIN..0) {
        let code = ResultCode::from_label(label);
        prop_assert!(code.is_some_and(|code| code.label() >= label && code.label() < 0));
    }
}
