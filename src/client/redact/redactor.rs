//! The redactor of this crate, which finds secrets by rules in the strings of JSON texts.
//!
//! A text without any word of any rule is passed by after one search for all of them at once. In the others each string is
//! looked at by itself, with its escapes undone, by the rules whose words are in it; the text is copied only if something was
//! found, and written anew only where. What was found is counted by rule; of the secrets themselves only hashes
//! are kept, under a key of this process, so that one that comes again with every update of a growing text counts once.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::rules::{ASSIGNED, RULES, Rule, UNFINISHED, looks_random, says_secret};
use super::strings::{self, Found};
use super::values::Redact;

/// Different secrets that are told apart to be counted: 80 kB of hashes. Secrets beyond them are masked, and not counted.
const TOLD_APART_MAX: usize = 10_000;

/// Masks keys and tokens as `[redacted:RULE]`, and counts them. Clones share one count.
///
/// The redactor knows the forms of some 60 issuers' tokens, private keys in PEM, JSON Web Tokens, passwords in URLs, `Authorization`
/// headers, and values that look random and are assigned to what is called a key, a secret, a token or a password. It looks into
/// every string of a value, names of members included, but for the members that an item's key is made of.
///
/// A text that grows is sent as it grows. A token that is not finished at its end is masked too, if its beginning is one that
/// only tokens have; of others, such as a password in a URL, the first characters may have been sent before the rest made
/// them known for what they are.
#[derive(Clone, Default)]
pub struct Redactor(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    hashes: RandomState,
    seen: HashSet<u64>,
    by_rule: BTreeMap<&'static str, u64>,
}

/// Number of different secrets that were masked so far, by rule. It never holds the secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Masked {
    /// Number of secrets by the name of their rule; rules that found no secret are left out.
    pub by_rule: BTreeMap<&'static str, u64>,
}

impl Masked {
    /// Number of secrets by all rules together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_rule.values().sum()
    }
}

impl fmt::Display for Masked {
    /// Writes each rule with its number, such as `aws-access-key-id 1, github-token 2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (rule, count)) in self.by_rule.iter().enumerate() {
            write!(f, "{}{rule} {count}", if n == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Redactor").field(&self.masked().by_rule).finish()
    }
}

/// A part of a text that is to be masked, from byte `from` up to byte `to`.
struct Span {
    from: usize,
    to: usize,
    rule: &'static str,
}

impl Redactor {
    /// A redactor that has masked nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The names of all rules.
    pub fn rules() -> impl Iterator<Item = &'static str> {
        RULES.iter().map(|rule| rule.id)
    }

    /// Number of secrets that were masked so far, by rule.
    #[must_use]
    pub fn masked(&self) -> Masked {
        Masked { by_rule: self.0.lock().unwrap_or_else(PoisonError::into_inner).by_rule.clone() }
    }

    /// The text with its secrets masked; `None` if it has none. `member` is the name of the object's member whose value the text
    /// is.
    fn mask(&self, text: &str, member: Option<&str>) -> Option<String> {
        let mut spans = found_in(text);
        if spans.is_empty() && member.is_some_and(says_secret) && text.len() >= ASSIGNED_BYTES_MIN && is_one_word(text)
        {
            spans.push(Span { from: 0, to: text.len(), rule: ASSIGNED });
        }
        if spans.is_empty() {
            return None;
        }
        // The sort is stable: of those that begin together the rule that stands first counts.
        spans.sort_by_key(|span| span.from);
        let (mut masked, mut copied) = (String::with_capacity(text.len()), 0);
        for Span { from, to, rule } in spans {
            if from >= copied {
                self.count(rule, &text[from..to]);
                masked.push_str(&text[copied..from]);
                masked.push_str("[redacted:");
                masked.push_str(rule);
                masked.push(']');
            }
            copied = copied.max(to);
        }
        masked.push_str(&text[copied..]);
        Some(masked)
    }

    fn count(&self, rule: &'static str, secret: &str) {
        if rule == UNFINISHED.id {
            // It will be counted when it is there.
            return;
        }
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = counts.hashes.hash_one(secret);
        if counts.seen.len() < TOLD_APART_MAX && counts.seen.insert(hash) {
            *counts.by_rule.entry(rule).or_default() += 1;
        }
    }
}

/// Bytes of the shortest value that counts as a secret because of its member's name.
const ASSIGNED_BYTES_MIN: usize = 12;

/// Whether a text is a single word that looks random.
fn is_one_word(text: &str) -> bool {
    text.len() <= 512 && text.bytes().all(|byte| byte.is_ascii_graphic()) && looks_random(text)
}

impl Redact for Redactor {
    fn redact(&self, json: &str) -> Option<String> {
        // An escape may hide a word; few texts have such that letters are written in.
        if !words().is_match(json) && !json.contains("\\u00") && !json.contains("\\/") {
            return None;
        }
        strings::replace(
            json,
            |Found { text, member, is_id }| {
                if *is_id { None } else { self.mask(text, member.as_deref()) }
            },
        )
    }
}

/// Finds the words of all rules in a text, in one pass.
fn words() -> &'static AhoCorasick {
    static WORDS: OnceLock<AhoCorasick> = OnceLock::new();
    WORDS.get_or_init(|| {
        let words = RULES.iter().flat_map(|rule| rule.words);
        #[expect(clippy::expect_used, reason = "a few hundred bytes of constants")]
        AhoCorasick::builder()
            .ascii_case_insensitive(true)
            // Some 200 kB, and twice as fast as what is taken by itself for as many words.
            .kind(Some(AhoCorasickKind::DFA))
            .build(words)
            .expect("an automaton")
    })
}

/// The index of the rule that a word of [`words`] belongs to.
fn rule_of(word: usize) -> Option<usize> {
    static RULE_OF: OnceLock<Vec<usize>> = OnceLock::new();
    let rules = RULE_OF
        .get_or_init(|| RULES.iter().enumerate().flat_map(|(at, rule)| rule.words.iter().map(move |_| at)).collect());
    rules.get(word).copied()
}

/// The parts of a text that the rules find; they may overlap.
fn found_in(text: &str) -> Vec<Span> {
    let mut to_try = [false; RULES.len()];
    for word in words().find_overlapping_iter(text) {
        if let Some(rule) = rule_of(word.pattern().as_usize())
            && !to_try[rule]
        {
            to_try[rule] = RULES[rule].id != ASSIGNED || is_assigned(text, word.end());
        }
    }
    let mut spans = Vec::new();
    if to_try.contains(&true) {
        let rules = RULES.iter().zip(to_try).filter(|(_, to_try)| *to_try).map(|(rule, _)| rule);
        rules.for_each(|rule| find(rule, text, 0, &mut spans));
        find(&UNFINISHED, text, last_word(text), &mut spans);
    }
    spans
}

/// Bytes between a word of the rule for assignments and the sign of the assignment: the rest of the name, quotes, blanks.
const BEFORE_SIGN_BYTES_MAX: usize = "_key".len() + 8 + 3;

/// Whether a word that ends here may be part of the name of what something is assigned to. Many texts have these words, and the search for
/// the rule takes longer than those for all others.
fn is_assigned(text: &str, end: usize) -> bool {
    text.bytes().skip(end).take(BEFORE_SIGN_BYTES_MAX + 1).any(|byte| matches!(byte, b':' | b'='))
}

/// Where the characters begin, at the end of a text, of which all tokens are made that may not be finished.
fn last_word(text: &str) -> usize {
    let is_none = |byte: u8| !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'-' | b'.');
    text.bytes().rposition(is_none).map_or(0, |at| at + 1)
}

/// Finds what a rule finds in a text from a position on.
fn find(rule: &'static Rule, text: &str, from: usize, spans: &mut Vec<Span>) {
    let Some(regex) = rule.regex() else { return };
    let text = text.get(from..).unwrap_or_default();
    for found in regex.captures_iter(text.as_bytes()) {
        let Some(secret) = found.get(1).or_else(|| found.get(0)) else { continue };
        // Patterns begin and end at ASCII, so this is a piece of the text.
        let Some(shown) = text.get(secret.range()) else { continue };
        let stands_for_one = shown.starts_with(['$', '<', '{', '*']) || shown.starts_with("[redacted:");
        if !stands_for_one && (!rule.random || looks_random(shown)) {
            spans.push(Span { from: from + secret.start(), to: from + secret.end(), rule: rule.id });
        }
    }
}
