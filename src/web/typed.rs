//! Types that travel: what each is called in TypeScript, how it is taken out of a call's arguments, and how it is given in an answer.
//!
//! A type that has members is declared once, in `web/shapes.rs`, and both the declarations for TypeScript and what the door
//! really takes and gives come from that.

use std::fmt::Write as _;

use crate::capnweb::Value;
use crate::share::error::Refusal;
use crate::web::caller::Caller;

/// A type with a name in TypeScript.
pub(super) trait Typed {
    /// The type as it stands in a declaration.
    fn name() -> String;

    /// Whether an argument or member of this type may be left out.
    const IS_OPTIONAL: bool = false;

    /// Declares the types that it is made of.
    fn declare(_to: &mut Declared) {}
}

/// A type that calls take.
pub(super) trait Taken: Typed + Sized {
    /// The value of this type.
    ///
    /// # Errors
    /// It is another one's.
    fn take(value: Value) -> Result<Self, Wrong>;
}

/// A type that answers give.
pub(super) trait Given: Typed {
    /// The value as it travels.
    fn give(self, caller: &Caller) -> Value;
}

/// What is wrong with an argument.
#[derive(Debug)]
pub(super) enum Wrong {
    /// It has another type than is wanted, at this place inside it.
    Type { place: String, wanted: &'static str },
    /// It is refused for another reason.
    Refused(Refusal),
}

impl Wrong {
    pub(super) const fn wanted(wanted: &'static str) -> Self {
        Self::Type { place: String::new(), wanted }
    }

    /// The error of a member or element, as the error of what it is in.
    pub(super) fn inside(self, outer: &str) -> Self {
        match self {
            Self::Type { place, wanted } => Self::Type { place: format!(".{outer}{place}"), wanted },
            Self::Refused(refusal) => Self::Refused(refusal),
        }
    }

    /// The refusal of a call for this argument of it.
    pub(super) fn of(self, method: &str, argument: &str) -> Refusal {
        match self {
            Self::Type { place, wanted } => {
                Refusal::invalid(0, format!("{method}: the argument {argument}{place} must be {wanted}"))
            }
            Self::Refused(Refusal::InvalidInput { index, reason }) => {
                Refusal::invalid(index, format!("{method}: the argument {argument}: {reason}"))
            }
            Self::Refused(refusal) => refusal,
        }
    }
}

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Declarations of TypeScript, each once, in the order in which they were first needed.
#[derive(Debug, Default)]
pub(super) struct Declared(Vec<(&'static str, String)>);

/// A member of a declared type.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) docs: &'static [&'static str],
    pub(super) kind: String,
    pub(super) is_optional: bool,
}

impl Declared {
    /// Declares a type by its text, unless it is declared already; gives whether it was not.
    pub(super) fn put(&mut self, name: &'static str, docs: &[&str], text: &str) -> bool {
        if self.0.iter().any(|(other, _)| *other == name) {
            return false;
        }
        let mut out = String::new();
        comment(&mut out, "", docs);
        out.push_str(text);
        out.push('\n');
        self.0.push((name, out));
        true
    }

    /// Declares an interface of data by its members, unless it is declared already; gives whether it was not.
    pub(super) fn members(&mut self, name: &'static str, docs: &[&str], members: &[Member]) -> bool {
        let mut text = format!("export interface {name} {{\n");
        for Member { name, docs, kind, is_optional } in members {
            comment(&mut text, "  ", docs);
            let _ = writeln!(text, "  {name}{}: {kind};", if *is_optional { "?" } else { "" });
        }
        text.push('}');
        self.put(name, docs, &text)
    }

    /// All of them.
    pub(super) fn text(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n")
    }
}

/// Writes a comment of these lines.
pub(super) fn comment(out: &mut String, indent: &str, docs: &[&str]) {
    let lines: Vec<&str> = docs.iter().map(|line| line.trim()).collect();
    if !lines.is_empty() {
        let text = lines.join(&format!("\n{indent} * ")).replace("* \n", "*\n");
        let _ = writeln!(out, "{indent}/** {text} */");
    }
}
