//! What made a host's rooms look into the bucket: which of several mechanisms brought its followers what they have.

use capshare::__internal::hints::Why;
use capshare::__internal::hub::Hub;
use capshare::__internal::metrics::ReasonLabel;

/// How often its rooms have looked so far for one of these reasons.
pub(crate) fn looks(hub: &Hub, reasons: &[Why]) -> u64 {
    let looks = &hub.metrics().looks;
    reasons.iter().map(|why| looks.get_or_create(&ReasonLabel { reason: why.as_str() }).get()).sum()
}
