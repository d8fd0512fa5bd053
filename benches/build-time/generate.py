"""Writes a crate of 1,000 functions over 30 tables into the directory that is given: each statement once as
`#[tenant_query]` (feature `proved`), and once by hand with sqlx (without it). The functions take the same
arguments, return the same rows and send the same text, so that the difference of the two builds is what the
macro costs: reading the catalog, proving, and the code that it generates."""

import pathlib
import sys

STATEMENTS, TABLES = 1000, 30


def migration():
    lines = []
    for table in range(TABLES):
        lines.append(
            f"CREATE TABLE t{table} (tenant_id uuid NOT NULL, id bigint NOT NULL, name text NOT NULL, "
            "status text NOT NULL, parent bigint, PRIMARY KEY (tenant_id, id));"
        )
        if table % 2 == 0:  # half of the tables under row-level security, half proved by the predicate alone
            lines += [
                f"ALTER TABLE t{table} ENABLE ROW LEVEL SECURITY;",
                f"ALTER TABLE t{table} FORCE ROW LEVEL SECURITY;",
                f"CREATE POLICY tenant ON t{table} USING (tenant_id = "
                "(SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));",
            ]
    return "\n".join(lines) + "\n"


def statement(n, by_hand):
    """One of four ordinary shapes: its text, its arguments, whether it writes."""
    a, b, c = n % TABLES, (n * 7 + 1) % TABLES, (n * 11 + 2) % TABLES
    tenant = "$1" if by_hand else "$tenant"

    def parameter(name, number):
        return f"${number}" if by_hand else f"${name}"

    match n % 4:
        case 0:
            sql = (
                f"SELECT id, name, status FROM t{a} WHERE tenant_id = {tenant} "
                f"AND status = {parameter('status', 2)} ORDER BY id LIMIT {parameter('limit', 3)}"
            )
            return sql, [("status", "&str"), ("limit", "i64")], False
        case 1:
            sql = (
                f"SELECT a.id, a.name, b.status FROM t{a} a JOIN t{b} b ON b.tenant_id = a.tenant_id AND b.id = a.parent "
                f"WHERE a.tenant_id = {tenant} AND a.status = {parameter('status', 2)} ORDER BY a.name"
            )
            return sql, [("status", "&str")], False
        case 2:
            sql = (
                f"SELECT a.id, a.name, c.status FROM t{a} a JOIN t{b} b ON b.tenant_id = a.tenant_id AND b.id = a.parent "
                f"LEFT JOIN t{c} c ON c.tenant_id = a.tenant_id AND c.id = b.parent "
                f"WHERE a.tenant_id = {tenant} AND a.id = {parameter('id', 2)} "
                f"AND EXISTS (SELECT 1 FROM t{b} d WHERE d.tenant_id = a.tenant_id AND d.parent = a.id)"
            )
            return sql, [("id", "i64")], False
        case _:
            sql = (
                f"UPDATE t{a} SET name = {parameter('name', 2)} WHERE tenant_id = {tenant} "
                f"AND id = {parameter('id', 3)} RETURNING id, name, status"
            )
            return sql, [("name", "&str"), ("id", "i64")], True


def functions(by_hand):
    parts = [
        "#[derive(Debug, sqlx::FromRow)]\n"
        "pub struct Row { pub id: i64, pub name: String, pub status: Option<String> }\n"
    ]
    if not by_hand:
        parts.append("use watertight::{DbResult, Scope, WriteScope, tenant_query};\n")
    for n in range(STATEMENTS):
        sql, arguments, writes = statement(n, by_hand)
        signature = ", ".join(f"{name}: {ty}" for name, ty in arguments)
        if by_hand:
            binds = "".join(f".bind({name})" for name, _ in arguments)
            parts.append(
                f"pub async fn q{n}(db: &mut sqlx::PgConnection, tenant: sqlx::types::Uuid, {signature}) "
                f"-> Result<Vec<Row>, sqlx::Error> {{\n"
                f'    sqlx::query_as::<_, Row>("{sql}").bind(tenant){binds}.fetch_all(db).await\n}}\n'
            )
        else:
            scope = "WriteScope" if writes else "Scope"
            parts.append(
                f'#[tenant_query("{sql}")]\n'
                f"pub async fn q{n}(db: &mut {scope}<'_>, {signature}) -> DbResult<Vec<Row>>;\n"
            )
    return "\n".join(parts)


MANIFEST = """[workspace]
[package]
name = "build-time"
version = "0.0.0"
edition = "2024"
publish = false

[features]
proved = []

[dependencies]
watertight = {{ path = "{root}/runtime" }}
sqlx = {{ version = "0.9", default-features = false, features = ["postgres", "runtime-tokio", "uuid", "derive"] }}

[build-dependencies]
watertight-build = {{ path = "{root}/build" }}
"""


def main():
    root, out = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    files = {
        "Cargo.toml": MANIFEST.format(root=root),
        "build.rs": "fn main() {\n    watertight_build::track();\n}\n",
        "watertight.toml": "require-rls = false\n",
        "migrations/0001_init.sql": migration(),
        "src/lib.rs": '#[cfg(not(feature = "proved"))]\npub mod hand;\n#[cfg(feature = "proved")]\npub mod proved;\n',
        "src/hand.rs": functions(by_hand=True),
        "src/proved.rs": functions(by_hand=False),
    }
    for name, text in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


main()
