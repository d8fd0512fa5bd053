//! What the function of a trigger does: it may set columns of the new row, raise errors, and change
//! rows that row-level security confines or that carry the tenant of the row that fired it.

use super::content;
use super::term;
use super::{Class, class_within};
use crate::catalog::walk::{Mentions, statement_mentions};
use crate::catalog::{Body, Catalog, Command, Function, ReferentialAction, Relation, TypeKind};
use crate::ddl;
use crate::ddl::plpgsql::{self, Item};
use crate::ir::{Expr, ExprKind, QueryBody, Statement};

/// How much deeper than a view a trigger counts: triggers that fire each other end soon.
const STEP: usize = 6;

/// Judges the body of a trigger function for the rows of `table`.
pub(super) fn understood(
    catalog: &Catalog,
    table: &Relation,
    function: &Function,
    depth: usize,
) -> Result<(), String> {
    let Body::Opaque { text, .. } = &function.body else {
        return Err("calls a function that is not in PL/pgSQL".to_owned());
    };
    if function.language != "plpgsql" {
        return Err(format!("calls a function in {}", function.language));
    }
    let unclear = |reason| format!("is not understood ({reason})");
    if plpgsql::tree(text)
        .map_err(unclear)?
        .declares(&|name| matches!(name, "new" | "old") || name.starts_with("tg_"))
    {
        return Err("has a variable that hides the row which fired it".to_owned());
    }
    let items = plpgsql::items(text).map_err(unclear)?;
    let judge = Judge {
        catalog,
        table,
        function,
        depth,
    };
    items.iter().try_for_each(|item| judge.item(item))
}

/// The columns of the new row that a trigger function sets; `None` where that is not known.
pub(super) fn assigned(function: &Function) -> Option<Vec<String>> {
    let Body::Opaque { text, .. } = &function.body else {
        return None;
    };
    if function.language != "plpgsql" {
        return None;
    }
    let mut columns = Vec::new();
    for item in plpgsql::items(text).ok()? {
        match item {
            Item::Assign { target, .. } => match target.as_slice() {
                [row, column] if row == "new" => columns.push(column.clone()),
                [row, ..] if row == "new" => return None,
                _ => {}
            },
            Item::Return(expr) if returned(&expr).is_err() => return None,
            _ => {}
        }
    }
    Some(columns)
}

struct Judge<'a> {
    catalog: &'a Catalog,
    table: &'a Relation,
    function: &'a Function,
    depth: usize,
}

impl Judge<'_> {
    fn item(&self, item: &Item) -> Result<(), String> {
        match item {
            Item::Sql(text) => self.sql(text),
            Item::Execute(_) => Err("runs computed SQL text".to_owned()),
            Item::Return(expr) => returned(expr),
            Item::Expr(expr) => self.expression(expr).map(|_| ()),
            Item::Type(text) => self.type_of_variable(text),
            Item::Assign { target, expr } => {
                let statement = self.expression(expr)?;
                match target.as_slice() {
                    [variable] if variable != "new" => Ok(()),
                    [row, _] if row != "new" && row != "old" => Ok(()),
                    [row, column] if row == "new" => {
                        let tenant = self.table.tenant();
                        if tenant.is_none_or(|tenant| tenant.name != *column)
                            || self.is_term(&statement)
                        {
                            Ok(())
                        } else {
                            Err("assigns the tenant of the row".to_owned())
                        }
                    }
                    _ => Err("assigns something else than columns of the new row".to_owned()),
                }
            }
        }
    }

    /// A value is coerced to the type of its variable, which runs the checks of a domain.
    fn type_of_variable(&self, text: &str) -> Result<(), String> {
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let copied = text.contains('%');
        for ty in self.catalog.types() {
            let runs = match &ty.kind {
                TypeKind::Domain { expressions, .. } => !expressions.is_empty(),
                TypeKind::Composite(_) => true,
                _ => false,
            };
            // `notes.body%TYPE` could be any of them.
            if runs && (copied || words.iter().any(|word| word.eq_ignore_ascii_case(&ty.name))) {
                return Err(format!("has a variable of type `{text}`"));
            }
        }
        Ok(())
    }

    /// Reads an expression of PL/pgSQL, which may only compute.
    fn expression(&self, text: &str) -> Result<Statement, String> {
        let mut statements = ddl::statements(&format!("SELECT {text}"))
            .map_err(|why| format!("evaluates what is not understood ({why})"))?;
        let Some(statement) = statements.pop().filter(|_| statements.is_empty()) else {
            return Err("evaluates what is no expression".to_owned());
        };
        let found = statement_mentions(&statement);
        if !found.relations.is_empty() {
            return Err("reads tables".to_owned());
        }
        content::are_confined(self.catalog, &found, 0)
            .map_err(|why| format!("is not understood ({why})"))?;
        Ok(statement)
    }

    fn is_term(&self, statement: &Statement) -> bool {
        let Statement::Query(query) = statement else {
            return false;
        };
        let QueryBody::Select(select) = &query.body else {
            return false;
        };
        match select.targets.as_slice() {
            [target] => {
                term::is_tenant_term(&target.expr, self.catalog) || self.is_tenant(&target.expr)
            }
            _ => false,
        }
    }

    /// `NEW.tenant_id`, `OLD.tenant_id`, or whichever of them there is.
    fn is_tenant(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Column(parts) => {
                let [row, column] = parts.as_slice() else {
                    return false;
                };
                let tenant = self.table.tenant();
                (row == "new" || row == "old")
                    && tenant.is_some_and(|tenant| tenant.name == *column)
            }
            ExprKind::Coalesce(list) => list.iter().all(|expr| self.is_tenant(expr)),
            _ => term::is_tenant_term(expr, self.catalog),
        }
    }

    fn sql(&self, text: &str) -> Result<(), String> {
        let words: Vec<&str> = text.split_whitespace().take(3).collect();
        let tenant = self
            .table
            .tenant()
            .map_or("tenant_id", |tenant| tenant.name.as_str());
        self.statement(text).map_err(|why| {
            format!(
                "runs `{} …`, which is not known to stay within the tenant: {why}; give the rows \
                 that it writes `NEW.{tenant}`, or allow the function in `watertight.toml`: \
                 `[[functions]]` with `name = \"{}\"` and a `reason`",
                words.join(" "),
                self.function.name
            )
        })
    }

    fn statement(&self, text: &str) -> Result<(), String> {
        let mut statements = ddl::statements(text)?;
        let Some(statement) = statements.pop().filter(|_| statements.is_empty()) else {
            return Err("it is not one statement".to_owned());
        };
        let found = statement_mentions(&statement);
        let aside = Mentions {
            relations: Vec::new(),
            ..found.clone()
        };
        content::are_confined(self.catalog, &aside, 0)?;
        let (target, command, with) = match &statement {
            Statement::Query(query) => (None, Command::Select, query.with.is_some()),
            Statement::Insert(insert) => {
                (Some(&insert.target), Command::Insert, insert.with.is_some())
            }
            Statement::Update(update) => {
                (Some(&update.target), Command::Update, update.with.is_some())
            }
            Statement::Delete(delete) => {
                (Some(&delete.target), Command::Delete, delete.with.is_some())
            }
            Statement::Merge(_) => return Err("it is a MERGE".to_owned()),
        };
        if with {
            return Err("it has a WITH".to_owned());
        }
        let reads: Vec<&Relation> = found
            .relations
            .iter()
            .map(|parts| self.relation(parts))
            .collect::<Result<_, _>>()?;
        let target = target
            .map(|target| self.relation(&target.name.parts))
            .transpose()?;
        if let Some(target) = target {
            acts_alone(self.catalog, target, command)?;
        }
        if self.is_confined_by_policies(&reads, target, command) {
            return Ok(());
        }
        let Some(target) = target else {
            return Err("it reads tables".to_owned());
        };
        // The target is mentioned once; anything else would be read.
        if reads.len() != 1 {
            return Err("it reads other tables".to_owned());
        }
        let class = class_within(self.catalog, target, command, self.depth + STEP);
        if !matches!(class, Class::Protected | Class::Scoped) {
            return Err(format!("`{}` is {}", target.display(), class.word()));
        }
        if self.carries_the_tenant(&statement, target) {
            Ok(())
        } else {
            Err("the tenant of its rows is not that of the row which fired it".to_owned())
        }
    }

    fn relation(&self, parts: &[String]) -> Result<&Relation, String> {
        let found = match parts {
            [name] => self.catalog.relation(None, name),
            [schema, name] => self.catalog.relation(Some(schema), name),
            _ => return Err("it names another database".to_owned()),
        };
        found
            .found()
            .ok_or_else(|| format!("`{}` is not known", parts.join(".")))
    }

    /// Row-level security confines whatever the statement does, because it runs as the caller.
    fn is_confined_by_policies(
        &self,
        reads: &[&Relation],
        target: Option<&Relation>,
        command: Command,
    ) -> bool {
        if self.function.security_definer {
            return false;
        }
        let class = |relation: &Relation, command| {
            class_within(self.catalog, relation, command, self.depth + STEP)
        };
        let written = target.is_none_or(|target| {
            matches!(class(target, command), Class::Protected | Class::Denied)
                && matches!(
                    class(target, Command::Update),
                    Class::Protected | Class::Denied
                )
        });
        written
            && reads.iter().all(|relation| {
                let global = target.is_none_or(|target| target.id != relation.id);
                match class(relation, Command::Select) {
                    Class::Protected | Class::Denied => true,
                    Class::Global => global,
                    _ => false,
                }
            })
    }

    /// Whether each row that is written has the tenant of the row that fired the trigger.
    fn carries_the_tenant(&self, statement: &Statement, target: &Relation) -> bool {
        let Some(tenant) = target.tenant() else {
            return false;
        };
        match statement {
            Statement::Insert(insert) => {
                let position = insert
                    .columns
                    .iter()
                    .position(|column| column.name == tenant.name && !column.partial);
                let (Some(position), Some(source)) = (position, &insert.source) else {
                    return false;
                };
                let plain = insert.on_conflict.is_none()
                    && !insert.overriding_user
                    && tenant.not_null
                    && insert.columns.len() > position;
                let value =
                    |row: &[Expr]| row.get(position).is_some_and(|expr| self.is_tenant(expr));
                plain
                    && match &source.body {
                        QueryBody::Values(rows) => rows.iter().all(|row| value(row)),
                        QueryBody::Select(select) => {
                            let star = |expr: &Expr| matches!(expr.kind, ExprKind::Star(_));
                            !select.targets.iter().any(|target| star(&target.expr))
                                && select
                                    .targets
                                    .get(position)
                                    .is_some_and(|target| self.is_tenant(&target.expr))
                        }
                        QueryBody::SetOperation { .. } => false,
                    }
            }
            Statement::Update(update) => {
                let assigned = update.assignments.iter().flat_map(|a| &a.columns);
                update.from.is_empty()
                    && !assigned
                        .into_iter()
                        .any(|column| column.name == tenant.name)
                    && self.pins(update.filter.as_ref(), &tenant.name)
            }
            Statement::Delete(delete) => {
                delete.using.is_empty() && self.pins(delete.filter.as_ref(), &tenant.name)
            }
            _ => false,
        }
    }

    /// A conjunction of plain equalities, one of which gives the tenant: nothing in it can fail on
    /// a row of another tenant.
    fn pins(&self, filter: Option<&Expr>, tenant: &str) -> bool {
        let Some(filter) = filter else {
            return false;
        };
        let conjuncts = match &filter.kind {
            ExprKind::And(list) => list.as_slice(),
            _ => std::slice::from_ref(filter),
        };
        let simple = |expr: &Expr| matches!(expr.kind, ExprKind::Column(_) | ExprKind::Literal(_));
        let mut pinned = false;
        for conjunct in conjuncts {
            if let ExprKind::IsNull { expr, .. } = &conjunct.kind
                && simple(expr)
            {
                continue;
            }
            let ExprKind::Operator {
                name,
                left: Some(left),
                right,
            } = &conjunct.kind
            else {
                return false;
            };
            if name.parts != ["="] {
                return false;
            }
            let of_target = |expr: &Expr| match &expr.kind {
                ExprKind::Column(parts) => {
                    parts.last().is_some_and(|last| last == tenant)
                        && !matches!(parts.first().map(String::as_str), Some("new" | "old"))
                }
                _ => false,
            };
            let tenants = (of_target(left) && self.is_tenant(right))
                || (of_target(right) && self.is_tenant(left));
            let plain = simple(left) && simple(right);
            if !(tenants || plain) {
                return false;
            }
            pinned |= tenants;
        }
        pinned
    }
}

/// Whether no foreign key acts on other rows when rows of `target` change.
fn acts_alone(catalog: &Catalog, target: &Relation, command: Command) -> Result<(), String> {
    let rests = |action| {
        matches!(
            action,
            ReferentialAction::NoAction | ReferentialAction::Restrict
        )
    };
    for (id, index) in &target.referenced_by {
        let Some(key) = catalog
            .get(*id)
            .and_then(|from| from.foreign_keys.get(*index))
        else {
            return Err("a foreign key that is not known refers to it".to_owned());
        };
        let acts = match command {
            Command::Delete => !rests(key.on_delete),
            Command::Update => !rests(key.on_update),
            _ => false,
        };
        if acts {
            return Err(format!("the foreign key `{}` acts on other rows", key.name));
        }
    }
    Ok(())
}

/// A trigger may give back the new row, the old one, or none; another one could be anybody's.
fn returned(expr: &str) -> Result<(), String> {
    let text: String = expr.split_whitespace().collect::<String>().to_lowercase();
    match text.trim_matches(|c| c == '(' || c == ')') {
        "" | "new" | "old" | "null" | "coalesce(new,old" | "coalesce(old,new" => Ok(()),
        _ => Err(format!("returns `{expr}` instead of the new row")),
    }
}
