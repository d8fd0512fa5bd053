//! Built-in functions that occur in policies, triggers and bodies and stay with their arguments.

use crate::functions::{Verdict, builtin};

/// Whether a built-in function only computes from its arguments, the clock or a setting: the
/// tenant's own setting is judged as a term, and any other tells nothing about rows.
pub(super) fn stays_with_its_arguments(name: &str) -> bool {
    name == "current_setting"
        || builtin(name).is_some_and(|function| matches!(function.verdict, Verdict::Allowed(_)))
}

/// Functions of common extensions that compute from their arguments. Others have to be allowed by
/// the configuration.
const EXTENSIONS: &[&str] = &[
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v3",
    "uuid_generate_v4",
    "uuid_generate_v5",
    "uuid_generate_v7",
    "uuid_nil",
    "gen_salt",
    "crypt",
    "digest",
    "hmac",
    "gen_random_bytes",
    "unaccent",
    "similarity",
    "word_similarity",
    "strict_word_similarity",
    "show_trgm",
    "levenshtein",
    "soundex",
    "metaphone",
    "dmetaphone",
    "difference",
    "l2_distance",
    "cosine_distance",
    "inner_product",
    "l1_distance",
    "hamming_distance",
    "jaccard_distance",
    "vector_dims",
    "vector_norm",
    "l2_norm",
    "l2_normalize",
    "subvector",
    "binary_quantize",
    "hstore",
];

/// Whether a function is one of a common extension that only computes from its arguments.
pub(crate) fn of_an_extension(name: &str) -> bool {
    EXTENSIONS.contains(&name)
}
