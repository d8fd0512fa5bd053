//! Lookup by name, as the application role's session resolves it.
//!
//! An unqualified name that begins with `pg_` is the server's own: `pg_catalog` is searched first.

use super::{Catalog, Column, Function, Operator, Relation, TypeDefinition};

/// The result of a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Lookup<T> {
    /// The one object of that name.
    Found(T),
    /// A catalog of the server itself, such as `pg_class` or `information_schema.tables`.
    System,
    /// No migration creates it.
    Missing,
}

impl<T> Lookup<T> {
    /// The object, if there is one.
    pub fn found(self) -> Option<T> {
        match self {
            Lookup::Found(found) => Some(found),
            Lookup::System | Lookup::Missing => None,
        }
    }
}

impl Catalog {
    /// Whether the configuration allows this function: by its schema and name, or by its name alone
    /// where it lies in a schema of the search path.
    pub(crate) fn allows(&self, function: &Function) -> bool {
        let path = &self.search_path;
        self.config()
            .functions
            .iter()
            .any(|allowed| match allowed.name.rsplit_once('.') {
                Some((schema, name)) => function.schema == schema && function.name == name,
                None => function.name == allowed.name && path.contains(&function.schema),
            })
    }

    /// The column that the configuration or a directive names as the tenant's, whether or not equality on
    /// its type is exact; [`Relation::tenant`] is the usable one.
    pub fn named_tenant_column<'r>(&self, relation: &'r Relation) -> Option<&'r Column> {
        relation
            .columns
            .get(super::finish::named_tenant_column(self, relation)?)
    }

    /// Finds a relation; an unqualified name is looked up along the search path.
    pub fn relation(&self, schema: Option<&str>, name: &str) -> Lookup<&Relation> {
        let found = |schema: &str| {
            self.by_name
                .get(schema)?
                .get(name)
                .and_then(|id| self.get(*id))
        };
        match schema {
            Some("pg_catalog" | "information_schema" | "pg_toast") => Lookup::System,
            Some(schema) if schema.starts_with("pg_temp") => Lookup::System,
            Some(schema) => found(schema).map_or(Lookup::Missing, Lookup::Found),
            None if name.starts_with("pg_") => Lookup::System,
            None => self
                .search_path
                .iter()
                .find_map(|schema| found(schema))
                .map_or(Lookup::Missing, Lookup::Found),
        }
    }

    /// The functions that a call by this name could mean: those of the schema, or those of every
    /// schema of the search path. Overloads are not resolved. Empty for built-ins.
    pub fn functions(&self, schema: Option<&str>, name: &str) -> Vec<&Function> {
        let all = self.function_names.get(name).map_or(&[][..], Vec::as_slice);
        all.iter()
            .filter_map(|index| self.functions.get(*index))
            .filter(|function| match schema {
                Some(schema) => function.schema == schema,
                None => self.search_path.contains(&function.schema),
            })
            .collect()
    }

    /// Whether a migration ever defined a function, procedure or aggregate of this name in any
    /// schema, or may have.
    pub fn shadows_function(&self, name: &str) -> bool {
        self.ever.anything.is_some() || self.ever.functions.contains(name)
    }

    /// Whether a migration ever defined a function of this name that takes an argument.
    pub(crate) fn defines_function(&self, name: &str) -> bool {
        self.ever.functions.contains(name)
    }

    /// Whether a migration ever created this extension.
    pub(crate) fn has_extension(&self, name: &str) -> bool {
        self.ever.extensions.contains(name)
    }

    /// The operators of this name that migrations ever defined, in any schema.
    pub fn shadowing_operators(&self, name: &str) -> impl Iterator<Item = &Operator> {
        self.ever
            .operators
            .iter()
            .filter(move |operator| operator.name == name)
    }

    /// Whether a migration ever defined an operator of this name, or may have.
    pub fn shadows_operator(&self, name: &str) -> bool {
        self.ever.anything.is_some() || self.shadowing_operators(name).next().is_some()
    }

    /// Whether a migration ever defined a type of this name (tables define one each), or may have.
    pub fn shadows_type(&self, name: &str) -> bool {
        self.ever.anything.is_some() || self.ever.types.contains(name)
    }

    /// Whether a migration ever defined a cast between types of these names, or may have.
    pub fn shadows_cast(&self, source: Option<&str>, target: &str) -> bool {
        self.ever.anything.is_some()
            || self.ever.casts.iter().any(|cast| {
                let last = |ty: &crate::ir::TypeName| ty.name.parts.last().cloned();
                last(&cast.target).as_deref() == Some(target)
                    && source.is_none_or(|source| last(&cast.source).as_deref() == Some(source))
            })
    }

    /// Whether a migration ever defined a collation of this name, or may have.
    pub fn shadows_collation(&self, name: &str) -> bool {
        self.ever.anything.is_some() || self.ever.collations.contains(name)
    }

    /// Why a migration may have defined any name at all, such as dynamic SQL.
    pub fn unknown_names(&self) -> Option<&str> {
        self.ever.anything.as_deref()
    }

    /// The type of this name that a migration defines.
    pub fn type_definition(&self, schema: Option<&str>, name: &str) -> Option<&TypeDefinition> {
        self.types.iter().find(|ty| {
            ty.name == name
                && match schema {
                    Some(schema) => ty.schema == schema,
                    None => self.search_path.contains(&ty.schema),
                }
        })
    }

    /// The types of this name that migrations define, in any schema.
    pub(crate) fn types_named<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = &'a TypeDefinition> {
        self.types.iter().filter(move |ty| ty.name == name)
    }

    /// The relations of this name in any schema.
    pub(crate) fn relations_named<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Relation> {
        self.by_name
            .values()
            .filter_map(move |names| names.get(name))
            .filter_map(|id| self.get(*id))
    }

    /// Whether policies `TO role` may apply to the application role.
    pub fn role_applies(&self, role: &str) -> bool {
        role == "public" || self.roles_unknown.is_some() || self.roles.contains(role)
    }

    /// The relation whose name is nearest to one that does not exist, as a statement would write
    /// it.
    pub fn did_you_mean_relation(&self, schema: Option<&str>, name: &str) -> Option<String> {
        let other_schema = self.relations().find(|relation| relation.name == name);
        if let Some(relation) = other_schema {
            return Some(relation.qualified());
        }
        let candidates = self.relations().filter(|relation| match schema {
            Some(schema) => relation.schema == schema,
            None => true,
        });
        nearest(
            name,
            candidates.map(|relation| (relation.name.as_str(), relation)),
        )
        .map(Relation::display)
    }

    /// The column of `relation` whose name is nearest to one that does not exist.
    pub fn did_you_mean_column(&self, relation: &Relation, name: &str) -> Option<String> {
        let columns = relation
            .columns
            .iter()
            .map(|column| (column.name.as_str(), column));
        nearest(name, columns).map(|column| super::quote(&column.name))
    }
}

/// The nearest of `candidates` by edit distance, unless all of them are far.
pub(crate) fn nearest<'a, T>(
    name: &str,
    candidates: impl Iterator<Item = (&'a str, T)>,
) -> Option<T> {
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .map(|(candidate, value)| (distance(name, candidate), value))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, value)| value)
}

/// The edit distance, ignoring case, in which a swap of neighbours counts once (optimal string
/// alignment): `nmae` is one slip away from `name`.
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let mut last = None;
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut cost = (at(&row, j) + usize::from(x != *y))
                .min(at(&row, j + 1) + 1)
                .min(at(&next, j) + 1);
            let swapped = j > 0 && last == Some(*y) && b.get(j - 1) == Some(&x);
            if swapped {
                cost = cost.min(at(&before, j - 1) + 1);
            }
            next.push(cost);
        }
        before = std::mem::replace(&mut row, next);
        last = Some(x);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("customers", "customers"), 0);
        assert_eq!(distance("custmers", "Customers"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("nmae", "name"), 1);
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("abc", "ca"), 3);
    }

    #[test]
    fn nearest_is_near() {
        let names = ["customers", "tickets"];
        let near = |name| nearest(name, names.iter().map(|n| (*n, *n)));
        assert_eq!(near("custmoers"), Some("customers"));
        assert_eq!(near("invoices"), None);
    }
}
