//! Namespace: names for capabilities. Parts of a path are separated by `/`.

use l4_abi::error::ResultCode;
use l4_abi::protocol::label;
use l4_abi::protocol::namespace::PARTLY_RESOLVED;
use l4_ipc::{Bytes, Label, Result};
use l4_sys::{AnyObject, Cap, Object, OwnedCap};

pub use l4_abi::protocol::namespace::Flags;

l4_ipc::interface! {
    /// Names for capabilities.
    pub interface Namespace, served by NamespaceServer {
        protocol: label::NAMESPACE,
        opcode: i32,

        /// Looks a path up; [`Namespace::lookup`] is the convenient way.
        ///
        /// The label holds the entry's flags, and [`PARTLY_RESOLVED`] if the capability is another
        /// namespace that knows the rest of the path. The rest is the third result; the second
        /// is 0. Errors: ENOENT; EAGAIN if the entry exists, but not its object yet.
        fn query(path: [u8]) -> (Label, i32, Bytes, OwnedCap<AnyObject>) = 0;
        /// Adds an entry, with the rights of `flags`; without `object` it is announced only.
        /// Errors: EEXIST; EACCESS if the namespace cannot be changed.
        fn register(flags: u32, name: [u8], object: Option<Cap<AnyObject>>) = 1, needs WRITE;
        /// Removes an entry. Errors: ENOENT, EACCESS.
        fn unlink(name: [u8]) = 3, needs WRITE;
    }
}

/// Namespaces that one path can lead through.
const MAX_DEPTH: usize = 16;

impl Namespace {
    /// The object that `path` names, through as many namespaces as it takes.
    ///
    /// # Errors
    /// ENOENT; EAGAIN if the object is announced but not there yet; ENAMETOOLONG.
    pub fn lookup<T: Object>(&self, path: &str) -> Result<OwnedCap<T>> {
        let (mut label, _, mut rest, mut found) = self.query(path.as_bytes())?;
        for _ in 0..MAX_DEPTH {
            if i64::from(label.0) & PARTLY_RESOLVED == 0 {
                return Ok(found.cast());
            }
            let next = found.as_cap().cast::<Namespace>().query(&rest)?;
            (label, _, rest, found) = next;
        }
        Err(ResultCode::ENAMETOOLONG.into())
    }
}
