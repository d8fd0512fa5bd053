//! What a text is, where an expression gives one: a literal, a constant, a file, or made at run time.

use syn::ext::IdentExt as _;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Expr, Lit, Stmt, Token};

use super::super::facts::{Literal, Text};
use super::super::literal::literal;
use super::Extractor;

/// Methods that leave a text as it is.
const SAME: [&str; 9] = [
    "as_ref",
    "as_str",
    "clone",
    "into",
    "into_boxed_str",
    "into_sql_str",
    "to_owned",
    "to_string",
    "trim",
];
/// Functions that leave a text as it is, by the last segment of their path.
const WRAPS: [&str; 5] = ["AssertSqlSafe", "from", "Borrowed", "Owned", "new"];

impl Extractor {
    pub(super) fn text_of(&self, expr: &Expr) -> Option<Text> {
        match expr {
            Expr::Lit(lit) => match &lit.lit {
                Lit::Str(text) => Some(Text::Literal(literal(text, &self.facts.text))),
                _ => None,
            },
            Expr::Reference(inner) => self.text_of(&inner.expr),
            Expr::Paren(inner) => self.text_of(&inner.expr),
            Expr::Group(inner) => self.text_of(&inner.expr),
            Expr::MethodCall(call) if SAME.contains(&call.method.to_string().as_str()) => {
                self.text_of(&call.receiver)
            }
            Expr::Call(call) => {
                let Expr::Path(callee) = &*call.func else {
                    return None;
                };
                let last = callee.path.segments.last()?.ident.to_string();
                let of_string = callee.path.segments.iter().any(|it| it.ident == "String");
                if of_string && matches!(last.as_str(), "new" | "with_capacity") {
                    return Some(Text::Literal(Literal::default()));
                }
                let only = call.args.first().filter(|_| call.args.len() == 1)?;
                WRAPS.contains(&last.as_str()).then(|| self.text_of(only))?
            }
            Expr::Macro(call) => self.text_of_macro(&call.mac),
            Expr::Path(path) => self.text_of_path(path),
            Expr::If(item) => {
                let (_, other) = item.else_branch.as_ref()?;
                let texts = [self.tail(&item.then_branch)?, self.text_of(other)?];
                Some(Text::Several(texts.into()))
            }
            Expr::Match(item) => {
                let texts: Option<Vec<Text>> = item
                    .arms
                    .iter()
                    .map(|arm| self.text_of(&arm.body))
                    .collect();
                Some(Text::Several(texts?))
            }
            Expr::Block(block) => self.tail(&block.block),
            Expr::Binary(binary) if matches!(binary.op, syn::BinOp::Add(_)) => {
                let left = self.text_of(&binary.left)?;
                let parts = match left {
                    Text::Literal(literal) => vec![literal.value, String::new()],
                    Text::Made { mut parts, .. } => {
                        parts.push(String::new());
                        parts
                    }
                    _ => return None,
                };
                Some(Text::Made {
                    gaps: vec![Vec::new(); parts.len() - 1],
                    parts,
                    span: binary.span().byte_range(),
                })
            }
            _ => None,
        }
    }

    fn tail(&self, block: &syn::Block) -> Option<Text> {
        match block.stmts.last()? {
            Stmt::Expr(expr, None) => self.text_of(expr),
            _ => None,
        }
    }

    fn text_of_path(&self, path: &syn::ExprPath) -> Option<Text> {
        let last = path.path.segments.last()?.ident.unraw().to_string();
        if path.path.segments.len() == 1
            && let Some(text) = self.string(&last)
        {
            return Some(text);
        }
        if path.path.segments.len() == 1
            && let Some(text) = self
                .locals
                .iter()
                .rev()
                .find_map(|locals| locals.texts.get(&last))
        {
            return Some(text.clone());
        }
        let constant = last.chars().any(|c| c.is_ascii_uppercase())
            && last.chars().all(|c| !c.is_ascii_lowercase());
        constant.then(|| Text::Constant {
            path: self.resolve(&path.path),
            span: path.span().byte_range(),
        })
    }

    fn text_of_macro(&self, call: &syn::Macro) -> Option<Text> {
        let name = call.path.segments.last()?.ident.to_string();
        let span = call.span().byte_range();
        match name.as_str() {
            "concat" | "concatcp" => {
                let list = Punctuated::<Expr, Token![,]>::parse_terminated
                    .parse2(call.tokens.clone())
                    .ok()?;
                let mut whole = Literal {
                    span: span.clone(),
                    ..Literal::default()
                };
                let mut known = true;
                let mut parts = vec![String::new()];
                for part in &list {
                    match self.text_of(part) {
                        Some(Text::Literal(part)) => {
                            if let Some(last) = parts.last_mut() {
                                last.push_str(&part.value);
                            }
                            append(&mut whole, &part);
                        }
                        _ => {
                            known = false;
                            parts.push(String::new());
                        }
                    }
                }
                Some(match known {
                    true => Text::Literal(whole),
                    false => Text::Made {
                        gaps: vec![Vec::new(); parts.len() - 1],
                        parts,
                        span,
                    },
                })
            }
            "include_str" => {
                let path: syn::LitStr = syn::parse2(call.tokens.clone()).ok()?;
                Some(Text::File {
                    path: path.value(),
                    beside: true,
                    span,
                })
            }
            "indoc" => {
                let text: syn::LitStr = syn::parse2(call.tokens.clone()).ok()?;
                Some(Text::Literal(literal(&text, &self.facts.text)))
            }
            "format" | "formatcp" | "formatdoc" => {
                let list = Punctuated::<Expr, Token![,]>::parse_terminated
                    .parse2(call.tokens.clone())
                    .ok()?;
                let Some(Expr::Lit(first)) = list.first() else {
                    return Some(Text::Unknown(span));
                };
                let Lit::Str(template) = &first.lit else {
                    return None;
                };
                let arguments: Vec<&Expr> = list.iter().skip(1).collect();
                Some(self.formatted(template, &arguments, span))
            }
            _ => None,
        }
    }

    /// `format!`: without gaps it is its literal.
    pub(super) fn formatted(
        &self,
        template: &syn::LitStr,
        arguments: &[&Expr],
        span: super::super::facts::Span,
    ) -> Text {
        let (parts, holes) = split_format(&template.value());
        if holes.is_empty() && parts.len() == 1 {
            let whole = literal(template, &self.facts.text);
            // A doubled brace moves what follows it.
            if parts.first() == Some(&whole.value) {
                return Text::Literal(whole);
            }
        }
        let mut next = 0;
        let given = |name: &str| {
            arguments.iter().find_map(|argument| match argument {
                Expr::Assign(assign) if names_in(&assign.left) == [name.to_owned()] => {
                    Some(&*assign.right)
                }
                _ => None,
            })
        };
        let mut position = 0;
        let fills: Vec<Option<Text>> = holes
            .iter()
            .map(|hole| match hole.as_str() {
                "" => {
                    position += 1;
                    self.text_of(arguments.get(position - 1)?)
                }
                name => match (given(name), name.parse::<usize>()) {
                    (Some(value), _) => self.text_of(value),
                    (None, Ok(index)) => self.text_of(arguments.get(index)?),
                    (None, Err(_)) => self.text_of(&syn::parse_str::<Expr>(name).ok()?),
                },
            })
            .collect();
        let whole = |fill: &Option<Text>| !matches!(fill, None | Some(Text::Constant { .. }));
        let numbers = |at: usize| parts.get(at).is_some_and(|it| it.ends_with('$'));
        if fills
            .iter()
            .enumerate()
            .any(|(at, fill)| whole(fill) || numbers(at))
        {
            return super::steps::filled(&parts, fills, span);
        }
        let gaps = holes
            .iter()
            .map(|hole| match hole.as_str() {
                "" => {
                    next += 1;
                    arguments
                        .get(next - 1)
                        .map(|it| names_in(it))
                        .unwrap_or_default()
                }
                name => arguments
                    .iter()
                    .find_map(|argument| match argument {
                        Expr::Assign(assign) if names_in(&assign.left) == [name.to_owned()] => {
                            Some(names_in(&assign.right))
                        }
                        _ => None,
                    })
                    .unwrap_or_else(|| match name.parse::<usize>() {
                        Ok(index) => arguments
                            .get(index)
                            .map(|it| names_in(it))
                            .unwrap_or_default(),
                        Err(_) => vec![name.to_owned()],
                    }),
            })
            .collect();
        Text::Made { parts, gaps, span }
    }
}

/// Adds a literal to another.
pub(crate) fn append(whole: &mut Literal, part: &Literal) {
    let offset = whole.value.len();
    whole.map.extend(
        part.map
            .iter()
            .map(|(value, source)| (value + offset, *source)),
    );
    whole.value.push_str(&part.value);
}

/// The parts of a format string, and the names in the gaps between them.
pub(super) fn split_format(template: &str) -> (Vec<String>, Vec<String>) {
    let (mut parts, mut holes) = (vec![String::new()], Vec::new());
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        let doubled = chars.peek() == Some(&c);
        match c {
            '{' | '}' if doubled => {
                chars.next();
                if let Some(part) = parts.last_mut() {
                    part.push(c);
                }
            }
            '{' => {
                let inner: String = chars.by_ref().take_while(|c| *c != '}').collect();
                let name = inner.split(':').next().unwrap_or_default().trim();
                holes.push(name.to_owned());
                parts.push(String::new());
            }
            c => {
                if let Some(part) = parts.last_mut() {
                    part.push(c);
                }
            }
        }
    }
    (parts, holes)
}

/// The names in an expression: variables, fields, methods, in the order of the text.
pub(super) fn names_in(expr: &Expr) -> Vec<String> {
    struct Names(Vec<String>);
    impl<'ast> syn::visit::Visit<'ast> for Names {
        fn visit_ident(&mut self, ident: &'ast syn::Ident) {
            self.0.push(ident.unraw().to_string());
        }
        fn visit_macro(&mut self, _: &'ast syn::Macro) {}
        fn visit_type(&mut self, _: &'ast syn::Type) {}
    }
    let mut names = Names(Vec::new());
    syn::visit::Visit::visit_expr(&mut names, expr);
    names.0.retain(|name| name != "self");
    names.0
}
