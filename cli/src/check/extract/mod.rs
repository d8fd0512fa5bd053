//! Reads one file's syntax tree into facts.
//!
//! One walk over the tree; `shapes` reads types, `tools` what clients call, `sql` statements and pools,
//! `text` what a text is, `errors` what errors tell. Invariant: what may hold a statement and can't be
//! read is listed as unseen.

mod attributes;
mod chain;
mod errors;
mod origin;
mod ours;
mod shapes;
mod sql;
mod text;
mod tools;

use std::collections::{HashMap, HashSet};

use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ItemFn, Pat, Signature, Token, UseTree};

use super::facts::{Call, Conversion, FileFacts, Function, Hook, Import, Origin, Text};
use super::literal::mentions_sql;
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
        droppable: 0,
        spawned: 0,
        branches: 0,
        hook: None,
        done: HashSet::new(),
    };
    extractor.visit_file(file);
    extractor.facts.names_audit = extractor.facts.text.to_lowercase().contains("audit");
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
    droppable: usize,
    spawned: usize,
    /// How many branches, loops and closures are around.
    branches: usize,
    hook: Option<Hook>,
    /// Where calls begin that were read as part of a chain.
    done: HashSet<usize>,
}

/// What is known of the names in a function.
#[derive(Default)]
struct Locals {
    origins: HashMap<String, Origin>,
    texts: HashMap<String, Text>,
    /// Statements that a name holds, by their position.
    queries: HashMap<String, usize>,
    builders: HashMap<String, chain::Builder>,
    pools: HashSet<String>,
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
    fn enter(&mut self, attrs: &[Attribute], signature: &Signature, body: &syn::Block) {
        let mut locals = Locals::default();
        let mut position = 0;
        for input in &signature.inputs {
            let syn::FnArg::Typed(argument) = input else {
                continue;
            };
            let names = names_of(&argument.pat);
            let ty = argument.ty.to_token_stream().to_string();
            for name in &names {
                locals
                    .origins
                    .insert(name.clone(), Origin::Parameter(position));
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
            test: self.test,
            ..Function::default()
        });
        let outer = (
            self.function.replace(index),
            std::mem::replace(&mut self.ours, ours),
            std::mem::take(&mut self.error),
            std::mem::take(&mut self.swallowed),
            std::mem::take(&mut self.branches),
        );
        self.locals.push(locals);
        self.visit_signature(signature);
        self.visit_block(body);
        self.locals.pop();
        (
            self.function,
            self.ours,
            self.error,
            self.swallowed,
            self.branches,
        ) = outer;
    }

    /// A call, for what is reached from where.
    fn called(&mut self, name: String, arguments: &Punctuated<Expr, Token![,]>) {
        let arguments = arguments.iter().map(|it| self.origin(it)).collect();
        let passes = self.swallowed == 0;
        if let Some(function) = self.current() {
            function.calls.push(Call {
                name,
                arguments,
                passes,
            });
        }
    }

    fn current(&mut self) -> Option<&mut Function> {
        self.facts.functions.get_mut(self.function?)
    }

    fn branch(&mut self, visit: impl FnOnce(&mut Self)) {
        self.branches += 1;
        visit(self);
        self.branches -= 1;
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
                self.branch(|it| it.visit_expr(branch));
            }
            self.droppable -= 1;
            return;
        }
        let list = Punctuated::<Expr, Token![,]>::parse_terminated;
        if let Ok(list) = list.parse2(call.tokens.clone()) {
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

impl<'ast> Visit<'ast> for Extractor {
    fn visit_file(&mut self, file: &'ast syn::File) {
        struct Uses<'a>(&'a mut Extractor);
        impl<'ast> Visit<'ast> for Uses<'_> {
            fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
                self.0.within.push(item.ident.unraw().to_string());
                visit::visit_item_mod(self, item);
                self.0.within.pop();
            }
            fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
                self.0.imports(&mut Vec::new(), &item.tree);
            }
        }
        // Names may be used before they are brought in.
        Uses(self).visit_file(file);
        if !attributes::is_test(&file.attrs) {
            visit::visit_file(self, file);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let hidden = |tree: &UseTree| tree.to_token_stream().to_string().contains("__private");
        if hidden(&item.tree) && !self.test {
            let text = item.tree.to_token_stream().to_string();
            let root = text
                .split("::")
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned();
            if self
                .resolve_names(vec![root])
                .first()
                .is_some_and(|it| it == "watertight")
            {
                self.facts.hidden.push(item.tree.span().byte_range());
            }
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.in_test(&item.attrs, item, |it| {
            it.within.push(item.ident.unraw().to_string());
            visit::visit_item_mod(it, item);
            it.within.pop();
        });
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.in_test(&item.attrs, item, |it| {
            it.enter(&item.attrs, &item.sig, &item.block)
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.in_test(&item.attrs, item, |it| {
            it.enter(&item.attrs, &item.sig, &item.block)
        });
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.in_test(&item.attrs, item, |it| {
                it.enter(&item.attrs, &item.sig, body)
            });
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let outer = self.shown_of.take();
        if let Some((path, _)) = &item.trait_
            && let Some(name) = path.segments.last()
        {
            if name.ident == "Display" {
                self.shown_of = last_of(&item.self_ty);
            }
            if name.ident == "From"
                && let syn::PathArguments::AngleBracketed(arguments) = &name.arguments
                && let Some(syn::GenericArgument::Type(from)) = arguments.args.first()
                && let (Some(from), Some(to)) = (last_of(from), last_of(&item.self_ty))
            {
                let tells = errors::conversion_tells(item);
                self.facts.conversions.push(Conversion { from, to, tells });
            }
        }
        self.in_test(&item.attrs, item, |it| visit::visit_item_impl(it, item));
        self.shown_of = outer;
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.in_test(&item.attrs, item, |it| {
            it.structure(item);
            visit::visit_item_struct(it, item);
        });
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.in_test(&item.attrs, item, |it| {
            it.enumeration(item);
            visit::visit_item_enum(it, item);
        });
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.alias(item);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.constant(item.ident.to_string(), &item.expr);
        visit::visit_item_const(self, item);
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.constant(item.ident.to_string(), &item.expr);
        visit::visit_item_static(self, item);
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.constant(item.ident.to_string(), &item.expr);
        visit::visit_impl_item_const(self, item);
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if item.ident.is_some() {
            if mentions_sql(&item.mac.tokens) {
                self.unseen("a macro of one's own makes statements", &item.ident);
            }
            return;
        }
        visit::visit_item_macro(self, item);
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if let Some(init) = &local.init {
            // `let Ok(x) = … else { … }` keeps the error.
            let keeps = init.diverge.is_some();
            self.swallowed += usize::from(keeps);
            self.visit_expr(&init.expr);
            self.swallowed -= usize::from(keeps);
            if let Some((_, diverge)) = &init.diverge {
                self.branch(|it| it.visit_expr(diverge));
            }
            self.bind_local(&local.pat, &init.expr);
        }
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        self.call(call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.method(call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.macro_call(call);
    }

    fn visit_expr_if(&mut self, item: &'ast syn::ExprIf) {
        // `if let Ok(x) = …` keeps the error.
        let keeps = matches!(&*item.cond, Expr::Let(_));
        self.swallowed += usize::from(keeps);
        self.visit_expr(&item.cond);
        self.swallowed -= usize::from(keeps);
        self.branch(|it| it.visit_block(&item.then_branch));
        if let Some((_, other)) = &item.else_branch {
            self.branch(|it| it.visit_expr(other));
        }
    }

    fn visit_expr_match(&mut self, item: &'ast syn::ExprMatch) {
        let keeps = errors::match_keeps(item);
        self.swallowed += usize::from(keeps);
        self.visit_expr(&item.expr);
        self.swallowed -= usize::from(keeps);
        for arm in &item.arms {
            self.branch(|it| it.visit_arm(arm));
        }
    }

    fn visit_expr_for_loop(&mut self, item: &'ast syn::ExprForLoop) {
        self.branch(|it| visit::visit_expr_for_loop(it, item));
    }

    fn visit_expr_while(&mut self, item: &'ast syn::ExprWhile) {
        self.branch(|it| visit::visit_expr_while(it, item));
    }

    fn visit_expr_loop(&mut self, item: &'ast syn::ExprLoop) {
        self.branch(|it| visit::visit_expr_loop(it, item));
    }

    fn visit_expr_closure(&mut self, item: &'ast syn::ExprClosure) {
        self.branch(|it| visit::visit_expr_closure(it, item));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.iter().any(|it| it.ident == "__private")
            && self
                .resolve(path)
                .first()
                .is_some_and(|it| it == "watertight")
            && !self.test
        {
            self.facts.hidden.push(path.span().byte_range());
        }
        let names: Vec<String> = path
            .segments
            .iter()
            .map(|it| it.ident.unraw().to_string())
            .collect();
        if let Some(function) = self.current() {
            function.mentions.extend(names);
        }
        visit::visit_path(self, path);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        let name = field.ident.as_ref().map(ToString::to_string);
        self.exceptions_of(&field.attrs, &name.unwrap_or_default());
        visit::visit_field(self, field);
    }

    fn visit_pat_type(&mut self, argument: &'ast syn::PatType) {
        let name = argument.pat.to_token_stream().to_string();
        self.exceptions_of(&argument.attrs, &name);
        visit::visit_pat_type(self, argument);
    }
}
