//! What components tell their parent.

use l4_abi::error::ResultCode;
use l4_abi::message_tag::MessageTag;
use l4_abi::protocol::{label, parent};
use l4_ipc::Reader;

/// Signal and value of the request with this tag, which was just received; or the error to answer.
pub fn read(tag: MessageTag) -> Result<(u64, u64), ResultCode> {
    if tag.label() != label::PARENT {
        return Err(ResultCode::EBADPROTO);
    }
    let mut reader = Reader::new(tag);
    let (opcode, signal, value) = (reader.scalar::<i32>()?, reader.scalar()?, reader.scalar()?);
    match opcode {
        parent::SIGNAL => Ok((signal, value)),
        _ => Err(ResultCode::ENOSYS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi_vectors::wire::vector;
    use l4_sys::Utcb;

    #[test]
    fn the_signal_of_a_stock_client_is_understood() {
        let recorded = vector("Parent.signal");
        // What clients do not write is whatever it was.
        for (index, word) in recorded.message.iter().enumerate() {
            Utcb::current().set_message(index, word.value | !word.mask);
        }
        let tag = MessageTag::from_raw(recorded.tag);
        assert_eq!(
            read(tag),
            Ok((0x1111_1111_1111_1111, 0x2222_2222_2222_2222))
        );
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        let send = |label, words: &[u64]| {
            Utcb::current().set_messages(words);
            read(MessageTag::words_only(label, words.len()))
        };
        assert_eq!(send(label::PARENT, &[0, 7]), Err(ResultCode::EMSGTOOSHORT));
        assert_eq!(send(label::PARENT, &[1, 7, 8]), Err(ResultCode::ENOSYS));
        assert_eq!(send(label::LOG, &[0, 7, 8]), Err(ResultCode::EBADPROTO));
        assert_eq!(send(label::PARENT, &[0, 7, 8]), Ok((7, 8)));
    }
}
