//! Questions to those who watch a share.

use std::rc::Rc;
use std::time::Duration;

use crate::client::access::Owner;
use crate::client::driver::handle::Client;
use crate::client::driver::link::Policy;
use crate::client::error::ClientError;
use crate::client::session::Session;
use crate::contract::ask::read_settled;
use crate::share::ask::{Question, Settled};
use crate::share::limits::ASK_WITHIN_MS_MAX;

impl Client {
    /// Asks those who watch a share. The call lasts as long as the question is open, so that this is added to the call timeout: no more
    /// than a question may have, for the host refuses a longer one at once.
    pub(crate) async fn ask_by(&self, owner: Owner, question: Question) -> Result<Settled, ClientError> {
        let open_at_most = question.within.min(Duration::from_millis(ASK_WITHIN_MS_MAX));
        let after = self.call_timeout().saturating_add(open_at_most);
        let ask = move |session: Rc<Session>| {
            let (share, question) = (owner.share(&session), question.clone());
            async move {
                let mut request = share?.ask_request();
                let mut params = request.get();
                params.set_question(question.text.as_str());
                let mut choices =
                    params.reborrow().init_choices(u32::try_from(question.choices.len()).unwrap_or(u32::MAX));
                for (at, choice) in (0..).zip(&question.choices) {
                    choices.set(at, choice.as_str());
                }
                params.set_needed(question.needed);
                params.set_within_ms(u64::try_from(question.within.as_millis()).unwrap_or(u64::MAX));
                let response = session.ask(request).await?;
                Ok(read_settled(response.get()?.get_result()?)?)
            }
        };
        self.run(move |link| Box::pin(async move { link.call_within(Policy::Once, after, ask).await })).await
    }
}
