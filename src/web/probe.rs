//! The probes of the contract: that values and functions go both ways.

use std::sync::Arc;
use std::time::Duration;

use crate::capnweb::{Fault, Value};
use crate::share::error::Refusal;
use crate::web::caller::{Answer, Context};
use crate::web::functions::{Callback, KeptFunction};
use crate::web::refused;
use crate::web::shapes::ProbeValue;

/// How long the function of a probe may take. The contract names the figure.
const CALLBACK_WITHIN: Duration = Duration::from_secs(30);

/// Returns its argument.
pub(super) async fn value<R>(_: Arc<R>, _: Context, input: ProbeValue) -> Answer<ProbeValue> {
    Ok(input)
}

/// Calls a function of the client and returns its answer.
pub(super) async fn callback<R>(_: Arc<R>, context: Context, callback: Callback) -> Answer<String> {
    let caller = &context.caller;
    // The client answers the function before this call is answered.
    caller.link.awaits_peer(context.call);
    let function = KeptFunction::of(caller, callback.0)?;
    let answer = function.ask(caller, "server-called".into(), CALLBACK_WITHIN).await?;
    match answer {
        Some(Ok(Value::Text(reply))) => Ok(reply.to_string()),
        Some(Ok(_)) => Err(Refusal::invalid(0, "probeCallback: the function must return a string").into()),
        // The client's own error, as it is.
        Some(Err(Value::Error(fault))) => Err(*fault),
        Some(Err(other)) => {
            let words =
                other.as_text().map_or("the function threw something that is not an Error", |text| text.as_str());
            Err(Fault::new(words))
        }
        None => Err(refused::named("Timeout", "the function did not answer within 30 s: return sooner")),
    }
}
