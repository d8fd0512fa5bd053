//! Predicates that tie a range variable to the tenant, and predicates that only look as if.

use super::{Rel, Writer};
use crate::schema::Ty;

impl Writer<'_> {
    /// The session's tenant, in one of its spellings.
    pub(super) fn term(&mut self) -> String {
        match self.c.pick(&[70, 22, 8]) {
            0 => "$tenant".to_owned(),
            1 => {
                let schema = self.schema;
                schema.term(&mut self.c, "app.tenant_id")
            }
            _ => match self.schema.terms.first() {
                Some(term) => term.clone(),
                None => "$tenant".to_owned(),
            },
        }
    }

    /// What is written for this range variable: a predicate that does it, one that does not, or none.
    pub(super) fn predicate(&mut self, rel: &Rel, peers: &[Rel]) -> Option<String> {
        let tenant = rel.tenant.clone()?;
        let column = format!("{}.{tenant}", rel.alias);
        if rel.guarded && self.c.chance(60) {
            self.intended &= rel.sound;
            return None;
        }
        let careful = self.c.below(100) < self.care as usize;
        self.intended &= careful || rel.sound;
        match careful {
            true => Some(self.sound(&column, rel, peers)),
            false if self.c.chance(65) => Some(self.unsound(&column, peers)),
            false => None,
        }
    }

    /// Another tenant column in scope.
    fn peer(&mut self, rel: &Rel, peers: &[Rel]) -> Option<String> {
        let mut found: Vec<String> = peers
            .iter()
            .filter(|p| p.alias != rel.alias)
            .filter_map(|p| p.tenant.as_ref().map(|t| format!("{}.{t}", p.alias)))
            .collect();
        let outer = self.scopes.iter().rev().skip(1).take(1).flatten();
        found.extend(outer.filter_map(|p| p.tenant.as_ref().map(|t| format!("{}.{t}", p.alias))));
        if found.is_empty() {
            None
        } else {
            Some(found[self.c.below(found.len())].clone())
        }
    }

    fn sound(&mut self, column: &str, rel: &Rel, peers: &[Rel]) -> String {
        let term = self.term();
        // Alone in its block, the column may go without its range variable.
        let bare = if self.bare && peers.len() == 1 && self.c.chance(35) {
            rel.tenant.clone()
        } else {
            None
        };
        let column = bare.as_deref().unwrap_or(column);
        match self.c.pick(&[50, 8, 22, 3, 3, 2, 3, 3, 2, 2, 2, 22]) {
            0 => format!("{column} = {term}"),
            10 => format!("{column} OPERATOR(pg_catalog.=) {term}"),
            1 => format!("{term} = {column}"),
            2 => match self.peer(rel, peers) {
                Some(peer) => format!("{column} = {peer}"),
                None => format!("{column} = {term}"),
            },
            3 => format!("{column} IN ({term})"),
            4 => format!("({column}, 1) = ({term}, 1)"),
            5 => format!("{column} = ANY (ARRAY[{term}])"),
            6 => {
                let more = self.bool(0);
                format!("({column} = {term} AND {more})")
            }
            7 => format!("{column} IS NOT DISTINCT FROM {term}"),
            8 => format!("{column} IN (SELECT t.id FROM tenants t WHERE t.id = {term})"),
            11 => self.roundabout(column, &term),
            _ => format!("({column} = {term}) IS TRUE"),
        }
    }

    /// The equality in words that take some thought; each has a neighbour in `unsound`.
    fn roundabout(&mut self, column: &str, term: &str) -> String {
        let ty = self.sql_type(Ty::Tenant);
        match self.c.below(26) {
            0 => format!("NOT ({column} <> {term})"),
            1 => format!("{column}::text = {term}::text"),
            2 => format!("{column}::text = ({term}::{ty})::text"),
            3 => {
                let (a, b) = (self.bool(0), self.bool(0));
                format!("({column} = {term} AND {a} OR {column} = {term} AND {b})")
            }
            4 => format!("({column} = {term} OR {term} = {column})"),
            5 => format!("{column} BETWEEN {term} AND {term}"),
            6 => format!("{column} = (SELECT {term}::{ty})"),
            7 => {
                format!("EXISTS (SELECT 1 FROM tenants t WHERE t.id = {column} AND t.id = {term})")
            }
            8 => format!("{column} = (SELECT t.id FROM tenants t WHERE t.id = {term})"),
            9 => format!("coalesce({column} = {term}, false)"),
            10 => format!("CASE WHEN {column} = {term} THEN true ELSE false END"),
            11 => format!(
                "CASE {column} WHEN {term} THEN {} ELSE false END",
                self.bool(0)
            ),
            12 => format!("{column} = ANY (ARRAY[{term}, {term}]::{ty}[])"),
            13 => format!("{column} = ALL (ARRAY[{term}::{ty}])"),
            14 => format!("(1, {column}) IN ((1, {term}), (2, {term}))"),
            15 => format!("{column} IN (VALUES ({term}::{ty}))"),
            16 => format!("{column} IN (SELECT {term}::{ty} UNION ALL SELECT {term}::{ty})"),
            17 => format!("NOT ({column} <> {term} OR {})", self.bool(0)),
            18 => format!("NOT ({column} IS DISTINCT FROM {term})"),
            19 => format!("({column} = {term}) = true"),
            20 => format!("NOT NOT ({column} = {term})"),
            21 => format!("ROW({column}) = ROW({term}::{ty})"),
            22 => format!("NOT EXISTS (SELECT 1 WHERE {column} IS DISTINCT FROM {term})"),
            23 => {
                format!("EXISTS (SELECT 1 FROM (SELECT {term}::{ty} AS a) z WHERE z.a = {column})")
            }
            24 => format!("({column} = {term} AND true) IS NOT DISTINCT FROM true"),
            _ => format!("ARRAY[{term}::{ty}] @> ARRAY[{column}::{ty}]"),
        }
    }

    /// The neighbours of the roundabout forms.
    fn near(&mut self, column: &str, term: &str) -> String {
        let ty = self.sql_type(Ty::Tenant);
        let foreign = self.schema.kind.ids()[1];
        let other = self.parameter(Ty::Tenant);
        match self.c.below(40) {
            0 => format!("NOT ({column} <> {term} AND {})", self.bool(0)),
            1 => format!("left({column}::text, 1) = left(({term}::{ty})::text, 1)"),
            2 => format!("{column}::varchar(1) = ({term}::{ty})::varchar(1)"),
            3 => format!("{column}::text::char(1) = ({term}::{ty})::text::char(1)"),
            4 => format!("{column}::text = {other}::text"),
            5 => {
                let (a, b) = (self.bool(0), self.bool(0));
                format!("({column} = {term} AND {a} OR {b})")
            }
            6 => format!("({column} = {term} OR {column} = {other})"),
            7 => format!("{column} BETWEEN {term} AND {other}"),
            8 => format!("{column} BETWEEN SYMMETRIC {term} AND '{foreign}'"),
            9 => format!("EXISTS (SELECT 1 FROM tenants t WHERE t.id = {column})"),
            10 => {
                format!("EXISTS (SELECT 1 FROM tenants t WHERE t.id = {column} OR t.id = {term})")
            }
            11 => format!("EXISTS (SELECT 1 FROM tenants t WHERE {term} IS NOT NULL)"),
            12 => format!("coalesce({column} = {term}, true)"),
            13 => format!(
                "CASE WHEN {column} = {term} THEN true ELSE {} END",
                self.bool(0)
            ),
            14 => format!("CASE {column} WHEN {term} THEN false ELSE true END"),
            15 => format!("{column} = ANY (ARRAY[{term}, {other}]::{ty}[])"),
            16 => format!("{column} = ALL (ARRAY[]::{ty}[])"),
            17 => format!(
                "{column} = ALL (SELECT {term}::{ty} WHERE {})",
                self.bool(0)
            ),
            18 => format!("{column} <> ALL (ARRAY[{term}::{ty}])"),
            19 => format!("(1, {column}) IN ((1, {term}), (2, '{foreign}'))"),
            20 => format!("{column} IN (VALUES ({term}::{ty}), ({other}::{ty}))"),
            21 => format!("{column} IN (SELECT {term}::{ty} UNION SELECT t.id FROM tenants t)"),
            22 => format!("{column} IS DISTINCT FROM {term}"),
            23 => format!("({column} = {term}) = {}", self.bool(0)),
            24 => format!("({column} = {term}) IS NOT UNKNOWN"),
            25 => format!("NOT EXISTS (SELECT 1 WHERE {column} = {term})"),
            26 => format!(
                "NOT EXISTS (SELECT 1 FROM tenants t WHERE t.id <> {column} AND t.id = {term} AND {})",
                self.bool(0)
            ),
            27 => format!("{column} IS NOT DISTINCT FROM nullif({term}, {other})"),
            28 => format!("{column} IS NOT DISTINCT FROM {other}"),
            29 => format!("{column} = greatest({term}, {other})"),
            30 => format!(
                "{column} = CASE WHEN {} THEN {term} ELSE {column} END",
                self.bool(0)
            ),
            31 => format!("({column}, id) <= ({term}, 3)"),
            32 => format!("({column} = {term}) <> {}", self.bool(0)),
            33 => format!("{column}::text ILIKE ({term}::{ty})::text"),
            34 => format!("{column}::text ^@ left(({term}::{ty})::text, 1)"),
            35 => format!("{term} = ANY (ARRAY[{column}, {term}])"),
            36 => format!("ARRAY[{term}::{ty}, {other}::{ty}] @> ARRAY[{column}::{ty}]"),
            37 => format!("(SELECT {column} = {term}) IS NOT NULL"),
            38 => format!("hashtext({column}::text) % 2 = hashtext(({term}::{ty})::text) % 2"),
            // The column means the block around it: equal to itself.
            _ => format!("{column} IN (SELECT {column} FROM tenants t WHERE t.id = {term})"),
        }
    }

    fn unsound(&mut self, column: &str, peers: &[Rel]) -> String {
        let term = self.term();
        let foreign = self.schema.kind.ids()[1];
        match self.c.below(44) {
            24.. => self.near(column, &term),
            0 => format!("{column} = {column}"),
            1 => format!("({column} = {term} OR {})", self.bool(0)),
            2 => format!("{column} = {}", self.parameter(Ty::Tenant)),
            3 => format!("{column} <> {term}"),
            4 => format!("{column} = '{foreign}'"),
            5 => format!("coalesce({column}, {term}) = {term}"),
            6 => format!(
                "CASE WHEN {} THEN {column} = {term} ELSE true END",
                self.bool(0)
            ),
            7 => format!("NOT ({column} = {term})"),
            8 => format!("({column} = {term} OR {column} IS NULL)"),
            9 => format!("{column} >= {term}"),
            10 => format!("({column} = {term}) IS NOT FALSE"),
            11 => format!("{column} IN ({term}, {})", self.parameter(Ty::Tenant)),
            12 => format!("true /* {column} = $tenant */"),
            13 => format!("'{column} = $tenant' <> ''"),
            14 => format!(
                "{column} = coalesce({}, {term})",
                self.parameter(Ty::Tenant)
            ),
            15 => {
                let other = self.column(Ty::Tenant).unwrap_or_else(|| column.to_owned());
                format!("{other} = {term}")
            }
            16 => match peers
                .iter()
                .find_map(|p| p.tenant.as_ref().map(|t| format!("{}.{t}", p.alias)))
            {
                Some(peer) => format!("{column} = {peer}"),
                None => format!("{column} IS NOT NULL"),
            },
            17 => {
                let tables: Vec<(String, String)> = self
                    .schema
                    .tables
                    .iter()
                    .filter_map(|t| t.tenant().map(|c| (t.name.clone(), c.to_owned())))
                    .collect();
                let (table, key) = tables[self.c.below(tables.len())].clone();
                format!("{column} IN (SELECT u.{key} FROM {table} u)")
            }
            19 => format!(
                "lower({column}::text) = lower({term}::{}::text)",
                self.sql_type(Ty::Tenant)
            ),
            20 => format!("$q${column} = $tenant$q$ <> ''"),
            21 => format!(
                "{column}::text LIKE {term}::{}::text || '%'",
                self.sql_type(Ty::Tenant)
            ),
            22 => format!(
                "{column} = (SELECT max(u.id::text)::{} FROM tenants u)",
                self.sql_type(Ty::Tenant)
            ),
            18 => format!("({column} = {term}) IN (true, {})", self.bool(0)),
            _ => format!("EXISTS (SELECT 1 FROM tenants t WHERE t.id = {term})"),
        }
    }
}
