//! Requests to servers: their labels.
//!
//! The operations are declared in `l4re`, which compares them with the same vectors.

use l4_abi::protocol::label;

/// Beginning of the vectors' names, label.
pub(crate) const REQUESTS: [(&str, i64); 8] = [
    ("Dataspace.", label::DATASPACE),
    ("Rm.", label::REGION_MAP),
    ("Parent.", label::PARENT),
    ("Mem_alloc.", label::MEM_ALLOC),
    ("Random.", label::NONE),
    ("Namespace.", label::NAMESPACE),
    ("Meta.", label::META),
    ("Remote_access.", label::REMOTE_ACCESS),
];
