//! Values at the ends of the types, and literals, valid and not.

/// A type, and values at its ends, as a list for `VALUES`.
pub(super) const TYPES: &[(&str, &str)] = &[
    ("int2", "(-32768), (-1), (0), (32767)"),
    ("int4", "(-2147483648), (-1), (0), (1), (2147483647)"),
    (
        "int8",
        "(-9223372036854775808), (-1), (0), (5000000000), (9223372036854775807)",
    ),
    (
        "numeric",
        "('NaN'), ('Infinity'), ('-Infinity'), (0), (1e-16000), \
         ((repeat('9', 131072) || '.5')::numeric), (('-' || repeat('9', 131072) || '.5')::numeric)",
    ),
    (
        "numeric(10,2)",
        "('NaN'), (0), (99999999.99), (-99999999.99)",
    ),
    (
        "float4",
        "('NaN'), ('Infinity'), ('-Infinity'), (3.4e38), (-3.4e38), (1e-45)",
    ),
    (
        "float8",
        "('NaN'), ('Infinity'), ('-Infinity'), (1.7e308), (-1.7e308), (5e-324)",
    ),
    ("bool", "(true), (false)"),
    ("text", TEXTS),
    ("varchar", TEXTS),
    ("bpchar", TEXTS),
    ("name", "(''), ('a'), (repeat('é', 31)), ('[')"),
    ("\"char\"", "(''), ('a'), ('\\377'::\"char\")"),
    (
        "uuid",
        "('00000000-0000-0000-0000-000000000000'), ('ffffffff-ffff-ffff-ffff-ffffffffffff')",
    ),
    (
        "date",
        "('-infinity'), ('infinity'), ('4714-11-24 BC'), ('5874897-12-31'), ('2024-02-29')",
    ),
    (
        "timestamp",
        "('-infinity'), ('infinity'), ('4714-11-24 00:00:00 BC'), ('294276-12-31 23:59:59.999999'), \
         ('2024-02-29 12:00')",
    ),
    (
        "timestamptz",
        "('-infinity'), ('infinity'), ('4714-11-24 00:00:00+00 BC'), \
         ('294276-12-31 23:59:59.999999+00'), ('2024-02-29 12:00+00')",
    ),
    ("time", "('00:00'), ('24:00'), ('23:59:59.999999')"),
    (
        "timetz",
        "('00:00+15:59'), ('24:00-15:59'), ('23:59:59.999999+00')",
    ),
    (
        "interval",
        "('-178000000 years'), ('178000000 years'), ('2147483647 days'), ('-2147483648 days'), ('0'), \
         ('2562047788:00:54.775807')",
    ),
    (
        "json",
        "('null'), ('\"\\u0000\"'), ('{\"a\":1e1000000,\"a\":2}'), ('[[[]]]'), ('1'), ('\"\\ud83d\"')",
    ),
    (
        "jsonb",
        "('null'), ('1e130000'), ('{}'), ('[]'), ('\"x\"'), ('{\"a\":{\"b\":[null,\"[\"]}}'), ('[1,[2,{\"a\":null}]]')",
    ),
    (
        "bytea",
        "(''), ('\\x00'), ('\\xff00ff'), (decode(repeat('ff', 5000), 'hex'))",
    ),
    (
        "inet",
        "('0.0.0.0/0'), ('255.255.255.255'), ('::/0'), ('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')",
    ),
    ("cidr", "('0.0.0.0/0'), ('255.255.255.255/32'), ('::/0')"),
    ("macaddr", "('00:00:00:00:00:00'), ('ff:ff:ff:ff:ff:ff')"),
    (
        "macaddr8",
        "('00:00:00:00:00:00:00:00'), ('ff:ff:ff:ff:ff:ff:ff:ff')",
    ),
    (
        "money",
        "('-92233720368547758.08'), ('92233720368547758.07'), ('0')",
    ),
    ("bit(3)", "(B'000'), (B'111')"),
    ("varbit", "(''), (B'1'), (B'0101010101')"),
    ("oid", "(0), (4294967295)"),
    ("tsvector", "(''), ('a:1A b:2'), ('''[''')"),
    ("tsquery", "(''), ('a & !b'), ('a <-> b'), ('a:*A')"),
    ("xml", "(''), ('<a/>'), ('x')"),
    (
        "int4range",
        "('empty'), ('(,)'), ('[-2147483648,2147483647)'), ('[1,1]'), ('(,5]')",
    ),
    (
        "int8range",
        "('empty'), ('(,)'), ('[-9223372036854775808,9223372036854775807)')",
    ),
    (
        "numrange",
        "('empty'), ('(,)'), ('[NaN,NaN]'), ('[-Infinity,Infinity]'), ('(1,2]')",
    ),
    (
        "daterange",
        "('empty'), ('(,)'), ('[-infinity,infinity]'), ('[4714-11-24 BC,5874897-12-31)')",
    ),
    (
        "tsrange",
        "('empty'), ('(,)'), ('[-infinity,infinity]'), ('[2024-01-01,2024-01-02)')",
    ),
    (
        "tstzrange",
        "('empty'), ('(,)'), ('[-infinity,infinity]'), ('[2024-01-01,2024-01-02)')",
    ),
    (
        "int4multirange",
        "('{}'), ('{(,)}'), ('{[-2147483648,0),[5,2147483647)}')",
    ),
    (
        "datemultirange",
        "('{}'), ('{(,)}'), ('{[-infinity,infinity]}')",
    ),
    (
        "text[]",
        "('{}'), ('{NULL}'), ('{a,NULL,[}'), ('{{a,b},{c,d}}'), ('[5:6]={a,b}')",
    ),
    (
        "int4[]",
        "('{}'), ('{NULL}'), ('{1,NULL,2147483647}'), ('{{1,2},{3,4}}'), ('[-3:-2]={1,2}')",
    ),
    ("int8[]", "('{}'), ('{NULL}'), ('{1,NULL}')"),
    ("numeric[]", "('{}'), ('{NULL,NaN,Infinity}'), ('{1}')"),
    ("float8[]", "('{}'), ('{NULL,NaN,Infinity}'), ('{1}')"),
    (
        "uuid[]",
        "('{}'), ('{NULL,00000000-0000-0000-0000-000000000000}')",
    ),
    ("date[]", "('{}'), ('{NULL,infinity,5874897-12-31}')"),
    ("timestamptz[]", "('{}'), ('{NULL,infinity,2024-01-01}')"),
    ("jsonb[]", "('{}'), ('{NULL,null,1}')"),
    ("point[]", "('{}'), ('{NULL}'), (ARRAY[point(1,2)])"),
    ("point", "('(0,0)'), ('(NaN,Infinity)'), ('(1e308,-1e308)')"),
    ("circle", "('<(0,0),1>'), ('<(1e308,-1e308),1e308>')"),
    ("mood", "('sad'), ('happy')"),
    ("word", "(''), ('x')"),
];
/// Texts that are something else elsewhere: a pattern, an expression, a document, a number.
const TEXTS: &str = "(''), (' '), ('a'), ('['), ('\\'), ('(a'), ('%\\'), ('{'), ('İẞ é'), \
     ('99999999999999999999'), ('NaN'), (repeat('ab', 5000))";

/// Types of extensions, which are tried where the server has those.
pub(super) const EXTENSIONS: &[(&str, &str, &str)] = &[
    ("citext", "citext", TEXTS),
    ("hstore", "hstore", "(''), ('a=>NULL'), ('a=>1,b=>\"[\"')"),
    ("ltree", "ltree", "(''), ('a.b.c')"),
    ("pg_trgm", "", ""),
];

/// Arguments that are written out, by the type of the parameter; good ones and bad ones.
pub(super) fn literals(parameter: &str) -> &'static [&'static str] {
    match parameter {
        "text" => &[
            "','",
            "''",
            "'['",
            "'(a|b)+'",
            "'^[A-Z]{2,3}\\d*$'",
            "'(?=a)+'",
            "'a{1,300}'",
            "'\\'",
            "'g'",
            "'i'",
            "'hour'",
            "'year'",
            "'week'",
            "'timezone'",
            "'julian'",
            "'epoch'",
            "'day'",
            "'second'",
            "'minute'",
            "'UTC'",
            "'Europe/Berlin'",
            "'YYYY-MM-DD HH24:MI:SS.US TZH OF TMMonth IYYY-IW J'",
        ],
        "int4" => &["-2147483648", "-1", "0", "1", "3", "2147483647", "20000"],
        "bytea" => &["'\\x00'"],
        _ => &[],
    }
}
