//! Side channels of the schema are warnings, each with the key that mends it, and a schema that has
//! these keys has no warning.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{Catalog, Code, Config};

fn warnings(sql: &str) -> Vec<(Code, String)> {
    let file = SourceFile {
        path: "1_a.sql".to_owned(),
        text: sql.to_owned(),
    };
    let catalog = Catalog::build(&Config::default(), &order(vec![file]).unwrap());
    catalog
        .side_channels()
        .map(|warning| {
            assert!(!warning.is_error());
            (warning.code, warning.help.join("\n"))
        })
        .collect()
}

#[test]
fn each_side_channel_has_its_mend() {
    let parent =
        "CREATE TABLE b (tenant_id uuid NOT NULL, id uuid PRIMARY KEY, UNIQUE (tenant_id, id));\n";
    let extension = "CREATE EXTENSION btree_gist;\n";
    for (before, bad, code, mend, good) in [
        (
            "",
            "CREATE TABLE a (tenant_id uuid NOT NULL, email text UNIQUE);",
            Code::KEY_WITHOUT_TENANT,
            "UNIQUE (tenant_id, email)",
            "CREATE TABLE a (tenant_id uuid NOT NULL, email text, UNIQUE (tenant_id, email));",
        ),
        (
            "CREATE TABLE a (tenant_id uuid NOT NULL, email text);",
            "CREATE UNIQUE INDEX ON a (email);",
            Code::KEY_WITHOUT_TENANT,
            "UNIQUE (tenant_id, email)",
            "CREATE UNIQUE INDEX ON a (tenant_id, email);",
        ),
        (
            extension,
            "CREATE TABLE a (tenant_id uuid NOT NULL, room int, EXCLUDE USING gist (room WITH =));",
            Code::KEY_WITHOUT_TENANT,
            "tenant_id",
            "CREATE TABLE a (tenant_id uuid NOT NULL, room int, EXCLUDE USING gist (tenant_id WITH =, room WITH =));",
        ),
        (
            parent,
            "CREATE TABLE a (tenant_id uuid NOT NULL, b uuid REFERENCES b (id));",
            Code::FOREIGN_KEY_WITHOUT_TENANT,
            "FOREIGN KEY (tenant_id, b) REFERENCES b (tenant_id, id)",
            "CREATE TABLE a (tenant_id uuid NOT NULL, b uuid, FOREIGN KEY (tenant_id, b) REFERENCES b (tenant_id, id));",
        ),
        (
            parent,
            "CREATE TABLE a (tenant_id uuid NOT NULL, b uuid REFERENCES b (id) ON DELETE CASCADE);",
            Code::CASCADE_ACROSS_TENANTS,
            "FOREIGN KEY (tenant_id, b) REFERENCES b (tenant_id, id)",
            "CREATE TABLE a (tenant_id uuid NOT NULL, b uuid, FOREIGN KEY (tenant_id, b) REFERENCES b (tenant_id, id) ON DELETE CASCADE);",
        ),
    ] {
        let found = warnings(&format!("{before}{bad}"));
        assert!(
            found
                .iter()
                .any(|(of, help)| *of == code && help.contains(mend)),
            "{bad}\n{found:?}"
        );
        assert_eq!(warnings(&format!("{before}{good}")), [], "{good}");
    }
}

#[test]
fn numbers_of_a_shared_sequence_are_told() {
    for numbered in [
        "id bigserial",
        "id bigint GENERATED ALWAYS AS IDENTITY",
        "id bigint DEFAULT nextval('a_id_seq')",
    ] {
        let found = warnings(&format!(
            "CREATE TABLE a (tenant_id uuid NOT NULL, {numbered});"
        ));
        let [(code, help)] = found.as_slice() else {
            panic!("{numbered}: {found:?}");
        };
        assert_eq!(*code, Code::SHARED_SEQUENCE);
        assert!(help.contains("gen_random_uuid()"), "{help}");
    }
    let uuid = "CREATE TABLE a (tenant_id uuid NOT NULL, id uuid DEFAULT gen_random_uuid());";
    assert_eq!(warnings(uuid), []);
    // Without a tenant's rows there is nothing to tell.
    assert_eq!(warnings("CREATE TABLE a (id bigserial);"), []);
}
