//! The face, item by item.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Fields, ImplItem, Item, Type, Visibility};

use super::source::{Leads, Module, Sources, brought};
use super::text::{is_shown, marks, written};

/// Where nothing has to be said about a type: it is of the language.
const STANDARD: [&str; 4] = ["std", "core", "alloc", "Self"];

/// An item of this crate: where it is defined, and its name there.
type Home = (Module, String);

/// What the face consists of.
pub(super) struct Face {
    sources: Sources,
    /// The `impl` blocks of each type, with the modules that they stand in.
    impls: BTreeMap<Home, Vec<(Module, syn::ItemImpl)>>,
    /// Each item by its names on the face.
    names: BTreeMap<String, Home>,
    lines: BTreeSet<String>,
    foreign: BTreeMap<String, BTreeSet<String>>,
    /// What the face names of this crate, and where.
    named: BTreeSet<(String, Home)>,
}

impl Face {
    /// The face of this crate.
    pub(super) fn read() -> Self {
        let texts = texts(&root().join("src"));
        Self::over(Sources::of(texts.iter().map(|(module, text)| (module.clone(), text.as_str()))))
    }

    /// The face of these texts of modules.
    pub(super) fn of(texts: &[(&str, &str)]) -> Self {
        let module = |name: &str| name.split('/').map(str::to_owned).collect();
        Self::over(Sources::of(texts.iter().map(|(name, text)| (module(name), *text))))
    }

    /// The lines of the file, in order.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }

    /// The crates of others that the face names, each with where.
    pub(super) fn foreign(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.foreign.clone()
    }

    /// What the face names and nobody who uses it can name.
    pub(super) fn unseen(&self) -> Vec<String> {
        let homes: BTreeSet<&Home> = self.names.values().collect();
        let unseen = self.named.iter().filter(|(_, home)| !homes.contains(home));
        unseen.map(|(at, (module, name))| format!("{at} names {}::{name}", module.join("::"))).collect()
    }

    fn over(sources: Sources) -> Self {
        let mut names = BTreeMap::new();
        walk(&sources, &[], "", &mut names);
        let (lines, foreign, named) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
        let impls = impls(&sources);
        let mut face = Self { sources, impls, names, lines, foreign, named };
        for (name, (module, item)) in face.names.clone() {
            face.show(&name, &module, &item);
        }
        face
    }

    fn show(&mut self, name: &str, module: &Module, item: &str) {
        let Some(item) = self.sources.item(module, item).cloned() else { return };
        match &item {
            Item::Struct(item) => {
                let mut public = 0;
                for (number, field) in item.fields.iter().enumerate() {
                    if matches!(field.vis, Visibility::Public(_)) && is_shown(&field.attrs) {
                        let of = field.ident.as_ref().map_or_else(|| number.to_string(), ToString::to_string);
                        self.line(
                            name,
                            module,
                            &marks(&field.attrs),
                            &format!("pub {of}: {}", written(&field.ty)),
                            &field.ty,
                        );
                        public += 1;
                    }
                }
                let kind = format!("struct{}", written(&item.generics));
                let private = if public < item.fields.len() { ", with private fields" } else { "" };
                self.head(name, &item.attrs, &format!("{kind}{private}"));
            }
            Item::Enum(item) => {
                for variant in item.variants.iter().filter(|variant| is_shown(&variant.attrs)) {
                    let mut plain = variant.clone();
                    plain.attrs.clear();
                    if let Fields::Named(fields) = &mut plain.fields {
                        fields.named.iter_mut().for_each(|field| field.attrs.clear());
                    }
                    plain.fields.iter_mut().for_each(|field| field.attrs.clear());
                    self.line(name, module, &marks(&variant.attrs), &written(&plain), &plain);
                }
                self.head(name, &item.attrs, &format!("enum{}", written(&item.generics)));
            }
            Item::Trait(item) => {
                for member in &item.items {
                    if let syn::TraitItem::Fn(member) = member
                        && is_shown(&member.attrs)
                    {
                        let given = if member.default.is_some() { ", given" } else { "" };
                        self.line(
                            name,
                            module,
                            &marks(&member.attrs),
                            &format!("{}{given}", written(&member.sig)),
                            &member.sig,
                        );
                    }
                }
                let above = if item.supertraits.is_empty() {
                    String::new()
                } else {
                    format!(": {}", written(&item.supertraits))
                };
                self.head(name, &item.attrs, &format!("trait{}{above}", written(&item.generics)));
            }
            Item::Fn(item) => {
                let (of, _) = name.rsplit_once("::").unwrap_or_default();
                self.refer(name, module, &item.sig);
                self.lines.insert(format!("{of}: {}pub {}", prefix(&marks(&item.attrs)), written(&item.sig)));
            }
            Item::Const(item) => {
                self.line(name, module, &marks(&item.attrs), &format!("const: {}", written(&item.ty)), &item.ty)
            }
            Item::Type(item) => {
                self.line(
                    name,
                    module,
                    &marks(&item.attrs),
                    &format!("type{} = {}", written(&item.generics), written(&item.ty)),
                    &item.ty,
                );
            }
            _ => {}
        }
        if matches!(item, Item::Struct(_) | Item::Enum(_)) {
            self.show_impls(name, module, &item);
        }
    }

    fn show_impls(&mut self, name: &str, home: &Module, item: &Item) {
        let (ident, attrs) = match item {
            Item::Struct(item) => (item.ident.to_string(), &item.attrs),
            Item::Enum(item) => (item.ident.to_string(), &item.attrs),
            _ => return,
        };
        let mut traits: BTreeSet<String> = derived(attrs);
        let impls = self.impls.get(&(home.clone(), ident)).cloned().unwrap_or_default();
        for (module, item) in impls {
            if let Some((_, of, _)) = &item.trait_ {
                if self.is_inside(&module, of) {
                    continue;
                }
                traits.insert(of.segments.last().map(written).unwrap_or_default());
                let foreign = self.named_in(&module, of);
                self.note_foreign(name, foreign);
                continue;
            }
            for member in &item.items {
                let (vis, attrs, text) = match member {
                    ImplItem::Fn(member) => (&member.vis, &member.attrs, written(&member.sig)),
                    ImplItem::Const(member) => {
                        (&member.vis, &member.attrs, format!("const {}: {}", member.ident, written(&member.ty)))
                    }
                    _ => continue,
                };
                if matches!(vis, Visibility::Public(_)) && is_shown(attrs) {
                    let marks: Vec<_> = marks(&item.attrs).into_iter().chain(marks(attrs)).collect();
                    self.lines.insert(format!("{name}: {}pub {text}", prefix(&marks)));
                    match member {
                        ImplItem::Fn(member) => self.refer(name, &module, &member.sig),
                        ImplItem::Const(member) => self.refer(name, &module, &member.ty),
                        _ => {}
                    }
                }
            }
        }
        if !traits.is_empty() {
            self.lines.insert(format!("{name}: is {}", traits.into_iter().collect::<Vec<_>>().join(", ")));
        }
    }

    fn head(&mut self, name: &str, attrs: &[syn::Attribute], kind: &str) {
        let marks = marks(attrs);
        let marks = if marks.is_empty() { String::new() } else { format!(", {}", marks.join(", ")) };
        self.lines.insert(format!("{name}: {kind}{marks}"));
    }

    fn line(&mut self, name: &str, module: &Module, marks: &[String], text: &str, refers: &impl quote::ToTokens) {
        self.refer(name, module, refers);
        self.lines.insert(format!("{name}: {}{text}", prefix(marks)));
    }

    /// Notes what a piece of the face names.
    fn refer(&mut self, at: &str, module: &Module, tokens: &impl quote::ToTokens) {
        let leads = self.named_in(module, tokens);
        for lead in &leads {
            if let Leads::Item(module, name) = lead {
                self.named.insert((at.to_owned(), (module.clone(), name.clone())));
            }
        }
        self.note_foreign(at, leads);
    }

    /// Whether a trait is one of this crate that nobody who uses it can name.
    fn is_inside(&self, module: &Module, of: &syn::Path) -> bool {
        let Some(Leads::Item(module, name)) = self.sources.resolve(module, &names(of)) else { return false };
        let home = (module, name);
        !self.names.values().any(|shown| *shown == home)
    }

    /// Where the paths in a signature, a type, a variant or a trait lead.
    fn named_in(&self, module: &Module, tokens: &impl quote::ToTokens) -> Vec<Leads> {
        let mut paths = Paths::default();
        let tokens = tokens.to_token_stream();
        if let Ok(sig) = syn::parse2::<syn::Signature>(tokens.clone()) {
            paths.visit_signature(&sig);
        } else if let Ok(ty) = syn::parse2::<Type>(tokens.clone()) {
            paths.visit_type(&ty);
        } else if let Ok(variant) = syn::parse2::<syn::Variant>(tokens) {
            paths.visit_variant(&variant);
        }
        let own = paths.seen.iter().filter(|path| !paths.generic.contains(&path[0]));
        own.filter_map(|path| self.sources.resolve(module, path)).collect()
    }

    fn note_foreign(&mut self, at: &str, leads: Vec<Leads>) {
        for lead in leads {
            // What nothing brings in is of the language, and begins with a capital letter or is a primitive.
            if let Leads::Crate(name) = lead
                && !STANDARD.contains(&name.as_str())
                && !name.starts_with(char::is_uppercase)
                && !is_primitive(&name)
            {
                self.foreign.entry(name).or_default().insert(at.to_owned());
            }
        }
    }
}

/// The folder of capshare.
pub(super) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The library's sources, by their modules.
fn texts(src: &Path) -> Vec<(Module, String)> {
    let (mut folders, mut texts) = (vec![src.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(src).unwrap().with_extension("");
                let module: Module = inside.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
                if !["cli", "main"].contains(&module[0].as_str()) {
                    texts.push((module, std::fs::read_to_string(path).unwrap()));
                }
            }
        }
    }
    assert!(texts.len() > 50, "{}", texts.len());
    texts
}

fn is_primitive(name: &str) -> bool {
    let numbers =
        ["f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128", "usize"];
    numbers.contains(&name) || ["bool", "char", "str"].contains(&name)
}

fn prefix(marks: &[String]) -> String {
    if marks.is_empty() { String::new() } else { format!("[{}] ", marks.join(", ")) }
}

/// The names of a path.
fn names(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

fn derived(attrs: &[syn::Attribute]) -> BTreeSet<String> {
    let derives = attrs.iter().filter(|attr| attr.path().is_ident("derive"));
    let inside = derives.map(|attr| written(attr).trim_start_matches("#[derive(").trim_end_matches(")]").to_owned());
    inside
        .flat_map(|list| list.split(", ").map(|of| of.rsplit("::").next().unwrap_or(of).to_owned()).collect::<Vec<_>>())
        .collect()
}

/// Gathers what a module of the face makes public, by the name that it has there.
fn walk(sources: &Sources, module: &[String], at: &str, names: &mut BTreeMap<String, Home>) {
    let Some(items) = sources.modules.get(module) else { return };
    for item in items {
        let (vis, attrs, ident) = match item {
            Item::Const(item) => (&item.vis, &item.attrs, &item.ident),
            Item::Enum(item) => (&item.vis, &item.attrs, &item.ident),
            Item::Fn(item) => (&item.vis, &item.attrs, &item.sig.ident),
            Item::Struct(item) => (&item.vis, &item.attrs, &item.ident),
            Item::Trait(item) => (&item.vis, &item.attrs, &item.ident),
            Item::Type(item) => (&item.vis, &item.attrs, &item.ident),
            Item::Mod(item) => (&item.vis, &item.attrs, &item.ident),
            Item::Use(item) if is_shown(&item.attrs) && matches!(item.vis, Visibility::Public(_)) => {
                for brought in brought(std::slice::from_ref(&Item::Use(item.clone()))) {
                    let name = below(at, &brought.name);
                    match sources.resolve(module, &brought.path) {
                        Some(Leads::Item(home, item)) => drop(names.insert(name, (home, item))),
                        Some(Leads::Module(inner)) => walk(sources, &inner, &name, names),
                        Some(Leads::Crate(_)) | None => {}
                    }
                }
                continue;
            }
            _ => continue,
        };
        if !matches!(vis, Visibility::Public(_)) || !is_shown(attrs) {
            continue;
        }
        let name = below(at, &ident.to_string());
        if matches!(item, Item::Mod(_)) {
            let inner: Module = module.iter().cloned().chain([ident.to_string()]).collect();
            walk(sources, &inner, &name, names);
        } else {
            names.insert(name, (module.to_vec(), ident.to_string()));
        }
    }
}

fn below(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}::{name}") }
}

/// The `impl` blocks of each type of this crate.
fn impls(sources: &Sources) -> BTreeMap<Home, Vec<(Module, syn::ItemImpl)>> {
    let mut impls = BTreeMap::<Home, Vec<_>>::new();
    for (module, items) in &sources.modules {
        for item in items {
            if let Item::Impl(item) = item
                && is_shown(&item.attrs)
                && let Type::Path(of) = &*item.self_ty
                && let Some(Leads::Item(home, name)) = sources.resolve(module, &names(&of.path))
            {
                impls.entry((home, name)).or_default().push((module.clone(), item.clone()));
            }
        }
    }
    impls
}

/// The paths that a piece of code names.
#[derive(Default)]
struct Paths {
    seen: BTreeSet<Vec<String>>,
    generic: BTreeSet<String>,
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.seen.insert(names(path));
        visit::visit_path(self, path);
    }

    fn visit_type_param(&mut self, param: &'ast syn::TypeParam) {
        self.generic.insert(param.ident.to_string());
        visit::visit_type_param(self, param);
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    // A pattern's name is no path of a type.
    fn visit_pat(&mut self, _: &'ast syn::Pat) {}
}
