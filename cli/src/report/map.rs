//! Which tool reaches which statement: functions of the workspace and the names that they call.
//!
//! A name stands for every function of its package that is called so, unless its own module has one, and
//! behind a dot for every method of that name whose type the file mentions. So a tool may list a
//! statement that it does not run. Invariant: none is left out that is called by its name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ImplItemFn, ItemFn, ItemImpl, ItemMod, ItemUse, Lit, Meta, UseTree};

use crate::lock::workspace::Workspace;

/// A function of the workspace.
#[derive(Debug)]
pub(super) struct Function {
    /// The target, the modules, the type of its `impl`, its name: as the lock spells it.
    pub(super) path: Vec<String>,
    pub(super) file: String,
    pub(super) line: usize,
    package: usize,
    /// Names in its body.
    names: Names,
    /// The type that it is a method of, and every word of its file.
    of: Option<String>,
    words: Rc<BTreeSet<String>>,
    pub(super) tool: Option<Published>,
}

/// Names of functions in a body.
#[derive(Debug, Default)]
struct Names {
    /// `by_id(…)`, `.and_then(by_id)`
    plain: BTreeSet<String>,
    /// `.by_id(…)`
    behind_dot: BTreeSet<String>,
}

/// What an attribute publishes.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) guarded: bool,
    pub(super) description: String,
    pub(super) requires: Vec<String>,
    pub(super) read_only: bool,
}

/// Every function that is no test.
pub(super) fn functions(workspace: &Workspace) -> Vec<Function> {
    let mut found = Vec::new();
    for file in &workspace.files {
        let package = workspace.packages.iter().position(|it| *it == file.package);
        let below = file.path.strip_prefix(&file.package).unwrap_or(&file.path);
        let first = below
            .components()
            .next()
            .map(|it| it.as_os_str().to_string_lossy());
        // Tests and benchmarks publish nothing.
        if first.is_some_and(|first| ["tests", "benches"].contains(&first.as_ref())) {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&file.path) else {
            continue;
        };
        let Ok(syntax) = syn::parse_file(&text) else {
            continue;
        };
        let mut visitor = Visitor {
            path: file.module.clone(),
            file: workspace.shown(&file.path),
            package: package.unwrap_or_default(),
            of: None,
            words: Rc::new(words(syntax.to_token_stream())),
            ours: BTreeSet::new(),
            found: Vec::new(),
        };
        let mut uses = Uses::default();
        uses.visit_file(&syntax);
        visitor.ours = uses.0;
        visitor.visit_file(&syntax);
        found.append(&mut visitor.found);
    }
    found
}

/// For each tool, by its position among the functions, the paths of the functions that it reaches,
/// itself included.
pub(super) fn reached(functions: &[Function]) -> BTreeMap<usize, BTreeSet<String>> {
    let mut by_name: HashMap<(usize, &str), Vec<usize>> = HashMap::new();
    for (position, function) in functions.iter().enumerate() {
        if let Some(name) = function.path.last() {
            by_name
                .entry((function.package, name))
                .or_default()
                .push(position);
        }
    }
    let named = |from: &Function, name: &String| -> Vec<usize> {
        let found = by_name.get(&(from.package, name.as_str()));
        found.cloned().unwrap_or_default()
    };
    let next = |from: &Function| -> Vec<usize> {
        let module = from.path.split_last().map_or(&[][..], |(_, module)| module);
        let mut all = Vec::new();
        for name in &from.names.plain {
            let found = named(from, name);
            let own = |position: &usize| {
                let path = functions.get(*position).map(|it| it.path.as_slice());
                path.and_then(<[_]>::split_last)
                    .is_some_and(|(_, its)| its == module)
            };
            let near: Vec<usize> = found.iter().copied().filter(own).collect();
            all.extend(if near.is_empty() { found } else { near });
        }
        for name in &from.names.behind_dot {
            let known = |position: &usize| {
                let of = functions.get(*position).and_then(|it| it.of.as_ref());
                of.is_some_and(|of| from.words.contains(of))
            };
            all.extend(named(from, name).into_iter().filter(known));
        }
        all
    };
    let tools = functions
        .iter()
        .enumerate()
        .filter(|(_, it)| it.tool.is_some());
    tools
        .map(|(start, _)| {
            let mut seen = BTreeSet::from([start]);
            let mut pending = vec![start];
            while let Some(function) = pending.pop().and_then(|it| functions.get(it)) {
                // Another tool is not called: its name may be a field or a variable as well.
                pending.extend(next(function).into_iter().filter(|position| {
                    functions.get(*position).is_some_and(|it| it.tool.is_none())
                        && seen.insert(*position)
                }));
            }
            let paths = seen.iter().filter_map(|it| functions.get(*it));
            (start, paths.map(|it| it.path.join("::")).collect())
        })
        .collect()
}

/// `use watertight::tool`: the names under which our attributes are known.
#[derive(Default)]
struct Uses(BTreeSet<String>);

impl<'ast> Visit<'ast> for Uses {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        fn walk(tree: &UseTree, ours: bool, found: &mut BTreeSet<String>) {
            match tree {
                UseTree::Path(path) => walk(&path.tree, ours || path.ident == "watertight", found),
                UseTree::Group(group) => {
                    group.items.iter().for_each(|tree| walk(tree, ours, found));
                }
                UseTree::Name(name) if ours => drop(found.insert(name.ident.to_string())),
                UseTree::Rename(name) if ours => drop(found.insert(name.rename.to_string())),
                _ => {}
            }
        }
        walk(&item.tree, false, &mut self.0);
    }
}

struct Visitor {
    path: Vec<String>,
    file: String,
    package: usize,
    of: Option<String>,
    words: Rc<BTreeSet<String>>,
    /// What the file brings from watertight.
    ours: BTreeSet<String>,
    found: Vec<Function>,
}

impl Visitor {
    fn function(&mut self, name: &syn::Ident, attributes: &[Attribute], whole: TokenStream) {
        let text = name.to_string();
        let mut path = self.path.clone();
        path.push(text.clone());
        let mut names = Names::default();
        called(whole, &mut names);
        names.plain.remove(&text);
        self.found.push(Function {
            path,
            file: self.file.clone(),
            line: name.span().start().line,
            package: self.package,
            names,
            of: self.of.clone(),
            words: Rc::clone(&self.words),
            tool: attributes
                .iter()
                .find_map(|attribute| self.published(attribute, attributes, &text)),
        });
    }

    fn published(&self, attribute: &Attribute, all: &[Attribute], name: &str) -> Option<Published> {
        let path: Vec<String> = attribute
            .path()
            .segments
            .iter()
            .map(|it| it.ident.to_string())
            .collect();
        let (kind, guarded) = match path.last()?.as_str() {
            "mcp_tool" => ("tool", true),
            "mcp_resource" => ("resource", true),
            "mcp_prompt" => ("prompt", true),
            "mcp_completion" => ("completion", true),
            "tool" => {
                let first = path.first().map(String::as_str);
                (
                    "tool",
                    first == Some("watertight") || (path.len() == 1 && self.ours.contains("tool")),
                )
            }
            "prompt" if path.first().is_some_and(|first| first == "rmcp") || path.len() == 1 => {
                ("prompt", false)
            }
            _ => return None,
        };
        let given = text_of(attribute, "name");
        let requires = text_of(attribute, "requires").unwrap_or_default();
        let words: BTreeSet<String> = match &attribute.meta {
            Meta::List(list) => list
                .tokens
                .clone()
                .into_iter()
                .filter_map(|it| match it {
                    TokenTree::Ident(ident) => Some(ident.to_string()),
                    _ => None,
                })
                .collect(),
            _ => BTreeSet::new(),
        };
        let docs: Vec<String> = all
            .iter()
            .filter_map(|it| match &it.meta {
                Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                    Expr::Lit(literal) => match &literal.lit {
                        Lit::Str(text) => Some(text.value().trim().to_owned()),
                        _ => None,
                    },
                    _ => None,
                },
                _ => None,
            })
            .collect();
        Some(Published {
            kind,
            name: given.unwrap_or_else(|| name.to_owned()),
            guarded,
            description: text_of(attribute, "description").unwrap_or_else(|| docs.join(" ")),
            requires: requires.split_whitespace().map(str::to_owned).collect(),
            read_only: words.contains("read_only"),
        })
    }
}

/// The text behind `key =` in an attribute.
fn text_of(attribute: &Attribute, key: &str) -> Option<String> {
    let Meta::List(list) = &attribute.meta else {
        return None;
    };
    let tokens: Vec<TokenTree> = list.tokens.clone().into_iter().collect();
    tokens.windows(3).find_map(|three| match three {
        [
            TokenTree::Ident(ident),
            TokenTree::Punct(equals),
            TokenTree::Literal(literal),
        ] if ident == key && equals.as_char() == '=' => {
            match syn::parse2::<Lit>(literal.to_token_stream()).ok()? {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            }
        }
        _ => None,
    })
}

/// Every word of a file.
fn words(tokens: TokenStream) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => drop(found.insert(ident.to_string())),
            TokenTree::Group(group) => found.extend(words(group.stream())),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    found
}

/// Names that are called, `by_id(…)` and `by_id::<T>(…)`, and names that are handed on: `.and_then(by_id)`.
fn called(tokens: TokenStream, names: &mut Names) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |token: Option<&TokenTree>, wanted: char| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted);
    for (position, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(ident) => {
                let before = position.checked_sub(1).and_then(|it| tokens.get(it));
                let after = tokens.get(position + 1);
                let call = matches!(after, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
                let generic = is(after, ':') && is(tokens.get(position + 3), '<');
                let alone = |token: Option<&TokenTree>| token.is_none() || is(token, ',');
                let handed = alone(after) && (alone(before) || is(before, ':'));
                if is(before, '.') && (call || generic) {
                    names.behind_dot.insert(ident.to_string());
                } else if call || generic || handed {
                    names.plain.insert(ident.to_string());
                }
            }
            TokenTree::Group(group) => called(group.stream(), names),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

impl<'ast> Visit<'ast> for Visitor {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let test = module.attrs.iter().any(|it| {
            it.path().is_ident("cfg") && it.to_token_stream().to_string().contains("test")
        });
        if test {
            return;
        }
        self.path.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.path.pop();
    }

    fn visit_item_impl(&mut self, block: &'ast ItemImpl) {
        let name = match &*block.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|it| it.ident.to_string()),
            _ => None,
        };
        let before = std::mem::replace(&mut self.of, name.clone());
        self.path.push(name.unwrap_or_default());
        visit::visit_item_impl(self, block);
        self.path.pop();
        self.of = before;
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.function(
            &function.sig.ident,
            &function.attrs,
            function.to_token_stream(),
        );
        self.path.push(function.sig.ident.to_string());
        visit::visit_item_fn(self, function);
        self.path.pop();
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.function(
            &function.sig.ident,
            &function.attrs,
            function.to_token_stream(),
        );
        visit::visit_impl_item_fn(self, function);
    }

    // `async fn x(…) -> …;`, which our attribute gives a body.
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if let syn::Item::Verbatim(tokens) = item
            && let Ok(declared) = syn::parse2::<syn::ForeignItemFn>(tokens.clone())
        {
            self.function(&declared.sig.ident, &declared.attrs, TokenStream::new());
        }
        visit::visit_item(self, item);
    }
}
