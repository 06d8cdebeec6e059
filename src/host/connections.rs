//! Who is connected to a host, and what the service around it does with them: it serves their calls by name ([`Handler`]), pushes to
//! them ([`Action`]), remembers things of each ([`States`]), and is told when they come and go ([`ConnectionHooks`]).

pub use crate::connections::calls::{CallContext, CallFailure, Handler};
pub use crate::connections::close::CloseReason;
pub use crate::connections::comer::Door;
pub use crate::connections::entry::{ConnectionId, Entry};
pub use crate::connections::hooks::{ConnectionHooks, HookError};
pub use crate::connections::outlet::PushError;
pub use crate::connections::push::{Action, Answer, PushOptions};
pub use crate::connections::states::States;
pub use crate::wire::duplex::{End as Pipe, Reader as PipeReader, Writer as PipeWriter};
