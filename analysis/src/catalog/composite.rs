//! The foreign key that keeps to the tenant, in the place of one that does not.
//!
//! Invariant: what the old one says of actions and of deferring is kept, but for an action that would
//! take the tenant from the row.

use super::{Deferral, ForeignKey, KeyKind, ReferentialAction, Relation, quote};

impl ForeignKey {
    /// The statements that make the key of `shown` anew with the tenant in it; `tenant` are the columns
    /// here and in `target`.
    ///
    /// PostgreSQL compares the rows that are there as the owner of the tables (`RI_Initial_Check` in
    /// `ri_triggers.c`). Under `FORCE ROW LEVEL SECURITY` the owner sees none, and the key would count as
    /// valid: `forced` names the tables for which that is lifted meanwhile.
    pub fn with_tenant(
        &self,
        shown: &str,
        target: &Relation,
        tenant: (&str, &str),
        forced: &[String],
    ) -> Vec<String> {
        let columns = |names: &[String]| {
            let names: Vec<String> = names.iter().map(|name| quote(name)).collect();
            names.join(", ")
        };
        let name = quote(&self.name);
        let (own, other) = (columns(&self.columns), columns(&self.target_columns));
        let (column, their_column) = (quote(tenant.0), quote(tenant.1));
        let first = [tenant.1.to_owned()];
        let wanted = [first.as_slice(), self.target_columns.as_slice()].concat();
        let there = target.keys.iter().any(|key| {
            let given: Vec<&String> = key.columns.iter().flatten().collect();
            let same =
                given.len() == wanted.len() && wanted.iter().all(|name| given.contains(&name));
            !key.partial && key.kind != KeyKind::Exclusion && same
        });
        let target = target.qualified();
        let mut sql = Vec::new();
        if !there {
            sql.push(format!(
                "ALTER TABLE {target} ADD UNIQUE ({their_column}, {other})"
            ));
        }
        sql.push(format!("ALTER TABLE {shown} DROP CONSTRAINT {name}"));
        let force = |word: &'static str| {
            forced
                .iter()
                .map(move |table| format!("ALTER TABLE {table} {word} ROW LEVEL SECURITY"))
        };
        sql.extend(force("NO FORCE"));
        let action = |word: &str, action: ReferentialAction| match action {
            ReferentialAction::NoAction => String::new(),
            ReferentialAction::Restrict => format!(" ON {word} RESTRICT"),
            ReferentialAction::Cascade => format!(" ON {word} CASCADE"),
            ReferentialAction::SetNull if word == "DELETE" => {
                format!(" ON DELETE SET NULL ({own})")
            }
            ReferentialAction::SetDefault if word == "DELETE" => {
                format!(" ON DELETE SET DEFAULT ({own})")
            }
            // These would take the tenant from the row as well.
            ReferentialAction::SetNull | ReferentialAction::SetDefault => String::new(),
        };
        sql.push(format!(
            "ALTER TABLE {shown} ADD CONSTRAINT {name} FOREIGN KEY ({column}, {own}) REFERENCES {target} ({their_column}, {other}){}{}{}",
            action("UPDATE", self.on_update),
            action("DELETE", self.on_delete),
            match self.deferral {
                Deferral::None => "",
                Deferral::Immediate => " DEFERRABLE",
                Deferral::Deferred => " DEFERRABLE INITIALLY DEFERRED",
            }
        ));
        sql.extend(force("FORCE"));
        sql
    }
}

#[cfg(test)]
mod tests {
    use crate::migrations::Migration;
    use crate::{Catalog, Config};

    #[test]
    fn what_the_old_key_says_is_kept() {
        let text = "CREATE TABLE orders (id int PRIMARY KEY, tenant_id uuid NOT NULL);
            CREATE TABLE lines (id int PRIMARY KEY, tenant_id uuid NOT NULL, order_id int);
            ALTER TABLE lines ADD CONSTRAINT of_order FOREIGN KEY (order_id) REFERENCES orders (id)
                ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;";
        let migrations = [Migration {
            path: "1.sql".into(),
            version: 1,
            name: String::new(),
            text: text.into(),
        }];
        let catalog = Catalog::build(&Config::default(), &migrations);
        let by_name = |name| catalog.relation(None, name).found().unwrap();
        let (lines, orders) = (by_name("lines"), by_name("orders"));
        let key = lines.foreign_keys.first().unwrap();
        let forced = ["public.lines".to_owned()];
        let sql = key.with_tenant(
            &lines.qualified(),
            orders,
            ("tenant_id", "tenant_id"),
            &forced,
        );
        assert_eq!(
            sql,
            [
                "ALTER TABLE public.orders ADD UNIQUE (tenant_id, id)",
                "ALTER TABLE public.lines DROP CONSTRAINT of_order",
                "ALTER TABLE public.lines NO FORCE ROW LEVEL SECURITY",
                "ALTER TABLE public.lines ADD CONSTRAINT of_order FOREIGN KEY (tenant_id, order_id) REFERENCES public.orders (tenant_id, id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
                "ALTER TABLE public.lines FORCE ROW LEVEL SECURITY",
            ]
        );
    }
}
