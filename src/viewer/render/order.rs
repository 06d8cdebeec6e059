//! The order of a session, which every document has: that of its messages, and that of a message's parts.
//!
//! What there is to go by: the order in which items arrived, the times that messages say, the times in ids of OpenCode's form, and
//! which message an answer says that it answers. Each may be wrong: files of one session are pushed in any order, and people
//! and models have clocks of their own. So times are believed unless they put more answers in a wrong place than the arrival
//! does; and an answer never stands before what it answers. The web page has these rules too (`viewer/page/app/model/order.ts`).

use std::collections::HashMap;

/// What a message says about its place.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    pub(super) id: String,
    /// The message that it answers.
    pub(super) parent: Option<String>,
    /// The session that it is of.
    pub(super) session: Option<String>,
    pub(super) is_user: bool,
    /// When it was made, in milliseconds since 1970.
    pub(super) created: Option<i64>,
}

/// The places of messages, which are given in the order of their arrival, in the order in which they are told.
pub(super) fn of_messages(told: &[Told]) -> Vec<usize> {
    let parents = parents(told);
    let (arrival, by_time): (Vec<usize>, _) = ((0..told.len()).collect(), by_time(told));
    let times_agree = misplaced(told, &parents, &by_time) <= misplaced(told, &parents, &arrival);
    behind_parents(&parents, if times_agree { by_time } else { arrival })
}

/// The places of parts, whose ids are given in the order of their arrival, in the order in which they are told.
pub(super) fn of_parts(ids: &[String]) -> Vec<usize> {
    let stamps: Vec<_> = ids.iter().map(|id| stamp(id)).collect();
    by_stamps((0..ids.len()).collect(), &stamps)
}

/// Of each message the place of the one that it answers, if that is there.
fn parents(told: &[Told]) -> Vec<Option<usize>> {
    let places: HashMap<&str, usize> =
        told.iter().enumerate().map(|(place, message)| (message.id.as_str(), place)).collect();
    let parent = |(place, message): (usize, &Told)| {
        message.parent.as_deref().and_then(|parent| places.get(parent).copied()).filter(|parent| *parent != place)
    };
    told.iter().enumerate().map(parent).collect()
}

fn by_time(told: &[Told]) -> Vec<usize> {
    let times: Vec<_> = told.iter().map(|message| message.created).collect();
    let keys = inherited(&times);
    let mut order: Vec<usize> = (0..told.len()).collect();
    order.sort_by_key(|place| keys[*place]);
    let stamps: Vec<_> = told.iter().map(|message| stamp(&message.id)).collect();
    // Of messages of one time, or without one, their ids tell more.
    order.chunk_by(|one, other| keys[*one] == keys[*other]).flat_map(|run| by_stamps(run.to_vec(), &stamps)).collect()
}

fn by_stamps(places: Vec<usize>, stamps: &[Option<u64>]) -> Vec<usize> {
    let Some(first) = places.iter().find_map(|place| stamps[*place]) else { return places };
    let times: Vec<_> = places.iter().map(|place| stamps[*place].map(|stamp| after(first, stamp))).collect();
    let keys = inherited(&times);
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by_key(|n| keys[*n]);
    order.into_iter().map(|n| places[n]).collect()
}

/// Times of which none is missing: what says none has that of the one before it.
fn inherited(times: &[Option<i64>]) -> Vec<i64> {
    let mut before = i64::MIN;
    let time = |time: &Option<i64>| {
        before = time.unwrap_or(before);
        before
    };
    times.iter().map(time).collect()
}

/// The time in an id of OpenCode's form, such as `msg_1ee565e0100000000000000001`: the twelve digits behind the prefix.
fn stamp(id: &str) -> Option<u64> {
    let (prefix, rest) = id.split_once('_')?;
    let is_one = !prefix.is_empty()
        && prefix.bytes().all(|byte| byte.is_ascii_lowercase())
        && rest.len() == 26
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && rest.bytes().take(12).all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if is_one { u64::from_str_radix(&rest[..12], 16).ok() } else { None }
}

/// How much later than `first` a stamp is, by the shorter way round: stamps have 48 bits and begin anew every 795 days.
fn after(first: u64, stamp: u64) -> i64 {
    const HALF: u64 = 1 << 47;
    let distance = stamp.wrapping_sub(first).wrapping_add(HALF) & ((1 << 48) - 1);
    distance as i64 - HALF as i64
}

/// Number of answers that stand before what they answer, or behind another message of the user's than that.
fn misplaced(told: &[Told], parents: &[Option<usize>], order: &[usize]) -> usize {
    let mut seen = vec![false; told.len()];
    let mut asked: HashMap<Option<&str>, usize> = HashMap::new();
    let mut count = 0;
    for &place in order {
        let message = &told[place];
        if message.is_user {
            asked.insert(message.session.as_deref(), place);
        } else if let Some(parent) = parents[place] {
            let other = asked.get(&message.session.as_deref()).is_some_and(|asked| *asked != parent);
            count += usize::from(!seen[parent] || (told[parent].is_user && other));
        }
        seen[place] = true;
    }
    count
}

/// Moves each answer that would stand before what it answers right behind that.
fn behind_parents(parents: &[Option<usize>], order: Vec<usize>) -> Vec<usize> {
    let mut seen = vec![false; parents.len()];
    let mut waiting: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut told = Vec::with_capacity(order.len());
    for place in order.iter().copied() {
        if let Some(parent) = parents[place].filter(|parent| !seen[*parent]) {
            waiting.entry(parent).or_default().push(place);
            continue;
        }
        let mut next = vec![place];
        while let Some(place) = next.pop() {
            seen[place] = true;
            told.push(place);
            next.extend(waiting.remove(&place).unwrap_or_default().into_iter().rev());
        }
    }
    // Messages that answer each other.
    told.extend(order.into_iter().filter(|place| !seen[*place]));
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str, created: Option<i64>) -> Told {
        Told { id: id.to_owned(), is_user: true, created, ..Told::default() }
    }

    fn answer(id: &str, parent: &str, created: Option<i64>) -> Told {
        let parent = Some(parent.to_owned()).filter(|parent| !parent.is_empty());
        Told { id: id.to_owned(), parent, created, ..Told::default() }
    }

    fn told(messages: &[Told]) -> String {
        of_messages(messages).into_iter().map(|place| messages[place].id.clone()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn messages_stand_by_time_where_times_agree_else_by_arrival_and_never_before_what_they_answer() {
        let both = |ahead: i64| {
            let at = |at: i64| Some(at + ahead);
            [user("u1", at(0)), answer("a1", "u1", Some(2)), user("u2", at(60)), answer("a2", "u2", Some(62))]
        };
        for ahead in [0, 600, -600] {
            assert_eq!(told(&both(ahead)), "u1 a1 u2 a2", "{ahead}");
            // Whatever of them came first, where the clocks agree.
            let mut reversed = both(ahead);
            reversed.reverse();
            if ahead == 0 {
                assert_eq!(told(&reversed), "u1 a1 u2 a2");
            }
        }
        let mut ahead = both(600);
        ahead.reverse();
        assert_eq!(told(&ahead), "u1 a1 u2 a2");
        // A prompt that was typed while the model worked stands where it was typed.
        let steered =
            [user("u1", Some(0)), answer("a1", "u1", Some(2)), user("u2", Some(4)), answer("b1", "u1", Some(6))];
        assert_eq!(told(&steered), "u1 a1 u2 b1");
        // Two files of one session, the later one first.
        let files =
            [user("u2", Some(60)), answer("a2", "u2", Some(62)), user("u1", Some(0)), answer("a1", "u1", Some(2))];
        assert_eq!(told(&files), "u1 a1 u2 a2");
        assert_eq!(told(&[answer("a", "u", None), answer("b", "a", None), user("u", None)]), "u a b");
        assert_eq!(told(&[answer("a", "b", None), answer("b", "a", None), user("u", None)]), "u a b");
        // One that says no time stays behind the one that it came after.
        assert_eq!(told(&[user("c", Some(3)), user("d", None), user("a", Some(1)), user("b", None)]), "a b c d");
    }

    #[test]
    fn ids_of_opencodes_form_tell_the_order_also_across_the_end_of_their_count() {
        let (late, early) = ("msg_1ee565e0100000000000000001", "msg_1ee565e0000000000000000000");
        assert_eq!(told(&[answer(late, "", None), user(early, None)]), format!("{early} {late}"));
        let ids = ["prt_000000000001AAAAAAAAAAAAAA", "x", "prt_fffffffffff0AAAAAAAAAAAAAA", "prt_b"];
        assert_eq!(of_parts(&ids.map(str::to_owned)), [2, 3, 0, 1]);
        assert_eq!(of_parts(&["b", "a"].map(str::to_owned)), [0, 1]);
        for other in
            ["prt_1ee565e010000000000000000", "prt_1EE565E0100000000000000001", "_1ee565e0100000000000000001", "prt"]
        {
            assert_eq!(stamp(other), None, "{other}");
        }
    }
}
