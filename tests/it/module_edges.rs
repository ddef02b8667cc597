//! Modules use each other in one direction: no two modules of one parent use each other, directly or by way of others.
//!
//! The modules of every crate are parsed, and each path in them is followed to the module that defines its item, through
//! re-exports. Code for tests is left out, and so are the bodies of macros. A parent and its own children may use each other.
//! The order of the engine's modules is the one that ARCHITECTURE.md shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use syn::meta::ParseNestedMeta;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree};

use crate::lab::root;

/// A module's names from the crate's root, which has none.
type Name = Vec<String>;

/// What one file or inline module holds.
#[derive(Default)]
struct Module {
    /// Paths that it names, as far as they may lead to a module of the crate.
    paths: Vec<Name>,
    /// Its imports by the name that they have here, re-exports among them.
    imports: BTreeMap<String, Name>,
    /// Modules of which it takes every name.
    globs: Vec<Name>,
}

/// The modules of a crate.
#[derive(Default)]
struct Crate {
    modules: BTreeMap<Name, Module>,
}

impl Crate {
    fn read(name: &str) -> Self {
        let source = root().join("crates").join(name).join("src");
        let mut this = Self::default();
        for start in ["lib.rs", "main.rs"] {
            let path = source.join(start);
            if path.is_file() {
                this.read_file(&path, &source, Vec::new());
            }
        }
        this
    }

    /// Reads a module's file; the files of its children are in `folder`.
    fn read_file(&mut self, path: &Path, folder: &Path, name: Name) {
        let text = fs::read_to_string(path).unwrap();
        let file =
            syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.read_items(&file.items, folder, name);
    }

    fn read_items(&mut self, items: &[Item], folder: &Path, name: Name) {
        let mut reader = Reader {
            at: &name,
            module: Module::default(),
        };
        let mut children = Vec::new();
        for item in items {
            match item {
                Item::Mod(child) if !is_for_tests(&child.attrs) => children.push(child),
                Item::Mod(_) => {}
                item => reader.visit_item(item),
            }
        }
        // A program and its library have one root here.
        let module = self.modules.entry(name.clone()).or_default();
        module.paths.append(&mut reader.module.paths);
        module.imports.append(&mut reader.module.imports);
        module.globs.append(&mut reader.module.globs);
        for child in children {
            self.read_child(child, folder, &name);
        }
    }

    fn read_child(&mut self, child: &ItemMod, folder: &Path, parent: &Name) {
        let mut name = parent.clone();
        name.push(child.ident.to_string());
        let inner = folder.join(child.ident.to_string());
        match &child.content {
            Some((_, items)) => self.read_items(items, &inner, name),
            None => {
                let files = [inner.with_extension("rs"), inner.join("mod.rs")];
                let file: &PathBuf =
                    files.iter().find(|file| file.is_file()).unwrap_or_else(|| {
                        panic!("{} has no file", inner.display());
                    });
                self.read_file(file, &inner, name);
            }
        }
    }

    /// The module that defines what `path` names as seen from `at`; none where that is not of this crate.
    fn defines(&self, at: &Name, path: &[String], depth: usize) -> Option<Name> {
        let (first, rest) = path.split_first()?;
        let (mut here, mut rest) = match first.as_str() {
            "crate" => (Vec::new(), rest),
            "self" => (at.clone(), rest),
            "super" => (at.split_last()?.1.to_vec(), rest),
            _ => (at.clone(), path),
        };
        while let Some((next, more)) = rest.split_first() {
            if next == "super" {
                here.pop()?;
                rest = more;
                continue;
            }
            let mut child = here.clone();
            child.push(next.clone());
            if self.modules.contains_key(&child) {
                (here, rest) = (child, more);
                continue;
            }
            return self.follow(&here, next, more, depth).or_else(|| {
                // A name that is neither a module nor an import is an item of the module, if the path began within the crate.
                (here != *at || matches!(first.as_str(), "crate" | "self" | "super"))
                    .then_some(here)
            });
        }
        Some(here)
    }

    /// Where an import of `here` leads to.
    fn follow(&self, here: &Name, name: &str, more: &[String], depth: usize) -> Option<Name> {
        // Imports of the same name may lead to each other.
        if depth == 8 {
            return None;
        }
        let module = self.modules.get(here)?;
        let mut path = module.imports.get(name)?.clone();
        path.extend_from_slice(more);
        self.defines(here, &path, depth + 1)
    }

    /// For each parent, which of its children use which, with a path that does so.
    fn edges(&self) -> BTreeMap<Name, BTreeMap<(String, String), String>> {
        let mut edges: BTreeMap<Name, BTreeMap<_, _>> = BTreeMap::new();
        for (from, module) in &self.modules {
            let imports = module.imports.values().chain(&module.globs);
            for path in module.paths.iter().chain(imports) {
                let Some(to) = self.defines(from, path, 0) else {
                    continue;
                };
                let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                if shared < from.len() && shared < to.len() {
                    let edge = (from[shared].clone(), to[shared].clone());
                    let reason = format!("{} uses {}", from.join("::"), path.join("::"));
                    edges
                        .entry(from[..shared].to_vec())
                        .or_default()
                        .entry(edge)
                        .or_insert(reason);
                }
            }
        }
        edges
    }
}

/// Gathers what a module names.
struct Reader<'a> {
    at: &'a Name,
    module: Module,
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Fn(it) => &it.attrs,
            Item::Impl(it) => &it.attrs,
            Item::Use(it) => &it.attrs,
            Item::Const(it) => &it.attrs,
            Item::Static(it) => &it.attrs,
            Item::Struct(it) => &it.attrs,
            Item::Enum(it) => &it.attrs,
            Item::Mod(it) => &it.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.import(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Name = path
            .segments
            .iter()
            .map(|it| it.ident.to_string())
            .collect();
        // A single name comes by an import or is of this module.
        if names.len() > 1 {
            self.module.paths.push(names);
        }
        visit::visit_path(self, path);
    }
}

impl Reader<'_> {
    fn import(&mut self, tree: &UseTree, path: &mut Name) {
        match tree {
            UseTree::Path(it) => {
                path.push(it.ident.to_string());
                self.import(&it.tree, path);
                path.pop();
            }
            UseTree::Name(it) => self.import_as(&it.ident.to_string(), &it.ident.to_string(), path),
            UseTree::Rename(it) => {
                self.import_as(&it.ident.to_string(), &it.rename.to_string(), path);
            }
            UseTree::Group(it) => {
                for tree in &it.items {
                    self.import(tree, path);
                }
            }
            UseTree::Glob(_) => self.module.globs.push(path.clone()),
        }
    }

    fn import_as(&mut self, name: &str, here: &str, path: &Name) {
        let mut path = path.clone();
        if name == "self" {
            let Some(last) = path.last().cloned() else {
                return;
            };
            self.module.imports.insert(last, path);
            return;
        }
        path.push(name.to_owned());
        // `use self::name` of an item with that name would lead to itself.
        if path != [here] || !self.at.is_empty() {
            self.module.imports.insert(here.to_owned(), path);
        }
    }
}

/// Whether a condition is `test`, or has it among others: `all(test, …)`, and `any(test, …)` for what the tests of other crates use too.
fn names_test(meta: &ParseNestedMeta<'_>) -> syn::Result<bool> {
    let mut is = meta.path.is_ident("test");
    if meta.path.is_ident("all") || meta.path.is_ident("any") {
        meta.parse_nested_meta(|inner| {
            is |= names_test(&inner)?;
            Ok(())
        })?;
    } else if meta.input.peek(syn::Token![=]) {
        meta.value()?.parse::<syn::Lit>()?;
    }
    Ok(is)
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let mut is = false;
        if attribute.path().is_ident("cfg") {
            let _ = attribute.parse_nested_meta(|meta| {
                is |= names_test(&meta)?;
                Ok(())
            });
        }
        is
    })
}

/// The modules that reach each other, each group in order.
fn circles(edges: &BTreeMap<(String, String), String>) -> Vec<BTreeSet<String>> {
    let reach = |from: &String| {
        let mut found = BTreeSet::new();
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            for (_, to) in edges.keys().filter(|(source, _)| source == at) {
                if found.insert(to.clone()) {
                    open.push(to);
                }
            }
        }
        found
    };
    let modules: BTreeSet<&String> = edges.keys().map(|(from, _)| from).collect();
    let reached: BTreeMap<&String, BTreeSet<String>> =
        modules.iter().map(|it| (*it, reach(it))).collect();
    let mut groups = BTreeSet::new();
    for module in &modules {
        if reached[module].contains(*module) {
            let group: BTreeSet<String> = reached[module]
                .iter()
                .filter(|it| reached.get(it).is_some_and(|back| back.contains(*module)))
                .cloned()
                .collect();
            groups.insert(group);
        }
    }
    groups.into_iter().collect()
}

fn crates() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn no_modules_use_each_other() {
    let mut found = String::new();
    for name in crates() {
        for (parent, edges) in Crate::read(&name).edges() {
            let place = [name.clone()]
                .into_iter()
                .chain(parent)
                .collect::<Vec<_>>()
                .join("::");
            for circle in circles(&edges) {
                let modules: Vec<&str> = circle.iter().map(String::as_str).collect();
                writeln!(found, "in {place}: {}", modules.join(", ")).unwrap();
                for ((from, to), reason) in &edges {
                    if circle.contains(from) && circle.contains(to) {
                        writeln!(found, "    {from} -> {to}: {reason}").unwrap();
                    }
                }
            }
        }
    }
    assert!(
        found.is_empty(),
        "modules use each other in a circle:\n{found}"
    );
}

/// The engine's modules, lowest first, as ARCHITECTURE.md lists them: one a line, its name first.
fn engine_map() -> Vec<String> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = text.split("## The engine's modules, lowest first").nth(1);
    let map = section.and_then(|it| it.split("```").nth(1)).unwrap();
    map.lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_engine_uses_only_what_the_map_shows_below() {
    let engine = Crate::read("engine");
    let map = engine_map();
    let listed: BTreeSet<&String> = map.iter().collect();
    let modules: BTreeSet<&String> = engine.modules.keys().filter_map(|it| it.first()).collect();
    assert_eq!(listed, modules, "the map in ARCHITECTURE.md");
    let level = |module: &String| map.iter().position(|it| it == module);
    for ((from, to), reason) in &engine.edges()[&Vec::new()] {
        assert!(
            level(to) < level(from),
            "{from} is not above {to}: {reason}"
        );
    }
}

/// The check finds what it is for.
#[test]
fn a_circle_is_seen() {
    let mut made = Crate::default();
    for (name, text) in [
        ("", "mod a; mod b; mod c; pub use b::Thing;"),
        ("a", "use crate::Thing; pub struct Part;"),
        ("b", "use super::c; pub struct Thing(c::Other);"),
        (
            "c",
            "pub struct Other; fn part() -> crate::a::Part { part() }",
        ),
    ] {
        let name: Name = name
            .split("::")
            .filter(|it| !it.is_empty())
            .map(str::to_owned)
            .collect();
        let items = syn::parse_file(text).unwrap().items;
        let mut reader = Reader {
            at: &name,
            module: Module::default(),
        };
        items
            .iter()
            .filter(|it| !matches!(it, Item::Mod(_)))
            .for_each(|it| reader.visit_item(it));
        let module = reader.module;
        made.modules.insert(name, module);
    }
    let edges = made.edges();
    let found = circles(&edges[&Vec::new()]);
    assert_eq!(found, [["a", "b", "c"].map(str::to_owned).into()]);
}
