//! Reads one file's syntax tree into facts.
//!
//! One walk over the tree; `shapes` reads types, `tools` what clients call, `sql` statements and pools,
//! `text` what a text is, `errors` what errors tell. Invariant: what may hold a statement and can't be
//! read is listed as unseen.

mod attributes;
mod byhand;
mod chain;
mod errors;
mod origin;
mod ours;
mod shapes;
mod sql;
mod steps;
mod text;
mod tools;
mod walk;

use std::collections::{HashMap, HashSet};

use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Pat, Signature, Token, UseTree};

use super::facts::{Arm, Call, FileFacts, Function, Hook, Import, Origin, Span, Step, Text};
use super::literal::mentions_sql;
pub(crate) use byhand::schemas;
pub(crate) use chain::CLIENT;
pub(crate) use ours::judged;
pub(crate) use sql::TAKES_SQL;
pub(crate) use text::append;

/// Fills `facts`, which has its text, from the text's tree.
pub(crate) fn extract(facts: FileFacts, file: &syn::File) -> FileFacts {
    let test = facts.test;
    let mut extractor = Extractor {
        facts,
        within: Vec::new(),
        test,
        ours: false,
        function: None,
        locals: Vec::new(),
        error: 0,
        swallowed: 0,
        shown_of: None,
        of_trait: false,
        droppable: 0,
        spawned: 0,
        branches: 0,
        path: Vec::new(),
        hook: None,
        arm: None,
        variants: HashMap::new(),
        done: HashSet::new(),
    };
    extractor.visit_file(file);
    let text = &extractor.facts.text;
    let makes = [
        "Tool::new",
        "Tool {",
        "inputSchema",
        "input_schema",
        "list_tools",
    ];
    extractor.facts.makes_tools = makes.iter().any(|it| text.contains(it));
    let foreign = [
        "SqlitePool",
        "MySqlPool",
        "sqlx::Sqlite",
        "sqlx::MySql",
        "Pool<Sqlite>",
        "Pool<MySql>",
        "rusqlite::",
        "AnyPool",
    ];
    extractor.facts.foreign = foreign.iter().any(|it| text.contains(it));
    extractor.facts
}

/// The walk, and where it is.
struct Extractor {
    facts: FileFacts,
    /// The inline modules around.
    within: Vec<String>,
    test: bool,
    /// Whether one of our macros judges the statements here.
    ours: bool,
    function: Option<usize>,
    locals: Vec<Locals>,
    /// How many constructors of errors are around.
    error: usize,
    /// How many places are around that keep an error to themselves.
    swallowed: usize,
    /// The type whose `Display` this is.
    shown_of: Option<String>,
    /// Whether the `impl` around is of a trait.
    of_trait: bool,
    droppable: usize,
    spawned: usize,
    /// How many branches, loops and closures there were.
    branches: usize,
    /// The arms of branches that are around.
    path: Vec<Arm>,
    hook: Option<Hook>,
    /// The name that the arm of a `match` is for.
    arm: Option<String>,
    /// The types in the variants of the file's enums.
    variants: HashMap<String, Vec<String>>,
    /// Where calls begin that were read as part of a chain.
    done: HashSet<usize>,
}

/// What is known of the names in a function.
#[derive(Default)]
struct Locals {
    origins: HashMap<String, Origin>,
    texts: HashMap<String, Text>,
    /// Statements that a name holds, by their position.
    queries: HashMap<String, chain::Bound>,
    builders: HashMap<String, chain::Builder>,
    pools: HashSet<String>,
    /// Texts that are added to, and how many arms of branches were around where they began.
    strings: HashMap<String, (Vec<Step>, usize)>,
    /// The types of names, by their last segment.
    types: HashMap<String, String>,
    /// What texts show that a name holds: places and names.
    shown: HashMap<String, Vec<(Span, Vec<String>)>>,
    /// Names of errors of the database.
    failures: HashSet<String>,
}

impl Extractor {
    /// A path with its first segment as the file's imports have it.
    fn resolve(&self, path: &syn::Path) -> Vec<String> {
        let segments: Vec<String> = path
            .segments
            .iter()
            .map(|segment| segment.ident.unraw().to_string())
            .collect();
        self.resolve_names(segments)
    }

    fn resolve_names(&self, mut segments: Vec<String>) -> Vec<String> {
        let Some(first) = segments.first() else {
            return segments;
        };
        let import = self
            .facts
            .imports
            .iter()
            .find(|import| import.name == *first);
        if let Some(import) = import {
            let mut path = import.path.clone();
            path.extend(segments.drain(1..));
            return path;
        }
        segments
    }

    fn unseen(&mut self, what: impl Into<String>, place: &impl quote::ToTokens) {
        if !self.test {
            let span = place.to_token_stream().span().byte_range();
            self.facts.unseen.push((what.into(), span));
        }
    }

    fn locals(&mut self) -> Option<&mut Locals> {
        self.locals.last_mut()
    }

    fn in_test(
        &mut self,
        attrs: &[Attribute],
        item: &impl syn::spanned::Spanned,
        visit: impl FnOnce(&mut Self),
    ) {
        let before = self.test;
        if attributes::is_test(attrs) {
            self.test = true;
            self.facts.tests.push(item.span().byte_range());
        }
        visit(self);
        self.test = before;
    }

    fn imports(&mut self, prefix: &mut Vec<String>, tree: &UseTree) {
        let (name, last) = match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.unraw().to_string());
                self.imports(prefix, &path.tree);
                prefix.pop();
                return;
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.imports(prefix, tree);
                }
                return;
            }
            UseTree::Name(name) => (name.ident.unraw().to_string(), Some(&name.ident)),
            UseTree::Rename(rename) => (rename.rename.to_string(), Some(&rename.ident)),
            UseTree::Glob(_) => ("*".to_owned(), None),
        };
        let mut path = prefix.clone();
        match last {
            Some(last) if last == "self" => {}
            Some(last) => path.push(last.unraw().to_string()),
            None => {}
        }
        let name = match name.as_str() {
            "self" => path.last().cloned().unwrap_or_default(),
            _ => name,
        };
        // Private names are found wherever they are written.
        self.facts.imports.push(Import {
            within: self.within.clone(),
            name,
            path,
        });
    }

    /// A function with its body.
    fn enter(&mut self, attrs: &[Attribute], open: bool, signature: &Signature, body: &syn::Block) {
        let mut locals = Locals::default();
        let mut position = 0;
        for input in &signature.inputs {
            let syn::FnArg::Typed(argument) = input else {
                continue;
            };
            let names = names_of(&argument.pat);
            let ty = argument.ty.to_token_stream().to_string();
            let sent = byhand::is_sent(&ty);
            if sent && signature.ident == "call_tool" && !self.test {
                self.facts
                    .handlers
                    .push(signature.ident.span().byte_range());
            }
            for name in &names {
                locals.origins.insert(
                    name.clone(),
                    match (sent, last_of(&argument.ty)) {
                        (true, _) => Origin::Caller,
                        // What the server knows of its caller is no argument.
                        (false, Some(ty)) if tools::is_given(&ty) => Origin::Other,
                        (false, _) => Origin::Parameter(position),
                    },
                );
                if let Some(ty) = last_of(&argument.ty) {
                    locals.types.insert(name.clone(), ty);
                }
                if ty.contains("sqlx") && ty.contains("Error") {
                    locals.failures.insert(name.clone());
                }
                if ty.contains("PgPool") || ty.contains("Pool <") {
                    locals.pools.insert(name.clone());
                }
            }
            position += 1;
        }
        let tool = self.tool(attrs, signature, &mut locals);
        let ours = attributes::has(attrs, &["tenant_query", "system_query"]);
        let index = self.facts.functions.len();
        self.facts.functions.push(Function {
            name: signature.ident.unraw().to_string(),
            tool,
            tells: errors::tells_of_its_arguments(signature, body),
            test: self.test,
            open,
            receiver: signature.receiver().is_some(),
            ..Function::default()
        });
        let outer = (
            self.function.replace(index),
            std::mem::replace(&mut self.ours, ours),
            std::mem::take(&mut self.error),
            std::mem::take(&mut self.swallowed),
            std::mem::take(&mut self.path),
        );
        self.locals.push(locals);
        self.visit_signature(signature);
        self.visit_block(body);
        if let Some(locals) = self.locals.pop() {
            self.left(locals.builders.into_values());
        }
        (
            self.function,
            self.ours,
            self.error,
            self.swallowed,
            self.path,
        ) = outer;
    }

    /// A call, for what is reached from where.
    fn called(&mut self, name: String, method: bool, arguments: &Punctuated<Expr, Token![,]>) {
        for argument in arguments {
            self.handed_on(argument);
        }
        let arguments = arguments.iter().map(|it| self.origin(it)).collect();
        let passes = self.swallowed == 0;
        if let Some(function) = self.current() {
            function.calls.push(Call {
                name,
                method,
                arguments,
                passes,
            });
        }
    }

    fn current(&mut self) -> Option<&mut Function> {
        self.facts.functions.get_mut(self.function?)
    }

    /// The tokens of a macro that is not known, as far as they are expressions or statements.
    fn tokens(&mut self, call: &syn::Macro) {
        if let Some(branches) = select(&call.tokens)
            && call
                .path
                .segments
                .last()
                .is_some_and(|it| it.ident == "select")
        {
            self.droppable += 1;
            for branch in &branches {
                self.repeated(|it| it.visit_expr(branch));
            }
            self.droppable -= 1;
            return;
        }
        let list = Punctuated::<Expr, Token![,]>::parse_terminated;
        if let Ok(list) = list.parse2(call.tokens.clone()) {
            self.handed(call, &list);
            list.iter().for_each(|it| self.visit_expr(it));
            return;
        }
        if let Ok(block) = syn::Block::parse_within.parse2(call.tokens.clone()) {
            block.iter().for_each(|it| self.visit_stmt(it));
            return;
        }
        if mentions_sql(&call.tokens) {
            self.unseen(
                "a macro that a statement is handed to, in a form that is its own",
                call,
            );
        }
    }
}

/// The expressions of `select! { pattern = future => handler, … }`.
fn select(tokens: &proc_macro2::TokenStream) -> Option<Vec<Expr>> {
    let branches = |input: syn::parse::ParseStream<'_>| {
        let mut found = Vec::new();
        if input.peek(syn::Ident) && input.peek2(Token![;]) {
            input.parse::<syn::Ident>()?;
            input.parse::<Token![;]>()?;
        }
        while !input.is_empty() {
            if input.peek(Token![else]) {
                input.parse::<Token![else]>()?;
            } else {
                Pat::parse_multi_with_leading_vert(input)?;
                input.parse::<Token![=]>()?;
                found.push(input.parse::<Expr>()?);
                if input.peek(Token![,]) {
                    input.parse::<Token![,]>()?;
                    input.parse::<Token![if]>()?;
                    found.push(input.parse::<Expr>()?);
                }
            }
            input.parse::<Token![=>]>()?;
            found.push(input.parse::<Expr>()?);
            if input.peek(Token![,]) {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(found)
    };
    branches.parse2(tokens.clone()).ok()
}

/// The names that a pattern binds.
fn names_of(pat: &Pat) -> Vec<String> {
    struct Names(Vec<String>);
    impl<'ast> Visit<'ast> for Names {
        fn visit_pat_ident(&mut self, pat: &'ast syn::PatIdent) {
            self.0.push(pat.ident.unraw().to_string());
            visit::visit_pat_ident(self, pat);
        }
    }
    let mut names = Names(Vec::new());
    names.visit_pat(pat);
    names.0
}

/// The last segment of a type's path.
fn last_of(ty: &syn::Type) -> Option<String> {
    match ty {
        syn::Type::Path(path) => Some(path.path.segments.last()?.ident.unraw().to_string()),
        syn::Type::Reference(reference) => last_of(&reference.elem),
        _ => None,
    }
}
