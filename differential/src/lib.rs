//! Compares the parser of the analysis with PostgreSQL's own C parser, tree by tree.
//!
//! Both trees have PostgreSQL's node types. [`ours`] reads the text that `rupg-sql` prints, [`theirs`]
//! the tree of `pg_query`, both into one [`tree::Tree`], and [`compare`] walks the two together:
//! every node, every field, every place in the text. What the two versions of PostgreSQL spell
//! differently is listed in [`versions`], and nothing else is let through.

pub mod compare;
pub mod corpus;
pub mod mutate;
pub mod ours;
pub mod regress;
pub mod theirs;
pub mod tree;
pub mod versions;

pub use compare::compare;
