//! Texts that are put together step by step, as `QueryBuilder` does: what each step adds, and on which
//! way through the function.
//!
//! Invariant: what may be added and is not seen is a gap, so a text that is known is known whole.

use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Expr, ExprMethodCall, Stmt, Token};

use super::super::facts::{Adds, Arm, Executor, Literal, Span, Step, Text};
use super::Extractor;
use super::chain::{Builder, strip};

impl Extractor {
    /// A branch of its own.
    pub(super) fn branch_of(&mut self) -> usize {
        self.branches += 1;
        self.branches
    }

    /// Goes into one arm of a branch; `of` is how many of its arms go on behind it.
    pub(super) fn arm(
        &mut self,
        branch: usize,
        arm: usize,
        of: usize,
        visit: impl FnOnce(&mut Self),
    ) {
        self.path.push(Arm {
            branch,
            arm,
            of,
            repeats: false,
        });
        visit(self);
        self.path.pop();
    }

    /// Goes into what runs any number of times.
    pub(super) fn repeated(&mut self, visit: impl FnOnce(&mut Self)) {
        let branch = self.branch_of();
        self.path.push(Arm {
            branch,
            arm: 0,
            of: 1,
            repeats: true,
        });
        visit(self);
        self.path.pop();
    }

    /// Adds what a chain on a builder pushes.
    pub(super) fn build(
        &mut self,
        builder: &Builder,
        chain: &[&ExprMethodCall],
        executor: Executor,
    ) {
        let when: Vec<Arm> = self.path.iter().skip(builder.depth).cloned().collect();
        let mut between = builder.between.clone();
        let mut added = Vec::new();
        for call in chain {
            let name = call.method.to_string();
            let first = call.args.first();
            let separator = match (name.as_str(), &between) {
                ("push" | "push_bind", Some(between)) => Some(between.clone()),
                _ => None,
            };
            added.extend(separator);
            match (name.as_str(), first) {
                ("push" | "push_unseparated", Some(value)) => {
                    added.push(match self.text_of(value) {
                        Some(text) => Adds::Text(text),
                        None => Adds::Gap,
                    })
                }
                ("push_bind" | "push_bind_unseparated", Some(value)) => {
                    added.push(Adds::Bind(self.bind(value)));
                }
                ("separated", Some(value)) => between = Some(self.between(value)),
                ("push_values", Some(_)) => added.extend(self.rows(call)),
                ("push_tuples" | "reset" | "into_sql", _) => added.push(Adds::Gap),
                (name, _) if name.starts_with("build") => self.built(builder.statement),
                _ => {}
            }
        }
        self.add(builder.statement, &when, added);
        let statement = self.facts.statements.get_mut(builder.statement);
        if let Some(statement) = statement.filter(|_| executor == Executor::Pool) {
            statement.executor = executor;
        }
    }

    /// The text between the pushes of `separated(…)`.
    pub(super) fn between(&mut self, value: &Expr) -> Adds {
        Adds::Between {
            of: self.branch_of(),
            text: self
                .text_of(value)
                .unwrap_or(Text::Unknown(value.span().byte_range())),
        }
    }

    fn built(&mut self, statement: usize) {
        for locals in &mut self.locals {
            let builders = locals.builders.values_mut();
            for builder in builders.filter(|it| it.statement == statement) {
                builder.built = true;
            }
        }
    }

    fn add(&mut self, statement: usize, when: &[Arm], added: Vec<Adds>) {
        let Some(statement) = self.facts.statements.get_mut(statement) else {
            return;
        };
        let text = std::mem::replace(&mut statement.text, Text::Unknown(0..0));
        let span = text.span();
        let mut steps = match text {
            Text::Built { steps, .. } => steps,
            other => vec![Step {
                when: Vec::new(),
                adds: Adds::Text(other),
            }],
        };
        steps.extend(added.into_iter().map(|adds| Step {
            when: when.to_vec(),
            adds,
        }));
        statement.text = Text::Built { steps, span };
    }

    /// `push_values(rows, |mut row, it| { row.push_bind(it.id).push_bind(it.name); })`
    fn rows(&self, call: &ExprMethodCall) -> Vec<Adds> {
        let Some(Expr::Closure(closure)) = call.args.iter().nth(1) else {
            return vec![Adds::Gap];
        };
        let row = closure
            .inputs
            .first()
            .map(super::names_of)
            .unwrap_or_default();
        let statements: Vec<&Expr> = match &*closure.body {
            Expr::Block(block) => block
                .block
                .stmts
                .iter()
                .filter_map(|it| match it {
                    Stmt::Expr(expr, _) => Some(expr),
                    _ => None,
                })
                .collect(),
            other => vec![other],
        };
        let mut values: Vec<Adds> = Vec::new();
        for statement in statements {
            let mut calls = Vec::new();
            let mut at = statement;
            while let Expr::MethodCall(call) = strip(at) {
                calls.push(call);
                at = &call.receiver;
            }
            let on_row = matches!(strip(at), Expr::Path(path) if path.path.get_ident().is_some_and(|it| row.iter().any(|row| it == row)));
            if !on_row {
                return vec![Adds::Gap];
            }
            for call in calls.into_iter().rev() {
                match (call.method.to_string().as_str(), call.args.first()) {
                    ("push_bind", Some(value)) => values.push(Adds::Bind(self.bind(value))),
                    ("push", Some(value)) => match self.text_of(value) {
                        Some(text) => values.push(Adds::Text(text)),
                        None => return vec![Adds::Gap],
                    },
                    _ => return vec![Adds::Gap],
                }
            }
        }
        let mut added = vec![plain("VALUES (")];
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                added.push(plain(", "));
            }
            added.push(value);
        }
        added.push(plain(")"));
        added
    }

    /// A builder that is handed on, or put in another's place: what is pushed there is not seen.
    pub(super) fn handed_on(&mut self, value: &Expr) {
        let Expr::Path(path) = strip(value) else {
            return;
        };
        let name = path.path.get_ident().map(ToString::to_string);
        let lent = !matches!(value, Expr::Reference(it) if it.mutability.is_none());
        let locals = self.locals.last();
        if let Some(name) = name.clone().filter(|_| lent)
            && locals.is_some_and(|it| it.strings.contains_key(&name))
        {
            self.extend(&name, Adds::Gap);
        }
        let locals = self.locals.last();
        let builder = name.and_then(|name| locals?.builders.get(&name)).cloned();
        if let Some(builder) = builder {
            self.add(builder.statement, &[], vec![Adds::Gap]);
        }
    }

    /// A text that is added to, as it is where it is read.
    pub(super) fn string(&self, name: &str) -> Option<Text> {
        let (steps, depth) = self.locals.last()?.strings.get(name)?;
        let here = self.path.get(*depth..).unwrap_or_default();
        let mut seen = Vec::new();
        for step in steps {
            let other = |it: &Arm| {
                here.iter()
                    .any(|at| at.branch == it.branch && at.arm != it.arm)
            };
            if step.when.iter().any(other) {
                continue;
            }
            let mut step = step.clone();
            step.when.retain(|it| !here.contains(it));
            seen.push(step);
        }
        if let [
            Step {
                when,
                adds: Adds::Text(text),
            },
        ] = seen.as_slice()
            && when.is_empty()
        {
            return Some(text.clone());
        }
        let first = seen.iter().find_map(|it| match &it.adds {
            Adds::Text(text) => Some(text.span()),
            _ => None,
        });
        Some(Text::Built {
            span: first.unwrap_or_default(),
            steps: seen,
        })
    }

    /// `text.push_str(…)`, and what else changes a text.
    pub(super) fn grows(&mut self, call: &ExprMethodCall, name: &str) {
        let Some(text) = self.string_named(&call.receiver) else {
            return;
        };
        match (name, call.args.first()) {
            ("push_str", Some(value)) => {
                let added = self.text_of(value).map_or(Adds::Gap, Adds::Text);
                self.extend(&text, added);
            }
            ("push", Some(Expr::Lit(lit))) => {
                let added = match &lit.lit {
                    syn::Lit::Char(c) => plain(&c.value().to_string()),
                    _ => Adds::Gap,
                };
                self.extend(&text, added);
            }
            (
                "push" | "insert" | "insert_str" | "truncate" | "clear" | "pop" | "remove"
                | "extend" | "retain" | "replace_range" | "write_fmt" | "write_str" | "drain",
                _,
            ) => self.extend(&text, Adds::Gap),
            _ => {}
        }
    }

    /// `text += "…"`
    pub(super) fn added_to(&mut self, left: &Expr, right: &Expr) {
        if let Some(text) = self.string_named(left) {
            let added = self.text_of(right).map_or(Adds::Gap, Adds::Text);
            self.extend(&text, added);
        }
    }

    /// `write!(text, "…", …)`
    pub(super) fn written_to(&mut self, call: &syn::Macro, line: bool) {
        let list = Punctuated::<Expr, Token![,]>::parse_terminated;
        let Ok(list) = list.parse2(call.tokens.clone()) else {
            return;
        };
        let Some(text) = list.first().and_then(|it| self.string_named(it)) else {
            return;
        };
        let arguments: Vec<&Expr> = list.iter().skip(2).collect();
        let added = match list.iter().nth(1) {
            Some(Expr::Lit(lit)) => match &lit.lit {
                syn::Lit::Str(template) => {
                    Adds::Text(self.formatted(template, &arguments, template.span().byte_range()))
                }
                _ => Adds::Gap,
            },
            _ => Adds::Gap,
        };
        self.extend(&text, added);
        if line {
            self.extend(&text, plain("\n"));
        }
    }

    fn string_named(&self, expr: &Expr) -> Option<String> {
        let Expr::Path(path) = strip(expr) else {
            return None;
        };
        let name = path.path.get_ident()?.to_string();
        let known = self.locals.last()?.strings.contains_key(&name);
        known.then_some(name)
    }

    fn extend(&mut self, name: &str, adds: Adds) {
        let path = &self.path;
        let locals = self.locals.last_mut();
        if let Some((steps, depth)) = locals.and_then(|it| it.strings.get_mut(name)) {
            let when: Vec<Arm> = path.iter().skip(*depth).cloned().collect();
            let of = |step: Step| Step {
                when: when.iter().cloned().chain(step.when).collect(),
                adds: step.adds,
            };
            match adds {
                Adds::Text(text) => steps.extend(steps_of(text).into_iter().map(of)),
                adds => steps.push(Step { when, adds }),
            }
        }
    }

    /// At the end of a function: a builder that was not built in it is built elsewhere, from more.
    pub(super) fn left(&mut self, builders: impl Iterator<Item = Builder>) {
        for builder in builders.filter(|it| !it.built) {
            self.add(builder.statement, &[], vec![Adds::Gap]);
        }
    }
}

/// The steps that a text is made of.
pub(super) fn steps_of(text: Text) -> Vec<Step> {
    let one = |adds: Adds| Step {
        when: Vec::new(),
        adds,
    };
    match text {
        Text::Built { steps, .. } => steps,
        // One of several: as the arms of a branch, which its place in the source numbers.
        Text::Several(list) => {
            let branch = (1 << 40) + list.first().map_or(0, |it| it.span().start);
            let of = list.len();
            let arms = list.into_iter().enumerate().flat_map(|(arm, text)| {
                let arm = Arm {
                    branch,
                    arm,
                    of,
                    repeats: false,
                };
                let within = steps_of(text).into_iter();
                within.map(move |step| Step {
                    when: std::iter::once(arm.clone()).chain(step.when).collect(),
                    adds: step.adds,
                })
            });
            arms.collect()
        }
        text => vec![one(Adds::Text(text))],
    }
}

/// `format!` with what its gaps are, as far as that is known.
pub(super) fn filled(parts: &[String], fills: Vec<Option<Text>>, span: Span) -> Text {
    let mut steps = Vec::new();
    let mut fills = fills.into_iter();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            let before = parts.get(at - 1).is_some_and(|it| it.ends_with('$'));
            match fills.next().flatten() {
                Some(text) => steps.extend(steps_of(text)),
                None => steps.push(Step {
                    when: Vec::new(),
                    adds: if before { Adds::Number } else { Adds::Gap },
                }),
            }
        }
        steps.push(Step {
            when: Vec::new(),
            adds: plain(part),
        });
    }
    Text::Built { steps, span }
}

fn plain(text: &str) -> Adds {
    Adds::Text(Text::Literal(Literal {
        value: text.to_owned(),
        ..Literal::default()
    }))
}

/// Whether what follows an expression is reached.
pub(super) fn goes_on(expr: &Expr) -> bool {
    match expr {
        Expr::Return(_) | Expr::Break(_) | Expr::Continue(_) => false,
        Expr::Block(block) => block_goes_on(&block.block),
        Expr::Macro(call) => {
            let last = call.mac.path.segments.last().map(|it| it.ident.to_string());
            !matches!(
                last.as_deref(),
                Some("bail" | "panic" | "todo" | "unimplemented" | "unreachable")
            )
        }
        _ => true,
    }
}

/// Whether what follows a block is reached.
pub(super) fn block_goes_on(block: &syn::Block) -> bool {
    match block.stmts.last() {
        Some(Stmt::Expr(expr, _)) => goes_on(expr),
        Some(Stmt::Macro(item)) => goes_on(&Expr::Macro(syn::ExprMacro {
            attrs: Vec::new(),
            mac: item.mac.clone(),
        })),
        _ => true,
    }
}
