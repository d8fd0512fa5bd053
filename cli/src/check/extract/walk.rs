//! The walk over a file's tree: where it is, and what it hands to the readers beside it.

use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Expr, ItemFn, Pat, UseTree};

use super::super::facts::{Conversion, OURS_BY_MACRO};
use super::super::literal::{holds_sql, judges, sends};
use super::steps::{block_goes_on, goes_on};
use super::{Extractor, attributes, errors, last_of};

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
            fn visit_variant(&mut self, variant: &'ast syn::Variant) {
                if let syn::Fields::Unnamed(fields) = &variant.fields {
                    let types = fields.unnamed.iter();
                    let types = types.map(|it| last_of(&it.ty).unwrap_or_default());
                    let name = variant.ident.unraw().to_string();
                    self.0.variants.insert(name, types.collect());
                }
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
            let open = matches!(item.vis, syn::Visibility::Public(_));
            it.enter(&item.attrs, open, &item.sig, &item.block)
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.in_test(&item.attrs, item, |it| {
            let open = it.of_trait || matches!(item.vis, syn::Visibility::Public(_));
            it.enter(&item.attrs, open, &item.sig, &item.block)
        });
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.in_test(&item.attrs, item, |it| {
                it.enter(&item.attrs, true, &item.sig, body)
            });
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let outer = self.shown_of.take();
        let of_trait = std::mem::replace(&mut self.of_trait, item.trait_.is_some());
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
        self.of_trait = of_trait;
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.in_test(&item.attrs, item, |it| {
            it.structure(item);
            it.tool_of_type(&item.attrs, &item.ident);
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
        if let Some(name) = &item.ident {
            // One that only sends what it is given is read where it is called.
            let (sends, holds) = (sends(&item.mac.tokens), holds_sql(&item.mac.tokens));
            if sends && !self.test {
                self.facts.senders.push(name.to_string());
            }
            if holds {
                let ours = judges(&item.mac.tokens) && !sends;
                let what = match ours {
                    true => OURS_BY_MACRO,
                    false => "a macro of one's own makes statements",
                };
                self.unseen(what, &item.ident);
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
            self.typed(&local.pat, &init.expr);
            self.swallowed -= usize::from(keeps);
            if let Some((_, diverge)) = &init.diverge {
                self.repeated(|it| it.visit_expr(diverge));
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
        let branch = self.branch_of();
        let other = item.else_branch.as_ref().map(|(_, other)| other);
        let of = usize::from(block_goes_on(&item.then_branch))
            + usize::from(other.is_none_or(|it| goes_on(it)));
        self.arm(branch, 0, of, |it| it.visit_block(&item.then_branch));
        if let Some(other) = other {
            self.arm(branch, 1, of, |it| it.visit_expr(other));
        }
    }

    fn visit_expr_match(&mut self, item: &'ast syn::ExprMatch) {
        let keeps = errors::match_keeps(item);
        self.swallowed += usize::from(keeps);
        self.visit_expr(&item.expr);
        self.swallowed -= usize::from(keeps);
        let branch = self.branch_of();
        let of = item.arms.iter().filter(|arm| goes_on(&arm.body)).count();
        for (at, arm) in item.arms.iter().enumerate() {
            let named = match &arm.pat {
                Pat::Lit(lit) => match &lit.lit {
                    syn::Lit::Str(text) => Some(text.value()),
                    _ => None,
                },
                _ => None,
            };
            let outer = match named {
                Some(name) => self.arm.replace(name),
                None => self.arm.clone(),
            };
            self.arm(branch, at, of, |it| it.visit_arm(arm));
            self.arm = outer;
        }
    }

    fn visit_expr_assign(&mut self, item: &'ast syn::ExprAssign) {
        self.handed_on(&item.left);
        visit::visit_expr_assign(self, item);
    }

    fn visit_expr_index(&mut self, item: &'ast syn::ExprIndex) {
        self.indexes(item);
        visit::visit_expr_index(self, item);
    }

    fn visit_expr_lit(&mut self, item: &'ast syn::ExprLit) {
        if let syn::Lit::Str(text) = &item.lit {
            self.json_text(text);
        }
    }

    fn visit_expr_for_loop(&mut self, item: &'ast syn::ExprForLoop) {
        self.repeated(|it| visit::visit_expr_for_loop(it, item));
    }

    fn visit_expr_while(&mut self, item: &'ast syn::ExprWhile) {
        self.repeated(|it| visit::visit_expr_while(it, item));
    }

    fn visit_expr_loop(&mut self, item: &'ast syn::ExprLoop) {
        self.repeated(|it| visit::visit_expr_loop(it, item));
    }

    fn visit_expr_closure(&mut self, item: &'ast syn::ExprClosure) {
        self.repeated(|it| visit::visit_expr_closure(it, item));
    }

    fn visit_pat_tuple_struct(&mut self, pat: &'ast syn::PatTupleStruct) {
        let variant = pat.path.segments.last().map(|it| it.ident.to_string());
        let types = variant.and_then(|it| self.variants.get(&it).cloned());
        for (inner, ty) in pat.elems.iter().zip(types.unwrap_or_default()) {
            if let (Pat::Ident(name), Some(locals)) = (inner, self.locals.last_mut()) {
                locals.types.insert(name.ident.unraw().to_string(), ty);
            }
        }
        visit::visit_pat_tuple_struct(self, pat);
    }

    fn visit_expr_path(&mut self, item: &'ast syn::ExprPath) {
        self.told_by_name(item);
        visit::visit_expr_path(self, item);
    }

    fn visit_expr_binary(&mut self, item: &'ast syn::ExprBinary) {
        self.told_by_sum(item);
        if matches!(item.op, syn::BinOp::AddAssign(_)) {
            self.added_to(&item.left, &item.right);
        }
        visit::visit_expr_binary(self, item);
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
