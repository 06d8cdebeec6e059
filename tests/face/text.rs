//! What of an item is shown, and how it is written.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Item, ItemMacro};

/// Whether a documentation of all features shows what has these attributes.
pub(super) fn is_shown(attrs: &[Attribute]) -> bool {
    attrs.iter().map(written).all(|attr| {
        let is_private =
            attr.starts_with("#[cfg(") && ["fuzzing", "__mutations", "doctest"].iter().any(|word| attr.contains(word));
        attr != "#[doc(hidden)]" && attr != "#[cfg(test)]" && !is_private
    })
}

/// What an attribute says to who uses the item: which it is, such as `must_use`.
pub(super) fn marks(attrs: &[Attribute]) -> Vec<String> {
    let marks = attrs.iter().filter_map(|attr| {
        let name = attr.path().get_ident()?.to_string();
        match name.as_str() {
            "must_use" | "non_exhaustive" => Some(name),
            "cfg" => Some(written(attr).trim_start_matches("#[cfg(").trim_end_matches(")]").to_owned()),
            _ => None,
        }
    });
    marks.collect()
}

/// Tokens in one line, with spaces as a person writes them.
pub(super) fn written(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string().replace('\n', " ");
    for (from, to) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        ("& ", "&"),
        (" ,", ","),
        ("( ", "("),
        (" )", ")"),
        (" (", "("),
        ("[ ", "["),
        (" ]", "]"),
        (" :", ":"),
        ("# [", "#["),
        ("->(", "-> ("),
        (",(", ", ("),
        ("=(", "= ("),
        (",)", ")"),
        (", }", " }"),
        ("? ", "?"),
        ("mut self", "self"),
        (", >", ">"),
        (",>", ">"),
    ] {
        text = text.replace(from, to);
    }
    text
}

/// Items with what their macros make of them, as far as the face needs it: names that a macro is given.
pub(super) fn expanded(items: Vec<Item>) -> Vec<Item> {
    let macros: Vec<(String, TokenStream)> = items.iter().filter_map(definition).collect();
    let mut all = Vec::new();
    for item in items {
        if let Item::Macro(call) = &item
            && call.ident.is_none()
            && let Some((_, body)) = macros.iter().find(|(name, _)| call.mac.path.is_ident(name))
        {
            all.extend(made(call, body));
        } else {
            all.push(item);
        }
    }
    all
}

/// The name of a macro and what its first rule makes.
fn definition(item: &Item) -> Option<(String, TokenStream)> {
    let Item::Macro(ItemMacro { ident: Some(name), mac, .. }) = item else { return None };
    let body = mac.tokens.clone().into_iter().filter_map(|token| match token {
        TokenTree::Group(group) => Some(group.stream()),
        _ => None,
    });
    Some((name.to_string(), plain(body.last()?)))
}

/// What a rule makes without its repetitions.
fn plain(tokens: TokenStream) -> TokenStream {
    let mut kept = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if is(Some(&token), &['$']) && matches!(tokens.peek(), Some(TokenTree::Group(_))) {
            tokens.next();
            while !is(tokens.peek(), &['*', '+', '?']) {
                tokens.next();
            }
            tokens.next();
        } else if let TokenTree::Group(group) = token {
            let inner = plain(group.stream());
            kept.push(TokenTree::Group(Group::new(group.delimiter(), inner)));
        } else {
            kept.push(token);
        }
    }
    kept.into_iter().collect()
}

/// The items that a call of a macro makes: its first name takes the place of `$type`, and names before a `=` become variants. A macro
/// that wants more is of no item on the face.
fn made(call: &ItemMacro, body: &TokenStream) -> Vec<Item> {
    let tokens: Vec<_> = call.mac.tokens.clone().into_iter().collect();
    let name = |token: &TokenTree| if let TokenTree::Ident(name) = token { Some(name.clone()) } else { None };
    let Some(first) = tokens.iter().find_map(name) else { return Vec::new() };
    let pairs = tokens.windows(2).filter(|pair| is(Some(&pair[1]), &['=']));
    let variants: Vec<syn::Variant> =
        pairs.filter_map(|pair| syn::parse_str(&name(&pair[0])?.to_string()).ok()).collect();
    let mut items =
        syn::parse2::<syn::File>(given(body.clone(), &first)).map_or_else(|_| Vec::new(), |file| file.items);
    for item in &mut items {
        if let Item::Enum(item) = item {
            item.variants.extend(variants.clone());
        }
    }
    items
}

/// What a rule makes with a name for `$type`, and nothing for all else that it is given.
fn given(tokens: TokenStream, name: &Ident) -> TokenStream {
    let mut made = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if is(Some(&token), &['$'])
            && let Some(TokenTree::Ident(of)) = tokens.next_if(|token| matches!(token, TokenTree::Ident(_)))
        {
            let nothing = || TokenTree::Group(Group::new(Delimiter::Parenthesis, TokenStream::new()));
            made.extend([if of == "type" { TokenTree::Ident(name.clone()) } else { nothing() }]);
        } else if let TokenTree::Group(group) = token {
            made.extend([TokenTree::Group(Group::new(group.delimiter(), given(group.stream(), name)))]);
        } else {
            made.extend([token]);
        }
    }
    made
}

fn is(token: Option<&TokenTree>, of: &[char]) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if of.contains(&punct.as_char()))
}
