//! Finds in a source file what the macros would see: for the lock file and for reports.
//!
//! Text in, places out; which files there are is the caller's business. Invariant: what names one
//! of our macros and can't be looked into is listed as unseen, never passed over.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt as _;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Item, Meta, Token, UseTree};

use crate::attributes;
use crate::errors::Errors;
use crate::query::Kind;

/// What a file holds.
#[derive(Debug, Default)]
pub struct Source {
    /// The macro calls, in the order of the text.
    pub calls: Vec<Call>,
    /// `mod name;`: modules in files of their own.
    pub modules: Vec<Module>,
    /// `#[tool(not_tenant = "…")]` and `#[tool(open = "…")]`.
    pub exceptions: Vec<Exception>,
    /// What could not be looked into.
    pub unseen: Vec<Unseen>,
}

/// One call of a macro that judges statements.
#[derive(Debug)]
pub struct Call {
    /// Which macro.
    pub kind: Kind,
    /// The inline modules, the type of the `impl` block and the functions around it.
    pub path: Vec<String>,
    /// The attribute's arguments, or those of `unproved!`.
    pub arguments: TokenStream,
    /// The function without the attribute; empty for `unproved!`.
    pub item: TokenStream,
    /// Where it stands.
    pub span: Span,
}

/// A module in a file of its own.
#[derive(Debug)]
pub struct Module {
    /// The inline modules around it.
    pub path: Vec<String>,
    /// Its name.
    pub name: String,
    /// `#[path = "…"]`
    pub file: Option<String>,
    /// Whether it is built for tests only, by `#[cfg(test)]` on itself.
    pub test: bool,
    /// Where it is declared.
    pub span: Span,
}

/// An exception from the boundary of tools.
#[derive(Debug)]
pub struct Exception {
    /// Where: modules, function or type, argument or field.
    pub path: Vec<String>,
    /// `not_tenant` or `open`.
    pub rule: &'static str,
    /// Why.
    pub reason: String,
}

/// What could not be looked into.
#[derive(Debug)]
pub struct Unseen {
    /// What it is and why.
    pub what: String,
    /// Where.
    pub span: Span,
}

/// Reads one file.
///
/// # Errors
/// If the text is not Rust.
pub fn scan(text: &str) -> syn::Result<Source> {
    Ok(scan_file(&syn::parse_file(text)?))
}

/// Reads one file that was parsed.
#[must_use]
pub fn scan_file(file: &syn::File) -> Source {
    let mut aliases = vec![
        ("tenant_query".to_owned(), Kind::Tenant),
        ("system_query".to_owned(), Kind::System),
        ("unproved".to_owned(), Kind::Unproved),
    ];
    let mut scanner = Scanner {
        source: Source::default(),
        path: Vec::new(),
        aliases: Vec::new(),
    };
    let mut renames = Renames {
        found: Vec::new(),
        unseen: Vec::new(),
    };
    renames.visit_file(file);
    scanner.source.unseen.append(&mut renames.unseen);
    aliases.append(&mut renames.found);
    scanner.aliases = aliases;
    scanner.visit_file(file);
    scanner.source
}

fn kind_of(name: &str) -> Option<Kind> {
    match name {
        "tenant_query" => Some(Kind::Tenant),
        "system_query" => Some(Kind::System),
        "unproved" => Some(Kind::Unproved),
        _ => None,
    }
}

/// `use watertight::tenant_query as query;`
struct Renames {
    found: Vec<(String, Kind)>,
    unseen: Vec<Unseen>,
}

impl<'ast> Visit<'ast> for Renames {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let before = self.found.len();
        self.tree(&item.tree);
        if self.found.len() > before && !matches!(item.vis, syn::Visibility::Inherited) {
            self.unseen.push(Unseen {
                what: "one of the macros is exported under another name; calls by that name in \
                       other files are not found"
                    .to_owned(),
                span: item.span(),
            });
        }
    }
}

impl Renames {
    fn tree(&mut self, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => self.tree(&path.tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree)),
            UseTree::Rename(rename) => {
                if let Some(kind) = kind_of(&rename.ident.to_string()) {
                    self.found.push((rename.rename.to_string(), kind));
                }
            }
            UseTree::Name(_) | UseTree::Glob(_) => {}
        }
    }
}

struct Scanner {
    source: Source,
    path: Vec<String>,
    aliases: Vec<(String, Kind)>,
}

impl Scanner {
    fn kind(&self, path: &syn::Path) -> Option<Kind> {
        let last = path.segments.last()?.ident.to_string();
        let found = self.aliases.iter().find(|(name, _)| *name == last);
        found.map(|(_, kind)| *kind)
    }

    fn within(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        self.path.push(name);
        visit(self);
        self.path.pop();
    }

    /// The query attributes of a function, those behind `cfg_attr` among them.
    fn function(&mut self, attrs: &[Attribute], item: TokenStream) {
        for meta in metas(attrs) {
            let Some(kind) = self.kind(meta.path()).filter(|it| *it != Kind::Unproved) else {
                continue;
            };
            let arguments = match &meta {
                Meta::List(list) => list.tokens.clone(),
                _ => TokenStream::new(),
            };
            self.source.calls.push(Call {
                kind,
                path: self.path.clone(),
                arguments,
                item: item.clone(),
                span: meta.span(),
            });
        }
    }

    /// Whether tokens name one of our macros; `unproved` is also a name of other things.
    fn mentions(&self, tokens: TokenStream) -> bool {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            let found = match token {
                TokenTree::Group(group) => self.mentions(group.stream()),
                TokenTree::Ident(ident) => {
                    let name = ident.to_string();
                    let called =
                        matches!(tokens.peek(), Some(TokenTree::Punct(it)) if it.as_char() == '!');
                    self.aliases
                        .iter()
                        .any(|(alias, kind)| *alias == name && (*kind != Kind::Unproved || called))
                }
                _ => false,
            };
            if found {
                return true;
            }
        }
        false
    }

    /// A function that syn keeps as it is, because it has no body.
    fn verbatim(&mut self, tokens: &TokenStream) {
        let attrs = |input: syn::parse::ParseStream<'_>| {
            let attrs = Attribute::parse_outer(input)?;
            Ok((attrs, input.parse::<TokenStream>()?))
        };
        let found = attrs.parse2(tokens.clone());
        match found {
            Ok((attrs, rest))
                if metas(&attrs)
                    .iter()
                    .any(|it| self.kind(it.path()).is_some()) =>
            {
                self.function(&attrs, rest);
            }
            _ if self.mentions(tokens.clone()) => {
                self.unseen(tokens, "an item that is no function")
            }
            _ => {}
        }
    }

    fn unseen(&mut self, place: &impl ToTokens, what: &str) {
        self.source.unseen.push(Unseen {
            what: what.to_owned(),
            span: place.to_token_stream().span(),
        });
    }

    /// `#[tool(…)]` of an argument or a field.
    fn tool(&mut self, attrs: &[Attribute], name: String) {
        // What is wrong with it is told where it is compiled.
        let mut ignored = Errors::default();
        for entry in attributes::entries_of(attrs, "tool", &mut ignored) {
            let rule = match attributes::key(&entry).as_str() {
                "not_tenant" => "not_tenant",
                "open" => "open",
                _ => continue,
            };
            if let Meta::NameValue(pair) = &entry
                && let Some(reason) = attributes::string(&pair.value)
            {
                let mut path = self.path.clone();
                path.push(name.clone());
                self.source.exceptions.push(Exception {
                    path,
                    rule,
                    reason: reason.value(),
                });
            }
        }
    }
}

/// `#[cfg(test)]`, or a condition that needs it.
fn is_test(attr: &Attribute) -> bool {
    let Meta::List(list) = &attr.meta else {
        return false;
    };
    let condition = list.tokens.to_string();
    let mut words = condition.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    list.path.is_ident("cfg") && words.any(|word| word == "test") && !condition.contains("not")
}

/// The attributes, and those that `cfg_attr` adds.
fn metas(attrs: &[Attribute]) -> Vec<Meta> {
    let mut found = Vec::new();
    for attr in attrs {
        match &attr.meta {
            Meta::List(list) if list.path.is_ident("cfg_attr") => {
                let parser = Punctuated::<Meta, Token![,]>::parse_terminated;
                if let Ok(inner) = parser.parse2(list.tokens.clone()) {
                    found.extend(inner.into_iter().skip(1));
                }
            }
            meta => found.push(meta.clone()),
        }
    }
    found
}

/// The function without its query attributes.
fn bare(attrs: &[Attribute], whole: &mut Vec<Attribute>) {
    whole.clear();
    whole.extend(
        attrs
            .iter()
            .filter(|attr| attr.path().is_ident("doc"))
            .cloned(),
    );
}

impl<'ast> Visit<'ast> for Scanner {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Verbatim(tokens) => self.verbatim(tokens),
            Item::Macro(item) if item.ident.is_some() => {
                if self.mentions(item.mac.tokens.clone()) {
                    self.unseen(&item.ident, "a macro of one's own writes statements");
                }
            }
            Item::Struct(item) => self.within(item.ident.to_string(), |it| {
                visit::visit_item_struct(it, item);
            }),
            Item::Enum(item) => self.within(item.ident.to_string(), |it| {
                visit::visit_item_enum(it, item);
            }),
            _ => visit::visit_item(self, item),
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let name = module.ident.unraw().to_string();
        if module.content.is_some() {
            self.within(name, |it| visit::visit_item_mod(it, module));
            return;
        }
        let file = metas(&module.attrs)
            .into_iter()
            .find_map(|meta| match meta {
                Meta::NameValue(pair) if pair.path.is_ident("path") => {
                    attributes::string(&pair.value).map(syn::LitStr::value)
                }
                _ => None,
            });
        self.source.modules.push(Module {
            path: self.path.clone(),
            name,
            file,
            test: module.attrs.iter().any(is_test),
            span: module.span(),
        });
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let name = item.self_ty.to_token_stream().to_string().replace(' ', "");
        self.within(name, |it| visit::visit_item_impl(it, item));
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.within(item.ident.to_string(), |it| {
            visit::visit_item_trait(it, item)
        });
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        match item {
            syn::ImplItem::Verbatim(tokens) => self.verbatim(tokens),
            item => visit::visit_impl_item(self, item),
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let mut plain = item.clone();
        bare(&item.attrs, &mut plain.attrs);
        self.function(&item.attrs, plain.to_token_stream());
        self.within(item.sig.ident.unraw().to_string(), |it| {
            visit::visit_item_fn(it, item);
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        let mut plain = item.clone();
        bare(&item.attrs, &mut plain.attrs);
        self.function(&item.attrs, plain.to_token_stream());
        self.within(item.sig.ident.unraw().to_string(), |it| {
            visit::visit_impl_item_fn(it, item);
        });
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        let mut plain = item.clone();
        bare(&item.attrs, &mut plain.attrs);
        self.function(&item.attrs, plain.to_token_stream());
        self.within(item.sig.ident.unraw().to_string(), |it| {
            visit::visit_trait_item_fn(it, item);
        });
    }

    fn visit_pat_type(&mut self, argument: &'ast syn::PatType) {
        self.tool(&argument.attrs, argument.pat.to_token_stream().to_string());
        visit::visit_pat_type(self, argument);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        let name = field
            .ident
            .as_ref()
            .map_or_else(String::new, ToString::to_string);
        self.tool(&field.attrs, name);
        visit::visit_field(self, field);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        match self.kind(&call.path) {
            Some(Kind::Unproved) => self.source.calls.push(Call {
                kind: Kind::Unproved,
                path: self.path.clone(),
                arguments: call.tokens.clone(),
                item: TokenStream::new(),
                span: call.span(),
            }),
            _ if call.path.is_ident("include") => self.unseen(call, "a file that is included"),
            _ if self.mentions(call.tokens.clone()) => {
                let list = call.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated);
                match list {
                    Ok(list) => list.iter().for_each(|it| self.visit_expr(it)),
                    Err(_) => self.unseen(call, "a macro that a statement is handed to"),
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_judges_is_found_or_listed() {
        let source = scan(
            r#"
            use watertight::{tenant_query as tq, unproved};
            mod other;
            #[cfg(unix)] #[path = "x.rs"] mod unix;
            #[watertight::tenant_query("SELECT 1")]
            async fn declared(db: &mut Scope<'_>) -> DbResult<i32>;
            mod inner {
                mod deep;
                impl Desk { #[tq("SELECT 2")] async fn method(&self, db: &mut Scope<'_>) -> DbResult<i32>; }
                #[cfg_attr(feature = "x", tenant_query("SELECT 3"))]
                async fn conditional(db: &mut Scope<'_>) {
                    let rows = vec![unproved!("SELECT 4", reason = "r")];
                    #[system_query("SELECT 5", role = "r", tables(t), reason = "r")]
                    async fn nested(db: &mut SystemScope<'_>) -> DbResult<i32>;
                }
            }
            macro_rules! make { () => { #[tenant_query("SELECT 6")] fn f(); } }
            select! { a = b => unproved!("SELECT 7", reason = "r") }
            include!("generated.rs");
            struct Input { #[tool(not_tenant = "a flat's renter")] renter: String }
            fn tool(#[tool(open = "any JSON")] data: Value) {}
            "#,
        )
        .unwrap();
        let calls: Vec<String> = source
            .calls
            .iter()
            .map(|it| format!("{:?} {}", it.kind, it.path.join("::")))
            .collect();
        assert_eq!(
            calls,
            [
                "Tenant ",
                "Tenant inner::Desk",
                "Tenant inner",
                "Unproved inner::conditional",
                "System inner::conditional"
            ]
        );
        let modules: Vec<(String, &str, Option<&str>)> = source
            .modules
            .iter()
            .map(|it| (it.path.join("::"), it.name.as_str(), it.file.as_deref()))
            .collect();
        assert_eq!(
            modules,
            [
                (String::new(), "other", None),
                (String::new(), "unix", Some("x.rs")),
                ("inner".to_owned(), "deep", None)
            ]
        );
        let unseen: Vec<&str> = source.unseen.iter().map(|it| it.what.as_str()).collect();
        assert_eq!(unseen.len(), 3, "{unseen:?}");
        let exceptions: Vec<(String, &str)> = source
            .exceptions
            .iter()
            .map(|it| (it.path.join("::"), it.rule))
            .collect();
        assert_eq!(
            exceptions,
            [
                ("Input::renter".to_owned(), "not_tenant"),
                ("tool::data".to_owned(), "open")
            ]
        );
    }
}
