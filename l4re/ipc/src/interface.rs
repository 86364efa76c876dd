//! Declaring an interface once for both ends.

use l4_sys::Object;

use crate::{Outcome, Reader, Writer};

/// A type made by [`interface!`](crate::interface!): what its messages are labelled with.
pub trait Interface: Object {
    /// Label of the requests.
    const PROTOCOL: i64;
    /// Name for the meta protocol.
    const NAME: &'static str;
}

/// How the opcode of a request is encoded: `i32`, `u64`, or [`NoOpcode`].
pub trait Opcode {
    /// Writes opcode `code`.
    fn write(code: u64, writer: &mut Writer) -> Outcome<()>;
    /// Takes the opcode.
    fn read(reader: &mut Reader) -> Outcome<u64>;
}

impl Opcode for i32 {
    #[inline(always)]
    fn write(code: u64, writer: &mut Writer) -> Outcome<()> {
        writer.scalar(code as i32)
    }

    #[inline(always)]
    fn read(reader: &mut Reader) -> Outcome<u64> {
        reader.scalar::<i32>().map(|code| code as u64)
    }
}

impl Opcode for u64 {
    #[inline(always)]
    fn write(code: u64, writer: &mut Writer) -> Outcome<()> {
        writer.scalar(code)
    }

    #[inline(always)]
    fn read(reader: &mut Reader) -> Outcome<u64> {
        reader.scalar()
    }
}

/// The interface has one method and no opcode. The method is declared as number 0.
pub struct NoOpcode;

impl Opcode for NoOpcode {
    fn write(_: u64, _: &mut Writer) -> Outcome<()> {
        Ok(())
    }

    fn read(_: &mut Reader) -> Outcome<u64> {
        Ok(0)
    }
}

/// Declares an interface.
///
/// ```
/// l4_ipc::interface! {
///     /// A counter that several clients share.
///     pub interface Counter, served by CounterServer {
///         protocol: 0x7001,
///         opcode: i32,
///
///         /// Adds `amount` and returns the new value.
///         fn add(amount: u64) -> u64 = 0;
///         /// Starts again from zero. Needs the W right.
///         fn reset() = 1, needs WRITE;
///     }
/// }
/// ```
///
/// * `Counter` is a kind of object: a client has a `Cap<Counter>`, with the methods.
/// * `CounterServer` is a trait with the same methods; each also gets the [`Request`](crate::Request),
///   for the caller's rights and for keeping received capabilities.
/// * `Counter::dispatch(&mut server, request)` decodes a request, calls the method and composes
///   the answer; [`serve`](crate::serve) calls it for every request.
///
/// Types of arguments are listed at [`argument`](crate::argument), of results at
/// [`output`](crate::output). Arguments and results of fixed size can also be structures made
/// with [`record!`](crate::record!).
#[macro_export]
macro_rules! interface {
    (
        $(#[$meta:meta])*
        $visibility:vis interface $name:ident, served by $server:ident {
            protocol: $protocol:expr,
            opcode: $opcode:ty,
            $(
                $(#[$method_meta:meta])*
                fn $method:ident($($argument:ident: $kind:ty),* $(,)?) $(-> $output:ty)? = $code:expr
                    $(, needs $right:ident)?;
            )*
        }
    ) => {
        $crate::private::l4_sys::object! {
            $(#[$meta])*
            $visibility struct $name;
        }

        impl $crate::Interface for $name {
            const PROTOCOL: i64 = $protocol;
            const NAME: &'static str = stringify!($name);
        }

        impl $name {
            $(
                $(#[$method_meta])*
                #[allow(clippy::too_many_arguments, unused_parens, reason = "as declared")]
                #[inline]
                $visibility fn $method(
                    &self,
                    $($argument: <$kind as $crate::Argument>::Given<'_>),*
                ) -> $crate::Result<<($($output)?) as $crate::Output>::Taken> {
                    let mut writer = $crate::Writer::new();
                    <$opcode as $crate::Opcode>::write($code as u64, &mut writer)?;
                    $(<$kind as $crate::Argument>::write($argument, &mut writer)?;)*
                    $crate::client::exchange::<($($output)?)>(
                        $crate::private::l4_sys::Object::selector(self),
                        <Self as $crate::Interface>::PROTOCOL,
                        writer,
                    )
                }
            )*

            /// Lets `server` handle a request, and composes the answer.
            #[allow(unused_parens, unused_variables, unused_mut, reason = "some methods have no arguments")]
            $visibility fn dispatch<S: $server + ?Sized>(
                server: &mut S,
                request: &mut $crate::Request<'_>,
            ) -> $crate::Response {
                $crate::server::respond::<Self, $opcode>(request, |request, code, mut reader| {
                    match code {
                        $(
                            code if code == $code as u64 => $crate::server::method::<($($output)?)>(request, |request| {
                                $(request.require($crate::CapabilityRights::$right)?;)?
                                $(
                                    let mut $argument =
                                        <$kind as $crate::Argument>::read(&mut reader)?;
                                )*
                                server.$method(
                                    request,
                                    $(<$kind as $crate::Argument>::lend(&mut $argument)),*
                                )
                            }),
                        )*
                        _ => $crate::Response::error($crate::ResultCode::ENOSYS),
                    }
                })
            }
        }

        #[doc = concat!("What a server of [`", stringify!($name), "`] implements.")]
        $visibility trait $server {
            $(
                $(#[$method_meta])*
                #[allow(clippy::too_many_arguments, unused_parens, reason = "as declared")]
                fn $method(
                    &mut self,
                    request: &mut $crate::Request<'_>,
                    $($argument: <$kind as $crate::Argument>::Lent<'_>),*
                ) -> $crate::Outcome<<($($output)?) as $crate::Output>::Given>;
            )*
        }
    };
}

/// Lets one object speak several interfaces: `dispatch!(server, request; Dataspace, Console)`.
///
/// `server` implements the server trait of each. Answers the meta protocol for all of them.
#[macro_export]
macro_rules! dispatch {
    ($server:expr, $request:expr; $($interface:ty),+ $(,)?) => {
        match $request.protocol() {
            $(<$interface as $crate::Interface>::PROTOCOL => <$interface>::dispatch($server, $request),)+
            _ => $crate::meta::respond($request, &[
                $((
                    <$interface as $crate::Interface>::PROTOCOL,
                    <$interface as $crate::Interface>::NAME,
                ),)+
            ]),
        }
    };
}
