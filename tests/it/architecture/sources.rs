//! The Rust sources below `src`, and which of them uses which.
//!
//! A use is a path that code names: in a `use` statement, trees of them taken apart, or in the middle of a line. Paths begin at `crate`
//! (in the program also at `capshare` and `capshare::__internal`), `self`, `super`, or the name of a module within. What is made public again by a module
//! (`pub use`) counts as the module that it comes from, and is no use by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module by its names from the top, such as `rooms`, `room`, `queue`.
pub(super) type Module = Vec<String>;

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A Rust source.
pub(super) struct Source {
    pub(super) module: Module,
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Source {
    /// The code: without comments, and without its unit tests, which may use anything.
    pub(super) fn code(&self) -> String {
        let text = self.text.split("#[cfg(test)]\nmod tests").next().unwrap_or(&self.text);
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    }

    /// The module of the house that it belongs to.
    pub(super) fn top(&self) -> &str {
        &self.module[0]
    }

    /// Its path below the package.
    pub(super) fn name(&self) -> String {
        self.path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned()
    }
}

/// Every Rust source below a folder of the package.
pub(super) fn sources_below(folder: &str) -> Vec<Source> {
    let base = root().join(folder);
    let (mut folders, mut sources) = (vec![base.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(&base).unwrap().with_extension("");
                let module = inside.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
                let text = std::fs::read_to_string(&path).unwrap();
                sources.push(Source { module, path, text });
            }
        }
    }
    sources
}

/// The sources of the library and the program.
pub(super) fn sources() -> Vec<Source> {
    let sources = sources_below("src");
    assert!(sources.len() > 50, "{}", sources.len());
    sources
}

/// Which modules each module names. Those of other crates are not among them.
pub(super) fn uses(sources: &[Source]) -> BTreeMap<Module, BTreeSet<Module>> {
    let modules: BTreeSet<&Module> = sources.iter().map(|source| &source.module).collect();
    let (mut again, mut named) = (BTreeMap::new(), Vec::new());
    for source in sources {
        let code = source.code();
        let (statements, rest) = statements(&code);
        let mut paths = Vec::new();
        for statement in statements {
            for leaf in leaves(&statement.tree) {
                let Some(path) = absolute(&leaf, &source.module, &modules) else { continue };
                if statement.is_public && path.starts_with(&source.module) {
                    let mut name = source.module.clone();
                    name.extend(path.last().cloned());
                    again.insert(name, path);
                } else {
                    paths.push(path);
                }
            }
        }
        paths.extend(words(&rest).filter_map(|path| absolute(path, &source.module, &modules)));
        named.push((source.module.clone(), paths));
    }
    let module_of = |path: Module| {
        let path = original(path, &again);
        (1..=path.len()).rev().map(|length| path[..length].to_vec()).find(|module| modules.contains(module))
    };
    let of = |(module, paths): (Module, Vec<Module>)| {
        let used: BTreeSet<Module> = paths.into_iter().filter_map(module_of).filter(|used| *used != module).collect();
        (module, used)
    };
    named.into_iter().map(of).collect()
}

/// Where a path leads whose first names a module makes public again.
fn original(mut path: Module, again: &BTreeMap<Module, Module>) -> Module {
    // Each turn goes down one module, so it ends.
    for _ in 0..8 {
        let Some((length, to)) = (1..=path.len()).rev().find_map(|at| Some((at, again.get(&path[..at])?))) else {
            break;
        };
        path = to.iter().chain(&path[length..]).cloned().collect();
    }
    path
}

struct Statement {
    is_public: bool,
    /// What stands between `use` and its semicolon, without white space.
    tree: String,
}

/// The `use` statements of some code, and the code without them.
fn statements(code: &str) -> (Vec<Statement>, String) {
    let (mut statements, mut rest, mut open) = (Vec::new(), String::new(), None::<Statement>);
    for line in code.lines() {
        let trimmed = line.trim_start();
        let begins = ["use ", "pub use ", "pub(crate) use ", "pub(super) use ", "pub(in "];
        if open.is_none() && begins.iter().any(|begin| trimmed.starts_with(begin)) && trimmed.contains("use ") {
            let (before, tree) = trimmed.split_once("use ").unwrap();
            open = Some(Statement { is_public: before.starts_with("pub"), tree: tree.to_owned() });
        } else if let Some(statement) = &mut open {
            statement.tree.push_str(trimmed);
        } else {
            rest.push_str(line);
            rest.push('\n');
        }
        if let Some(statement) = open.take_if(|statement| statement.tree.contains(';')) {
            let tree = statement.tree.trim_end_matches(';').replace(" as ", "@").replace(char::is_whitespace, "");
            statements.push(Statement { tree, ..statement });
        }
    }
    (statements, rest)
}

/// The single paths of a tree such as `a::{b, c::{self, d}}`.
fn leaves(tree: &str) -> Vec<String> {
    let Some((before, inside)) = tree.split_once('{') else {
        return vec![tree.split('@').next().unwrap().to_owned()];
    };
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, letter) in inside.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                parts.push(&inside[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.flat_map(leaves).map(|leaf| format!("{before}{leaf}")).collect()
}

/// The paths of two names and more that stand in some code.
fn words(code: &str) -> impl Iterator<Item = &str> {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    code.split(move |letter| !is_word(letter)).filter(|word| word.contains("::")).map(|word| word.trim_matches(':'))
}

/// A path from the top; `None` if it leads to another crate.
fn absolute(path: &str, module: &Module, modules: &BTreeSet<&Module>) -> Option<Module> {
    let mut names = path.split("::").map(str::to_owned).peekable();
    let first = names.peek()?.clone();
    let mut base = match first.as_str() {
        "crate" | "capshare" => Module::new(),
        "self" | "super" => module.clone(),
        name => {
            let mut part = module.clone();
            part.push(name.to_owned());
            return modules.contains(&part).then(|| module.iter().cloned().chain(names).collect());
        }
    };
    while let Some(name) =
        names.next_if(|name| ["crate", "capshare", "__internal", "self", "super"].contains(&name.as_str()))
    {
        if name == "super" {
            base.pop();
        }
    }
    base.extend(names);
    Some(base)
}
