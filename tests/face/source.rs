//! The sources as trees, and where a path in one of them leads.

use std::collections::BTreeMap;

use syn::{Item, UseTree};

use super::text::{expanded, is_shown, written};

/// A module by its names from the top.
pub(super) type Module = Vec<String>;

/// What a name in a module stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Leads {
    /// To an item that is defined in this crate.
    Item(Module, String),
    /// To a module of this crate.
    Module(Module),
    /// To another crate: its name.
    Crate(String),
}

/// All modules with their items.
pub(super) struct Sources {
    pub(super) modules: BTreeMap<Module, Vec<Item>>,
}

/// A name that a `use` brings in.
pub(super) struct Brought {
    pub(super) name: String,
    pub(super) path: Vec<String>,
}

impl Sources {
    /// Reads texts of modules, such as `host/inner`.
    pub(super) fn of<'a>(texts: impl IntoIterator<Item = (Module, &'a str)>) -> Self {
        let mut sources = Self { modules: BTreeMap::new() };
        for (module, text) in texts {
            let module = if module == ["lib"] { Module::new() } else { module };
            let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{module:?}: {error}"));
            sources.take(module, file.items);
        }
        sources
    }

    fn take(&mut self, module: Module, items: Vec<Item>) {
        let items = expanded(items);
        for item in &items {
            if let Item::Mod(inner) = item
                && let Some((_, items)) = &inner.content
                && is_shown(&inner.attrs)
            {
                let mut name = module.clone();
                name.push(inner.ident.to_string());
                self.take(name, items.clone());
            }
        }
        self.modules.entry(module).or_default().extend(items);
    }

    /// Where a path leads that stands in a module.
    pub(super) fn resolve(&self, module: &[String], path: &[String]) -> Option<Leads> {
        let (first, rest) = path.split_first()?;
        let start = match first.as_str() {
            "crate" => Leads::Module(Module::new()),
            "self" => Leads::Module(module.to_vec()),
            "super" => Leads::Module(module[..module.len().checked_sub(1)?].to_vec()),
            name => self.find(module, name, 0).unwrap_or_else(|| Leads::Crate(name.to_owned())),
        };
        self.follow(start, rest)
    }

    fn follow(&self, start: Leads, rest: &[String]) -> Option<Leads> {
        rest.iter().try_fold(start, |at, name| match at {
            Leads::Module(module) if name == "super" => {
                Some(Leads::Module(module[..module.len().checked_sub(1)?].to_vec()))
            }
            Leads::Module(module) => self.find(&module, name, 0),
            // A variant, or something that belongs to a type.
            at @ (Leads::Item(..) | Leads::Crate(_)) => Some(at),
        })
    }

    /// What a name stands for in a module.
    pub(super) fn find(&self, module: &[String], name: &str, depth: usize) -> Option<Leads> {
        // Uses of uses of uses end.
        if depth > 8 {
            return None;
        }
        let inner: Module = module.iter().cloned().chain([name.to_owned()]).collect();
        if self.modules.contains_key(&inner) {
            return Some(Leads::Module(inner));
        }
        let items = self.modules.get(module)?;
        if items.iter().any(|item| name_of(item).is_some_and(|of| of == name)) {
            return Some(Leads::Item(module.to_vec(), name.to_owned()));
        }
        let brought = brought(items).into_iter().find(|brought| brought.name == name)?;
        let (first, rest) = brought.path.split_first()?;
        let start = match first.as_str() {
            "crate" => Leads::Module(Module::new()),
            "self" => Leads::Module(module.to_vec()),
            "super" => Leads::Module(module[..module.len().checked_sub(1)?].to_vec()),
            first if first == name && rest.is_empty() => Leads::Crate(first.to_owned()),
            first => self.find(module, first, depth + 1).unwrap_or_else(|| Leads::Crate(first.to_owned())),
        };
        self.follow(start, rest)
    }

    /// The item of a name that is defined in a module.
    pub(super) fn item(&self, module: &[String], name: &str) -> Option<&Item> {
        self.modules.get(module)?.iter().find(|item| name_of(item).is_some_and(|of| of == name))
    }
}

/// The names that the `use` statements of a module bring in.
pub(super) fn brought(items: &[Item]) -> Vec<Brought> {
    let mut all = Vec::new();
    for item in items {
        if let Item::Use(item) = item
            && !item.attrs.iter().any(|attr| written(attr) == "#[cfg(test)]")
        {
            leaves(&item.tree, &mut Vec::new(), &mut all);
        }
    }
    all
}

fn leaves(tree: &UseTree, before: &mut Vec<String>, all: &mut Vec<Brought>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            leaves(&path.tree, before, all);
            before.pop();
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            let path: Vec<String> = before.iter().cloned().chain((name != "self").then(|| name.clone())).collect();
            let name = path.last().cloned().unwrap_or_default();
            all.push(Brought { name, path });
        }
        UseTree::Rename(rename) => {
            let path = before.iter().cloned().chain([rename.ident.to_string()]).collect();
            all.push(Brought { name: rename.rename.to_string(), path });
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, before, all)),
        UseTree::Glob(_) => {}
    }
}

/// The name of an item that defines one.
fn name_of(item: &Item) -> Option<String> {
    Some(
        match item {
            Item::Const(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Fn(item) => &item.sig.ident,
            Item::Static(item) => &item.ident,
            Item::Struct(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::Type(item) => &item.ident,
            _ => return None,
        }
        .to_string(),
    )
}
