//! Names of columns to what they stand for, as PostgreSQL resolves them.
//!
//! Invariant: a name that could stand for something the scope can't tell is refused, never guessed.

use std::rc::Rc;

use super::state::{Info, Namespace, Prover, Scope, Table, Visible};
use crate::catalog::Relation;
use crate::diagnostic::{Code, Diagnostic};
use crate::functions::types::Ty;
use crate::ir::Span;

/// Columns that every table has; they tell the place of rows and the transactions of all tenants.
const SYSTEM_COLUMNS: &[&str] = &["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

/// Whether every table has a column of this name that the migrations do not tell of.
pub(super) fn is_system(name: &str) -> bool {
    SYSTEM_COLUMNS.contains(&name)
}

impl Prover<'_> {
    pub(super) fn push_scope(&mut self, namespace: Namespace, parent: Option<usize>) -> usize {
        self.scopes.push(Scope { namespace, parent });
        self.scopes.len() - 1
    }

    /// The scopes from `scope` outwards.
    fn chain(&self, scope: usize) -> impl Iterator<Item = &Scope> {
        self.numbered(scope).map(|(_, scope)| scope)
    }

    fn numbered(&self, scope: usize) -> impl Iterator<Item = (usize, &Scope)> {
        let mut next = Some(scope);
        std::iter::from_fn(move || {
            let number = next?;
            let scope = self.scopes.get(number)?;
            next = scope.parent;
            Some((number, scope))
        })
    }

    /// Notes for the sub-queries being read that they depend on a row of this scope.
    fn note_read(&self, found: usize, info: &Info) {
        for watch in &self.watch {
            if info.reads && found < watch.scopes {
                watch.correlated.set(true);
            }
        }
    }

    /// Notes for the aggregates being read that one of their arguments is a column of this scope.
    fn note_level(&self, found: usize) {
        let mut levels = self.aggregates.borrow_mut();
        for level in levels.iter_mut() {
            // Scopes are numbered as they are made, so those around have smaller numbers.
            match found.cmp(&level.scope) {
                std::cmp::Ordering::Equal => level.own = true,
                std::cmp::Ordering::Less => level.outer = true,
                std::cmp::Ordering::Greater => {}
            }
        }
    }

    /// Resolves a column reference of one to three parts; where it stands for nothing, a diagnostic
    /// was given.
    pub(super) fn resolve(&mut self, parts: &[String], span: &Span, scope: usize) -> Option<Info> {
        match self.lookup(parts, span, scope) {
            Ok(info) => Some(info),
            Err(problem) => {
                // Columns that can't be told because of a problem that is already told.
                if problem.code != Code::NOT_UNDERSTOOD || self.problems.is_empty() {
                    self.problem(*problem);
                }
                None
            }
        }
    }

    fn lookup(&self, parts: &[String], span: &Span, scope: usize) -> Result<Info, Box<Diagnostic>> {
        match parts {
            [column] => self.unqualified(column, span, scope),
            [table, column] => {
                if let Some(table) = self.table(None, table, span, scope)? {
                    return self.qualified(table, column, span);
                }
                if let Some(value) = self.argument(column) {
                    return Ok(value);
                }
                Err(self.no_table(table, span))
            }
            [schema, table, column] => match self.table(Some(schema), table, span, scope)? {
                Some(table) => self.qualified(table, column, span),
                None => Err(self.no_table(table, span)),
            },
            _ => Err(error(
                Code::NOT_UNDERSTOOD,
                "a column with a database in front is not understood yet",
                span,
            )),
        }
    }

    fn unqualified(&self, name: &str, span: &Span, scope: usize) -> Result<Info, Box<Diagnostic>> {
        // A table's own system column hides a column of this name in a query around it, and it is
        // not always to be told whether an item is a table.
        if SYSTEM_COLUMNS.contains(&name) {
            return Err(self.system_column(name, span));
        }
        let mut opaque = false;
        for (number, scope) in self.numbered(scope) {
            let mut found = scope
                .namespace
                .columns
                .iter()
                .filter(|visible| *visible.name == *name);
            match (found.next(), found.next()) {
                (Some(_), _) if opaque || scope.namespace.opaque => {
                    return Err(self.opaque(name, span));
                }
                (Some(visible), None) => {
                    self.note_level(number);
                    self.note_read(number, &visible.info);
                    return Ok(Info::clone(&visible.info));
                }
                (Some(_), Some(_)) => {
                    return Err(Box::new(
                        Diagnostic::error(
                            Code::AMBIGUOUS_COLUMN,
                            format!("the column `{name}` could belong to several relations"),
                        )
                        .at(span.clone())
                        .help(format!(
                            "write the relation's name in front, as in `t.{name}`"
                        )),
                    ));
                }
                (None, _) => opaque |= scope.namespace.opaque,
            }
        }
        if opaque {
            return Err(self.opaque(name, span));
        }
        // The name of an item alone stands for its whole row.
        if let Some((number, table)) = self.table(None, name, span, scope)? {
            let row = whole_row(table);
            self.note_read(number, &row);
            return Ok(row);
        }
        if let Some(value) = self.argument(name) {
            return Ok(value);
        }
        let near = self
            .chain(scope)
            .flat_map(|scope| &scope.namespace.columns)
            .map(|visible| (&*visible.name, &visible.name));
        let near = crate::catalog::nearest(name, near);
        Err(self.no_column(name, None, near.map(ToString::to_string), span))
    }

    /// `(t).column` where `t` is an item of `FROM` and no column is called so; nothing for a field of
    /// any other value.
    pub(super) fn column_of_row(
        &self,
        parts: &[String],
        field: &str,
        span: &Span,
        scope: usize,
    ) -> Option<Info> {
        let [name] = parts else {
            return None;
        };
        for scope in self.chain(scope) {
            let named = |visible: &Visible| *visible.name == **name;
            if scope.namespace.opaque || scope.namespace.columns.iter().any(named) {
                return None;
            }
        }
        let table = self.table(None, name, span, scope).ok()??;
        if table.1.scalar {
            return None;
        }
        self.qualified(table, field, span).ok()
    }

    /// The argument of this name, of the function whose body is read.
    fn argument(&self, name: &str) -> Option<Info> {
        let arguments = self.context.arguments.as_ref()?;
        let named = |argument: &&super::state::Argument| argument.name.as_deref() == Some(name);
        arguments
            .iter()
            .find(named)
            .map(|found| found.value.clone())
    }

    /// The nearest item of this name.
    fn table(
        &self,
        schema: Option<&str>,
        name: &str,
        span: &Span,
        scope: usize,
    ) -> Result<Option<(usize, &Table)>, Box<Diagnostic>> {
        for (number, scope) in self.numbered(scope) {
            let mut found = scope.namespace.tables.iter().filter(|table| {
                table.name == name
                    && schema.is_none_or(|schema| table.schema.as_deref() == Some(schema))
            });
            match (found.next(), found.next()) {
                (Some(table), None) => {
                    self.note_level(number);
                    return Ok(Some((number, table)));
                }
                (Some(_), Some(_)) => {
                    return Err(error(
                        Code::AMBIGUOUS_COLUMN,
                        format!("`{name}` could be several items of `FROM`"),
                        span,
                    ));
                }
                (None, _) => {}
            }
        }
        Ok(None)
    }

    fn qualified(
        &self,
        (number, table): (usize, &Table),
        column: &str,
        span: &Span,
    ) -> Result<Info, Box<Diagnostic>> {
        let Some(columns) = &table.columns else {
            return Err(self.opaque(column, span));
        };
        let mut found = columns.iter().filter(|visible| *visible.name == *column);
        match (found.next(), found.next()) {
            (Some(visible), None) => {
                self.note_read(number, &visible.info);
                Ok(Info::clone(&visible.info))
            }
            (Some(_), Some(_)) => Err(error(
                Code::AMBIGUOUS_COLUMN,
                format!("`{}` has several columns `{column}`", table.name),
                span,
            )),
            (None, _) if SYSTEM_COLUMNS.contains(&column) => Err(self.system_column(column, span)),
            (None, _) => {
                let near = columns
                    .iter()
                    .map(|visible| (&*visible.name, &visible.name));
                let near = crate::catalog::nearest(column, near);
                Err(self.no_column(
                    column,
                    Some(&table.name),
                    near.map(ToString::to_string),
                    span,
                ))
            }
        }
    }

    /// The whole row of an item, as `t.*` stands for it inside of an expression.
    pub(super) fn row_of(
        &self,
        parts: &[String],
        span: &Span,
        scope: usize,
    ) -> Result<Info, Box<Diagnostic>> {
        let (schema, name) = match parts {
            [name] => (None, name),
            [schema, name] => (Some(schema.as_str()), name),
            _ => {
                return Err(error(
                    Code::NOT_UNDERSTOOD,
                    "this star is not understood yet",
                    span,
                ));
            }
        };
        match self.table(schema, name, span, scope)? {
            Some((number, table)) => {
                let row = Info {
                    ty: Some(Ty::plain("record")),
                    node: None,
                    ..whole_row(table)
                };
                self.note_read(number, &row);
                Ok(row)
            }
            None => Err(self.no_table(name, span)),
        }
    }

    /// Every column of the scope itself, as `*` stands for them.
    pub(super) fn star(&self, scope: usize) -> Option<Vec<Visible>> {
        let namespace = &self.scopes.get(scope)?.namespace;
        (!namespace.opaque).then(|| namespace.columns.clone())
    }

    /// Every column of one item, as `t.*` stands for them. `Err` when there is no such item.
    pub(super) fn table_star(
        &self,
        parts: &[String],
        span: &Span,
        scope: usize,
    ) -> Result<Option<Rc<[Visible]>>, Box<Diagnostic>> {
        let (schema, name) = match parts {
            [name] => (None, name),
            [schema, name] => (Some(schema.as_str()), name),
            _ => {
                return Err(error(
                    Code::NOT_UNDERSTOOD,
                    "this star is not understood yet",
                    span,
                ));
            }
        };
        match self.table(schema, name, span, scope)? {
            Some((_, table)) => Ok(table.columns.clone()),
            None => Err(self.no_table(name, span)),
        }
    }

    fn opaque(&self, name: &str, span: &Span) -> Box<Diagnostic> {
        Box::new(
            Diagnostic::error(
                Code::NOT_UNDERSTOOD,
                format!("what the name `{name}` stands for can't be told: an item of `FROM` has columns that are not known"),
            )
            .at(span.clone())
            .help("name the columns of the function, as in `AS f (a, b)`, and qualify the name; a parameter needs its type, as in `unnest($ids::uuid[])`"),
        )
    }

    pub(super) fn system_column(&self, name: &str, span: &Span) -> Box<Diagnostic> {
        Box::new(
            Diagnostic::error(
                Code::METADATA,
                format!("`{name}` tells about the storage that all tenants share"),
            )
            .at(span.clone())
            .help("use the primary key"),
        )
    }

    fn no_table(&self, name: &str, span: &Span) -> Box<Diagnostic> {
        Box::new(
            Diagnostic::error(
                Code::INVALID,
                format!("there is no item `{name}` in `FROM` that this place sees"),
            )
            .at(span.clone())
            .note("an alias hides the name of the relation"),
        )
    }

    fn no_column(
        &self,
        name: &str,
        table: Option<&str>,
        near: Option<String>,
        span: &Span,
    ) -> Box<Diagnostic> {
        let of = table.map_or_else(String::new, |table| format!(" in `{table}`"));
        let mut diagnostic = Diagnostic::error(
            Code::UNKNOWN_COLUMN,
            format!("there is no column `{name}`{of}"),
        )
        .at(span.clone());
        if let Some(near) = near {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
        }
        Box::new(diagnostic)
    }

    /// A refusal that names a missing column of a known relation.
    pub(super) fn missing_column(
        &self,
        relation: &Relation,
        name: &str,
        span: &Span,
    ) -> Diagnostic {
        let near = self.catalog.did_you_mean_column(relation, name);
        let far = near.is_none();
        let diagnostic = *self.no_column(name, Some(&relation.display()), near, span);
        match far.then(|| columns_of(relation)).flatten() {
            Some(columns) => diagnostic.help(columns),
            None => diagnostic,
        }
    }
}

/// More columns than this are not told one by one.
const TOLD: usize = 16;

/// What there is in the place of a column that there is not.
fn columns_of(relation: &Relation) -> Option<String> {
    let names = relation
        .columns
        .iter()
        .map(|column| format!("`{}`", column.name));
    let mut names: Vec<String> = names.take(TOLD + 1).collect();
    let more = names.len() > TOLD;
    names.truncate(TOLD);
    let rest = if more { ", …" } else { "" };
    (!names.is_empty()).then(|| format!("its columns are {}{rest}", names.join(", ")))
}

/// The whole row of an item.
fn whole_row(table: &Table) -> Info {
    let mut info = Info::constant();
    info.constant = false;
    match &table.columns {
        Some(columns) => {
            if let ([only], true) = (&**columns, table.scalar) {
                return Info::clone(&only.info);
            }
            for column in columns.iter() {
                info.absorb(&column.info);
            }
        }
        None => info.from_tenant = true,
    }
    info.constant = false;
    info.ty = Some(Ty::plain("record"));
    info
}

pub(super) fn error(code: Code, message: impl Into<String>, span: &Span) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(code, message).at(span.clone()))
}
