//! What lowering makes of representative statements, and where it says they stand.

use super::*;
use crate::ir::*;
use crate::parse::{Limits, statements};

fn lowered(text: &str) -> Result<Statement> {
    crate::worker::run(|| {
        let mut parsed =
            statements(text, Limits::STATEMENT).map_err(|mut e| Box::new(e.remove(0)))?;
        let statement = parsed.statements.remove(0);
        Lower::new(&parsed.tokens).statement(&statement.node, &statement.span)
    })
    .unwrap()
}

fn select(text: &str) -> Select {
    match lowered(text) {
        Ok(Statement::Query(query)) => match query.body {
            QueryBody::Select(select) => *select,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// The text of the expression that is the only target.
fn span_of(expr: &str) -> String {
    let text = format!("SELECT {expr} , 1 FROM t");
    let select = select(&text);
    text[select.targets[0].expr.span.clone()].to_owned()
}

#[test]
fn expressions_end_where_their_text_ends() {
    for expr in [
        "a.b",
        "\"A\".\"b c\"",
        "a + b * c",
        "(meta ->> 'score')::int",
        "x::timestamp with time zone",
        "x::numeric(10, 2)[]",
        "count(*) FILTER (WHERE a) OVER (PARTITION BY b)",
        "rank() OVER w",
        "CASE WHEN a THEN 1 ELSE 2 END",
        "a IN (1, 2)",
        "a NOT IN (SELECT 1)",
        "EXISTS (SELECT 1)",
        "a = ANY ($1)",
        "a IS NOT NULL",
        "a IS NOT TRUE",
        "a BETWEEN 1 AND 2",
        "coalesce(a, b)",
        "nullif(a, b)",
        "CAST(a AS text)",
        "interval '3 days'",
        "ARRAY[1, 2]",
        "(SELECT 1)",
        "extract(year FROM x)",
        "a LIKE 'x%'",
        "NOT a",
        "current_date",
        "a.*",
    ] {
        let found = span_of(expr);
        assert_eq!(found, expr);
    }
}

#[test]
fn relations_are_underlined_exactly() {
    let text = "SELECT 1 FROM ONLY public . \"Orders\" AS o (a), b TABLESAMPLE system (1)";
    let select = select(text);
    let spans: Vec<&str> = select
        .from
        .iter()
        .map(|item| &text[item.span().clone()])
        .collect();
    assert_eq!(spans, ["public . \"Orders\"", "b"]);
    let FromItem::Relation(relation) = &select.from[0] else {
        panic!()
    };
    assert!(relation.only);
    assert_eq!(relation.name.parts, ["public", "Orders"]);
}

#[test]
fn the_grammars_precedence_is_kept() {
    let select = select("SELECT 1 FROM t WHERE a BETWEEN 1 AND 2 OR b = 7 AND c = $1");
    let Some(Expr {
        kind: ExprKind::Or(args),
        ..
    }) = select.filter
    else {
        panic!()
    };
    assert_eq!(args.len(), 2);
    assert!(matches!(args[1].kind, ExprKind::And(_)));
}

#[test]
fn conjunctions_are_flat() {
    let select = select("SELECT 1 FROM t WHERE a AND (b AND (c AND d)) AND e");
    let Some(Expr {
        kind: ExprKind::And(args),
        ..
    }) = select.filter
    else {
        panic!()
    };
    assert_eq!(args.len(), 5);
}

#[test]
fn row_comparison_with_a_query_is_one_form() {
    let select = select("SELECT 1 FROM t WHERE (a, b) = (SELECT c, d FROM u)");
    let Some(Expr {
        kind: ExprKind::Subquery { kind, .. },
        ..
    }) = select.filter
    else {
        panic!()
    };
    assert!(matches!(kind, SubqueryKind::RowCompare { .. }));
}

#[test]
fn writes_are_lowered_with_every_clause() {
    let text = "WITH x AS (SELECT 1) INSERT INTO t AS u (a, b[1]) OVERRIDING USER VALUE \
        VALUES ($1, DEFAULT) ON CONFLICT (a, lower(b)) WHERE c DO UPDATE SET (a, b) = (SELECT 1, 2), \
        c = DEFAULT WHERE u.a RETURNING *";
    let Ok(Statement::Insert(insert)) = lowered(text) else {
        panic!()
    };
    assert!(insert.overriding_user && insert.with.is_some());
    assert!(insert.columns[1].partial);
    let conflict = insert.on_conflict.unwrap();
    let update = conflict.update.unwrap();
    assert_eq!(update.assignments.len(), 2);
    assert_eq!(update.assignments[0].columns.len(), 2);
    let text = "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED AND t.b THEN DELETE \
        WHEN NOT MATCHED THEN INSERT (a) VALUES (1) WHEN MATCHED THEN DO NOTHING";
    let Ok(Statement::Merge(merge)) = lowered(text) else {
        panic!()
    };
    assert_eq!(merge.branches.len(), 3);
}

#[test]
fn what_has_no_place_is_refused() {
    for (text, code) in [
        ("TRUNCATE t", Code::STATEMENT_KIND),
        ("EXPLAIN SELECT 1", Code::STATEMENT_KIND),
        ("SELECT 1 INTO t", Code::NOT_UNDERSTOOD),
        ("SELECT json_value('{}', '$')", Code::NOT_UNDERSTOOD),
        ("SELECT 1 FROM db.s.t", Code::NOT_UNDERSTOOD),
        ("DELETE FROM t WHERE CURRENT OF c", Code::NOT_UNDERSTOOD),
    ] {
        assert_eq!(lowered(text).unwrap_err().code, code, "{text}");
    }
}

#[test]
fn depth_is_bounded() {
    let deep = format!("SELECT {}1", "1 + ".repeat(9_000));
    assert_eq!(lowered(&deep).unwrap_err().code, Code::TOO_LARGE);
    let deep = format!("SELECT {}1{}", "(".repeat(4_900), ")".repeat(4_900));
    assert!(lowered(&deep).is_ok());
    let deep = format!("{}SELECT 1{}", "SELECT (".repeat(2_900), ")".repeat(2_900));
    assert_eq!(lowered(&deep).unwrap_err().code, Code::TOO_LARGE);
    let joins = format!("SELECT 1 FROM t {}", "JOIN t ON true ".repeat(10_000));
    assert_eq!(lowered(&joins).unwrap_err().code, Code::TOO_LARGE);
    let deep = format!("SELECT {}1", "1 + ".repeat(2_900));
    assert!(lowered(&deep).is_ok());
}
