//! Migrations run as the owner, once, and never as the application role.

use std::fs;

use watertight_devdb::DevDb;

use super::harness::{CATALOG, SCHEMA, as_admin, login, pool, read, texts};
use crate::db::{Migrate, MigrateError, TenantPool, migrate};

#[tokio::test]
async fn a_folder_runs_once_and_prepares_the_audit_trail() {
    let database = DevDb::shared().await.unwrap().database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("0001_notes.sql"), SCHEMA).unwrap();
    // Two programs that start at once.
    let (one, two) = tokio::join!(
        migrate(database.owner_url(), folder.path()),
        migrate(database.owner_url(), folder.path()),
    );
    one.unwrap();
    two.unwrap();
    fs::write(
        folder.path().join("0002_more.sql"),
        "ALTER TABLE notes ADD COLUMN more text;",
    )
    .unwrap();
    migrate(database.owner_url(), folder.path()).await.unwrap();
    let ran = as_admin(
        &database,
        "SELECT version::text FROM _sqlx_migrations ORDER BY 1",
    )
    .await;
    assert_eq!(ran, ["1", "2"]);
    let pool = pool(database.app_url(), 1).await;
    let mut scope = read(&pool, 1).await.unwrap();
    texts(&mut scope, "SELECT more FROM notes").await.unwrap();
}

#[tokio::test]
async fn the_application_role_may_not_migrate() {
    let database = DevDb::shared().await.unwrap().database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let error = migrate(database.app_url(), folder.path())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, MigrateError::ApplicationRole(role) if role == "app"),
        "{error}"
    );
    assert!(error.to_string().contains("use the owner's URL"), "{error}");
}

#[tokio::test]
async fn roles_must_exist_and_have_plain_names() {
    let database = DevDb::shared().await.unwrap().database().await.unwrap();
    let error = Migrate::new(database.owner_url())
        .application_role("nobody_has_this_role")
        .run()
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("CREATE ROLE \"nobody_has_this_role\" LOGIN"),
        "{error}"
    );
    for bad in ["a\"; DROP SCHEMA public; --", "", "a b"] {
        let error = Migrate::new(database.owner_url())
            .application_role(bad)
            .run()
            .await;
        assert!(matches!(error, Err(MigrateError::Name(_))), "{bad}");
        let error = Migrate::new(database.owner_url()).setting(bad).run().await;
        assert!(matches!(error, Err(MigrateError::Name(_))), "{bad}");
    }
}

#[tokio::test]
async fn a_failing_migration_names_itself_and_a_wrong_password_is_not_shown() {
    let database = DevDb::shared().await.unwrap().database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("0007_broken.sql"),
        "CREATE TABLE broken (",
    )
    .unwrap();
    let error = migrate(database.owner_url(), folder.path())
        .await
        .unwrap_err();
    assert!(error.to_string().contains('7'), "{error}");
    let wrong = login(database.owner_url(), "app_owner", "wrong-canary");
    let error = migrate(&wrong, folder.path()).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    // Nothing of watertight's own was prepared: the migrations come first.
    assert!(
        TenantPool::connect(database.app_url(), CATALOG)
            .await
            .is_err()
    );
}
