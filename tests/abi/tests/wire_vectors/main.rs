//! The numbers of `l4-abi` give the words that the stock clients send.

mod kernel;
mod servers;

use abi_vectors::wire::{vector, vectors};
use l4_abi::message_tag::MessageTag;
use l4_abi::operation::Operation;

/// A request built from the constants of `l4-abi`.
struct Request {
    name: &'static str,
    destination: u64,
    timeouts: u32,
    tag: MessageTag,
    message: Vec<u64>,
    buffers: Option<Vec<u64>>,
}

#[test]
fn kernel_requests_have_the_recorded_words() {
    for request in kernel::requests() {
        let recorded = vector(request.name);
        recorded.assert_request(request.tag.raw(), &request.message);
        let name = recorded.name;
        assert_eq!(
            request.destination,
            recorded.selector | recorded.operation,
            "{name}"
        );
        assert_eq!(request.timeouts, recorded.timeouts, "{name}");
        if let Some(buffers) = request.buffers {
            assert_eq!(Some(buffers), recorded.buffers, "{name}");
        }
    }
}

#[test]
fn server_requests_have_the_recorded_label() {
    for (name, label) in servers::REQUESTS {
        let mut recorded = vectors()
            .into_iter()
            .filter(|vector| vector.name.starts_with(name))
            .peekable();
        assert!(recorded.peek().is_some(), "{name}");
        assert!(recorded.all(|vector| vector.label() == label), "{name}");
    }
}

#[test]
fn every_vector_is_tested() {
    let known: Vec<_> = kernel::requests()
        .iter()
        .map(|request| request.name)
        .chain(servers::REQUESTS.map(|(name, _)| name))
        .collect();
    for vector in vectors() {
        let tested = known.iter().any(|name| vector.name.starts_with(name));
        assert!(tested, "no test builds {}", vector.name);
    }
}

#[test]
fn every_recorded_operation_is_one_of_ours() {
    for vector in vectors() {
        let operation = Operation::from_bits(vector.operation);
        let name = vector.name;
        assert!(
            operation.is_some_and(|operation| !operation.is_empty()),
            "{name}"
        );
    }
}

#[test]
fn recorded_tags_survive_taking_apart() {
    for vector in vectors() {
        let tag = MessageTag::from_raw(vector.tag);
        let rebuilt = MessageTag::new(tag.label(), tag.words(), tag.items(), tag.flags());
        assert_eq!(rebuilt, tag, "{}", vector.name);
        assert_eq!(
            tag.words() + 2 * tag.items(),
            vector.message.len(),
            "{}",
            vector.name
        );
    }
}
