//! Log as a server: a console for one client. The client side is `l4_sys::object::Log`.
//!
//! The messages are older than the common marshalling: the opcode has 16 bits, and a read keeps
//! its length above them (`abi/05` Vlog).

use l4_abi::error::ResultCode;
use l4_abi::protocol::label;
use l4_abi::protocol::log::{
    InputFlags, LocalFlags, OPCODE_MASK, Opcode, OutputFlags, READ_DONE, READ_SIZE, WRITE_SIZE,
};
use l4_ipc::server::Response;
use l4_ipc::{CapabilityRights, Interface, Outcome, Request, Writer};

pub use l4_sys::object::ReadStatus;

l4_sys::object! {
    /// A log that a server stands in for.
    pub struct LogInterface;
}

impl Interface for LogInterface {
    const PROTOCOL: i64 = label::LOG;
    const NAME: &'static str = "Vcon";
}

/// What a server of [`LogInterface`] implements.
pub trait LogServer {
    /// Prints `text`, at most 488 bytes, of any content. Nobody waits for an answer.
    fn write(&mut self, request: &mut Request<'_>, text: &[u8]);

    /// Puts input that is there into `buffer`. The caller has the W right.
    fn read(&mut self, request: &mut Request<'_>, buffer: &mut [u8]) -> Outcome<ReadStatus>;
}

impl LogInterface {
    /// Lets `server` handle a request.
    pub fn dispatch<S: LogServer + ?Sized>(server: &mut S, request: &mut Request<'_>) -> Response {
        l4_ipc::server::respond::<Self, u64>(request, |request, code, mut reader| {
            match Opcode::from_word(code & OPCODE_MASK) {
                Some(Opcode::Write) => {
                    let mut text = [0; WRITE_SIZE];
                    let length = reader.scalar::<u64>().unwrap_or(0) as usize;
                    // A write that claims more than it brings is dropped.
                    if let Some(text) = text.get_mut(..length)
                        && reader.bytes(text).is_ok()
                    {
                        server.write(request, text);
                    }
                    Response::None
                }
                Some(Opcode::Read) => answer(read(server, request, (code >> 16) as u16)),
                // Data is treated in one way, whatever a client asks for.
                Some(Opcode::SetAttributes) => answer((|| {
                    let _: [u64; 3] = [reader.scalar()?, reader.scalar()?, reader.scalar()?];
                    Ok(Writer::new())
                })()),
                Some(Opcode::GetAttributes) => answer((|| {
                    let mut writer = Writer::new();
                    writer.scalar(0_u64)?;
                    writer.scalar(InputFlags::ICRNL.bits())?;
                    writer.scalar(OutputFlags::ONLCR.bits())?;
                    writer.scalar(LocalFlags::ECHO.bits())?;
                    Ok(writer)
                })()),
                None => Response::error(ResultCode::ENOSYS),
            }
        })
    }
}

fn read<S: LogServer + ?Sized>(
    server: &mut S,
    request: &mut Request<'_>,
    length: u16,
) -> Outcome<Writer> {
    request.require(CapabilityRights::WRITE)?;
    let mut buffer = [0; READ_SIZE];
    let length = READ_SIZE.min(length.into());
    let result = server.read(request, &mut buffer[..length])?;
    let count = result.count.min(length);
    let mut status = count as u64;
    if result.exhausted {
        status |= READ_DONE;
    }
    let mut writer = Writer::new();
    writer.scalar(status)?;
    writer.bytes(&buffer[..count])?;
    Ok(writer)
}

fn answer(outcome: Outcome<Writer>) -> Response {
    match outcome.and_then(Writer::finish_answer) {
        Ok(tag) => Response::Answer(tag),
        Err(code) => Response::error(code),
    }
}
