//! Violations of real constraints, and what may be told of each.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use watertight_devdb::DevDb;

use super::harness::{self, SETTINGS};
use crate::db::PoolError;
use crate::db::gate::TenantKeys;
use crate::statement::{Catalog, Relation, RelationKind};

const CATALOG: Catalog = Catalog::new(
    "keys",
    SETTINGS,
    &[
        Relation::new("public", "parents", RelationKind::Table).tenant("tenant_id"),
        Relation::new("public", "children", RelationKind::Table).tenant("tenant_id"),
        Relation::new("public", "parted", RelationKind::Table).tenant("tenant_id"),
        Relation::new("public", "plans", RelationKind::Table).global(),
    ],
    &[],
);

const SCHEMA: &str = "
CREATE TABLE plans (id bigint PRIMARY KEY);
CREATE TABLE parents (
    tenant_id bigint NOT NULL, id bigint NOT NULL, code text, serial text UNIQUE, email text,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT short_code CHECK (length(code) < 6),
    CONSTRAINT one_code EXCLUDE USING btree (tenant_id WITH =, code WITH =)
);
CREATE UNIQUE INDEX one_email ON parents (email) INCLUDE (tenant_id);
CREATE UNIQUE INDEX one_lower ON parents (tenant_id, lower(email));
CREATE UNIQUE INDEX every_id ON parents (id) WHERE id > 1000;
ALTER TABLE parents ADD CONSTRAINT by_id UNIQUE (id);
CREATE TABLE children (
    tenant_id bigint NOT NULL, parent bigint, any_parent bigint, plan bigint,
    CONSTRAINT own_parent FOREIGN KEY (tenant_id, parent) REFERENCES parents (tenant_id, id),
    CONSTRAINT any_parent FOREIGN KEY (any_parent) REFERENCES parents (id),
    CONSTRAINT known_plan FOREIGN KEY (plan) REFERENCES plans (id)
);
CREATE TABLE parted (tenant_id bigint NOT NULL, at int NOT NULL, code text,
    CONSTRAINT parted_code UNIQUE (tenant_id, at, code)) PARTITION BY RANGE (at);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
INSERT INTO parents VALUES (1, 1, 'a', 's', 'e'), (2, 2000, 'b', 't', 'f');
INSERT INTO parted VALUES (1, 1, 'a');
";

#[tokio::test]
async fn each_violation_is_judged_by_its_own_constraint() {
    let database = DevDb::shared().await.unwrap().database().await.unwrap();
    database.execute_as_admin(SCHEMA).await.unwrap();
    let mut connection = PgConnection::connect(database.admin_url()).await.unwrap();
    let messages = [
        ("one_code".to_owned(), "the code is taken"),
        ("short_code".to_owned(), "a code has five letters at most"),
        ("parted_code".to_owned(), "the hour is taken"),
    ];
    let keys = TenantKeys::read(&mut connection, &CATALOG, &messages);
    let keys = keys.await.unwrap().unwrap();
    for (sql, within, message) in [
        ("INSERT INTO parents VALUES (1, 1)", true, None),
        (
            "INSERT INTO parents VALUES (1, 3, 'a')",
            true,
            Some("the code is taken"),
        ),
        (
            "INSERT INTO parents VALUES (1, 3, 'abcdefgh')",
            true,
            Some("a code has five letters at most"),
        ),
        ("INSERT INTO parents VALUES (1, 3, 'c', 's')", false, None),
        (
            "INSERT INTO parents VALUES (2, 3, 'c', 'u', 'e')",
            false,
            None,
        ),
        (
            "INSERT INTO parents VALUES (1, 3, 'c', 'u', 'E')",
            true,
            None,
        ),
        ("INSERT INTO parents VALUES (1, 2000, 'c')", false, None),
        (
            "INSERT INTO children (tenant_id, parent) VALUES (1, 9)",
            true,
            None,
        ),
        (
            "INSERT INTO children (tenant_id, any_parent) VALUES (1, 9)",
            false,
            None,
        ),
        (
            "INSERT INTO children (tenant_id, plan) VALUES (1, 9)",
            true,
            None,
        ),
        (
            "INSERT INTO parted VALUES (1, 1, 'a')",
            true,
            Some("the hour is taken"),
        ),
    ] {
        let error = sqlx::query(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await;
        let judged = keys.judge(&error.unwrap_err());
        assert_eq!((judged.within, judged.message), (within, message), "{sql}");
    }
    let refused = [("one_email".to_owned(), "that e-mail is taken")];
    let refused = TenantKeys::read(&mut connection, &CATALOG, &refused);
    let text = refused.await.unwrap().unwrap_err();
    assert!(text.contains("UNIQUE (tenant_id, email)"), "{text}");
}

#[tokio::test]
async fn a_pool_with_a_message_that_reaches_across_tenants_does_not_open() {
    let database = harness::database().await;
    let open = async |name: &str| {
        let pool = harness::builder(database.app_url(), 1).constraint_message(name, "it is taken");
        pool.connect(harness::CATALOG).await.map(|_| ())
    };
    open("notes_tenant_id_body_key").await.unwrap();
    for (name, says) in [
        ("notes_pkey", "UNIQUE (tenant_id, id)"),
        ("notes_body_key", "no constraint `notes_body_key`"),
    ] {
        let error = open(name).await.unwrap_err();
        assert!(matches!(error, PoolError::Configuration(_)), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}
