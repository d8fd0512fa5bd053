//! Calls of built-in functions and operators by type, harmless and liable to fail.
//!
//! Invariant: what is called risky fails on values that only other tenants' rows hold (12 and 14,
//! notes that are no numbers, arrays for objects, infinity), or on what a hostile caller sends.

use super::Writer;
use crate::schema::Ty;

impl Writer<'_> {
    /// Whole numbers from functions that take anything.
    pub(super) fn more_int(&mut self, depth: usize) -> String {
        match self.c.below(16) {
            0 => {
                let text = self.text_column();
                format!("strpos({text}, {})", self.text_value())
            }
            1 => format!("char_length({})", self.text(depth)),
            2 => format!("coalesce(array_length({}, 1), 0)", self.ints(depth)),
            3 => format!("cardinality({})", self.ints(depth)),
            4 => format!(
                "(SELECT count(*)::integer FROM unnest({}))",
                self.ints(depth)
            ),
            5 => format!("extract(isodow FROM {})::integer", self.literal(Ty::Time)),
            6 => format!("num_nulls({}, {})", self.int(0), self.text_column()),
            7 => format!("({} & 7)", self.column_or(Ty::Int)),
            8 => format!("sign({})::integer", self.int(0)),
            9 => format!("array_position({}, {})", self.ints(depth), self.int(0)),
            10 => format!("ascii({})", self.text_column()),
            11 => format!("({})[1]", self.ints(depth)),
            12 => format!("length(jsonb_typeof({}))", self.json(depth)),
            13 => format!("mod({}, 5)", self.int(0)),
            14 => format!(
                "coalesce(({} -> 'n' IS NOT NULL)::integer, 0)",
                self.json(depth)
            ),
            _ => format!(
                "(SELECT z.a FROM (VALUES ({}, {})) AS z(a, b))",
                self.int(0),
                self.text_column()
            ),
        }
    }

    pub(super) fn more_text(&mut self, depth: usize) -> String {
        match self.c.below(16) {
            0 => format!("concat_ws('-', {}, {})", self.text(depth), self.int(0)),
            1 => format!("left({}, {})", self.text_column(), self.int(0)),
            2 => format!("substr({}, 2)", self.text_column()),
            3 => format!(
                "replace({}, 'e', {})",
                self.text_column(),
                self.text_value()
            ),
            4 => format!("regexp_replace({}, '[aeiou]', '', 'g')", self.text_column()),
            5 => format!("to_char({}, 'YYYY-MM')", self.column_or(Ty::Time)),
            6 => format!("array_to_string({}, ',')", self.ints(depth)),
            7 => format!("jsonb_pretty({})", self.json(depth)),
            8 => format!("({} #>> '{{k}}')", self.json(depth)),
            9 => format!("quote_nullable({})", self.text_column()),
            10 => format!("format('%s/%s', {}, {})", self.text_column(), self.int(0)),
            11 => format!("greatest({}, {})", self.text_column(), self.text_column()),
            12 => format!("translate({}, 'abc', 'xyz')", self.text_column()),
            13 => format!(
                "ts_headline('simple', {}, plainto_tsquery('simple', {}))",
                self.text_column(),
                self.text_value()
            ),
            14 => format!("({}[1:2])::text", self.array_of_text()),
            _ => format!("split_part({}, 'e', 1)", self.text_column()),
        }
    }

    fn array_of_text(&mut self) -> String {
        format!("(string_to_array({}, 'e'))", self.text_column())
    }

    pub(super) fn more_bool(&mut self, depth: usize) -> String {
        match self.c.below(17) {
            0 => format!(
                "to_tsvector('simple', {}) @@ plainto_tsquery('simple', {})",
                self.text_column(),
                self.text_value()
            ),
            1 => format!(
                "to_tsvector('english', coalesce({}, '')) @@ websearch_to_tsquery('english', {})",
                self.text_column(),
                self.text_value()
            ),
            2 => format!(
                "{} = ANY ({})",
                self.column_or(Ty::Int),
                self.typed_parameter(Ty::Ints)
            ),
            3 => format!("{} && {}", self.ints(depth), self.ints(depth)),
            4 => format!("{} ? 'k'", self.json(depth)),
            5 => format!("{} @> {}", self.json(depth), self.typed_parameter(Ty::Json)),
            6 => format!("jsonb_path_exists({}, '$.n')", self.json(depth)),
            7 => format!(
                "{} BETWEEN SYMMETRIC {} AND {}",
                self.column_or(Ty::Int),
                self.int(0),
                self.int(0)
            ),
            8 => format!(
                "({}, {}) IS DISTINCT FROM (1, 'open')",
                self.column_or(Ty::Int),
                self.text_column()
            ),
            9 => format!("starts_with({}, {})", self.text_column(), self.text_value()),
            10 => format!("{} ~ '^[a-m]'", self.text_column()),
            11 => format!(
                "{} {} {}",
                self.column_or(Ty::Time),
                self.c.one(&["<", ">=", "="]).to_owned(),
                self.time(0)
            ),
            12 => format!(
                "({}) IS {}",
                self.bool(depth.saturating_sub(1)),
                self.c.one(&["TRUE", "NOT FALSE", "UNKNOWN", "NOT UNKNOWN"])
            ),
            13 => format!("{} = {}", self.column_or(Ty::Int), self.parameter(Ty::Int)),
            14 => format!(
                "{} = SOME (ARRAY['open', {}])",
                self.text_column(),
                self.text_value()
            ),
            15 => format!(
                "({} IS NULL OR {} = {})",
                self.typed_parameter(Ty::Text),
                self.text_column(),
                self.typed_parameter(Ty::Text)
            ),
            _ => format!("{} @? '$.n ? (@ > 1)'", self.json(depth)),
        }
    }

    pub(super) fn time(&mut self, depth: usize) -> String {
        if self.c.chance(self.risk) {
            return self.risky_time();
        }
        match self.c.pick(&[40, 20, 15, 15, 10]) {
            0 => self.column_or(Ty::Time),
            1 => self.literal(Ty::Time),
            2 => self.typed_parameter(Ty::Time),
            3 => format!("date_trunc('month', {})", self.column_or(Ty::Time)),
            _ => format!(
                "coalesce({}, {})",
                self.column_or(Ty::Time),
                match depth {
                    0 => self.literal(Ty::Time),
                    depth => self.time(depth - 1),
                }
            ),
        }
    }

    fn risky_time(&mut self) -> String {
        match self.c.below(4) {
            0 => format!("({} + interval '1 year')", self.column_or(Ty::Time)),
            1 => format!(
                "({} + {} * interval '1 day')",
                self.literal(Ty::Time),
                self.column_or(Ty::Int)
            ),
            2 => format!("({} - interval '7000 years')", self.column_or(Ty::Time)),
            _ => match self.named_column("note") {
                Some(note) => format!("('2024-01-0' || {note})::timestamp"),
                None => format!("({} + interval '30 days')", self.column_or(Ty::Time)),
            },
        }
    }

    pub(super) fn ints(&mut self, depth: usize) -> String {
        match self.c.pick(&[30, 30, 20, if depth > 0 { 20 } else { 0 }]) {
            0 => format!("ARRAY[{}, {}]", self.int(0), self.int(0)),
            1 => self.literal(Ty::Ints),
            2 => self.typed_parameter(Ty::Ints),
            _ => format!("ARRAY{}", self.scalar_subquery(Ty::Int, depth - 1)),
        }
    }

    fn text_column(&mut self) -> String {
        self.column_or(Ty::Text)
    }

    /// Of the caller's, or a literal.
    fn text_value(&mut self) -> String {
        match self.c.chance(60) {
            true => self.typed_parameter(Ty::Text),
            false => self.literal(Ty::Text),
        }
    }

    /// Numbers from what fails on rows that only other tenants have.
    pub(super) fn risky_int(&mut self) -> String {
        let x = self.column_or(Ty::Int);
        match self.c.below(30) {
            0 => format!("(10 / ({x} - 12))"),
            1 => format!("(10 % ({x} - 14))"),
            2 | 3 => match self.named_column("note") {
                Some(note) => self.risky_note(&note),
                None => "4".to_owned(),
            },
            4 | 5 => match self.column(Ty::Json) {
                Some(json) => self.risky_json(&json),
                None => "3".to_owned(),
            },
            6 => format!("(10 / ({x} - {}))", self.typed_parameter(Ty::Int)),
            7 => format!("({x} * {})", self.typed_parameter(Ty::Int)),
            8 => format!("({x} + {})", self.parameter(Ty::Int)),
            9 => format!("length(substr('abc', 1, 13 - {x}))"),
            10 => format!("length(split_part('a,b', ',', {x} - 12))"),
            11 => format!("({x} * 200000000)"),
            12 => format!("({x} * 3000)::smallint"),
            13 => format!("width_bucket(1, 0, 5, 13 - {x})"),
            14 => format!("sqrt(13 - {x})::integer"),
            15 => format!("ln(14 - {x})::integer"),
            16 => format!("mod(10, {x} - 12)"),
            17 => format!("round(10.0 / ({x} - 12))::integer"),
            18 => format!("get_byte('\\x00010203040506070809'::bytea, {x})"),
            19 => format!("({x}::numeric(1,0))::integer"),
            20 => format!("ascii(chr({x} * 100000))"),
            21 => format!("extract(month FROM make_date(2024, 13 - {x}, 1))::integer"),
            22 => format!("('2024-01-01'::date + {x} * 1000000 > '2024-01-01')::integer"),
            23 => format!("(factorial(13 - {x}) > 0)::integer"),
            24 => format!("power(0, 13 - {x})::integer"),
            25 => format!(
                "(extract(epoch FROM {}) / 60)::integer",
                self.column_or(Ty::Time)
            ),
            26 => format!("({}::date - '2024-01-01'::date)", self.column_or(Ty::Time)),
            27 => format!("(SELECT count(*)::integer FROM generate_series(1, 3, {x} - 12))"),
            28 => self.many_rows(),
            _ => format!("(array_fill(0, ARRAY[13 - {x}]))[1]"),
        }
    }

    /// A sub-query that may give several rows, which is an error, for some rows around it.
    fn many_rows(&mut self) -> String {
        let (from, filter) = self.inner(0);
        let value = self.inner_column(Ty::Int).unwrap_or_else(|| "1".to_owned());
        self.scopes.pop();
        format!("(SELECT {value} FROM {from}{filter})")
    }

    fn risky_note(&mut self, note: &str) -> String {
        match self.c.below(9) {
            0 => format!("{note}::integer"),
            1 => format!("CAST({note} AS numeric)::integer"),
            2 => format!("(('{{' || {note} || '}}')::integer[])[1]"),
            3 => format!("length(({note}::jsonb)::text)"),
            4 => format!("length(decode({note}, 'escape'))"),
            5 => format!("('zed' LIKE {note})::integer"),
            6 => format!("('zed' ~ {note})::integer"),
            7 => format!("extract(day FROM ({note} || ' days')::interval)::integer"),
            _ => format!("to_number({note}, '9')::integer"),
        }
    }

    fn risky_json(&mut self, json: &str) -> String {
        match self.c.below(9) {
            0 => format!("({json} ->> 'n')::integer"),
            1 => format!("({json} -> 'n')::integer"),
            2 => format!("(SELECT count(*)::integer FROM jsonb_object_keys({json}))"),
            3 => format!("length(jsonb_path_query_first({json}, 'strict $.n')::text)"),
            4 => format!("length(jsonb_set({json}, '{{n}}', '1')::text)"),
            5 => format!("(SELECT count(*)::integer FROM jsonb_each_text({json}))"),
            6 => format!("(SELECT z.n FROM jsonb_to_record({json}) AS z(n integer))"),
            7 => format!("({json}['n'])::integer"),
            _ => format!("jsonb_path_exists({json}, 'strict $.k')::integer"),
        }
    }

    pub(super) fn risky_bool(&mut self) -> String {
        let text = self.text_column();
        match self.c.below(18) {
            13.. => self.probe(),
            // Fails on parameters alone: it must not fail for a row of another tenant's only.
            8 => format!(
                "CASE WHEN {} = {}::timestamp THEN true ELSE false END",
                self.column_or(Ty::Time),
                self.typed_parameter(Ty::Text)
            ),
            9 => format!(
                "{} = (SELECT {}::timestamp)",
                self.column_or(Ty::Time),
                self.typed_parameter(Ty::Text)
            ),
            10 => format!(
                "{} = (SELECT 10 / g FROM generate_series({}, 2) g LIMIT 1)",
                self.column_or(Ty::Int),
                self.typed_parameter(Ty::Int)
            ),
            11 => format!(
                "{} = (SELECT g FROM unnest({}) g)",
                self.column_or(Ty::Int),
                self.typed_parameter(Ty::Ints)
            ),
            12 => format!(
                "{text} = {} AND {} = {}::text::date",
                self.literal(Ty::Text),
                self.column_or(Ty::Time),
                self.typed_parameter(Ty::Text)
            ),
            0 => format!("{text} LIKE {}", self.typed_parameter(Ty::Text)),
            1 => format!("{text} ~ {}", self.typed_parameter(Ty::Text)),
            2 => format!("{text} ILIKE {} || '%'", self.typed_parameter(Ty::Text)),
            3 => format!(
                "to_tsvector('simple', {text}) @@ to_tsquery('simple', {})",
                self.typed_parameter(Ty::Text)
            ),
            4 => format!(
                "{} = {}::integer",
                self.column_or(Ty::Int),
                self.typed_parameter(Ty::Text)
            ),
            5 => format!("{text} SIMILAR TO {}", self.typed_parameter(Ty::Text)),
            6 => format!("{} = 3", self.risky_int()),
            _ => format!("{text} LIKE 'z%' ESCAPE {}", self.typed_parameter(Ty::Text)),
        }
    }

    /// What PostgreSQL may compare in front of a policy, with a value that only other tenants have,
    /// beside what then fails for reasons that have nothing to do with the row: whether it does is
    /// the answer.
    pub(super) fn probe(&mut self) -> String {
        let first = match self.c.below(4) {
            0 => format!("{} = 'zed'", self.text_column()),
            1 => format!("{} = 14", self.column_or(Ty::Int)),
            2 => format!("{} > 11", self.column_or(Ty::Int)),
            _ => format!(
                "{} = {}",
                self.text_column(),
                self.typed_parameter(Ty::Text)
            ),
        };
        let then = self.fails_whatever_the_row();
        let x = self.column_or(Ty::Int);
        match self.c.below(5) {
            0 => format!("{first} AND ({then} OR {x} = 1 OR {x} = 301)"),
            1 => format!("{first} AND CASE WHEN {x} < 500 THEN {then} END"),
            2 => format!("CASE WHEN {first} THEN {then} ELSE false END"),
            _ => format!("{first} AND {then}"),
        }
    }

    fn fails_whatever_the_row(&mut self) -> String {
        let text = self.typed_parameter(Ty::Text);
        let number = self.typed_parameter(Ty::Int);
        let (x, t) = (self.column_or(Ty::Int), self.column_or(Ty::Time));
        match self.c.below(24) {
            0 => format!("{t} > to_date({text}, 'YYYY-MM-DD')"),
            1 => format!("{t} > make_date({number}, 1, 1)"),
            2 => format!("(timestamptz '2024-01-01 00:00Z' AT TIME ZONE {text}) > '2020-01-01'"),
            3 => format!("date_trunc({text}, timestamp '2024-01-01') > '2020-01-01'"),
            4 => format!("format({text}, 1) = 'x'"),
            5 => format!("current_setting('app.tenant_id') ~ {text}"),
            6 => format!("{x} = date_part({text}, timestamp '2024-01-01')"),
            7 => format!("{x} < 10 / {number}"),
            8 => format!("substr({}, 1, -1) = 'x'", self.text_column()),
            9 => format!("split_part({}, ',', 0) = 'x'", self.text_column()),
            10 => format!("regexp_replace({}, '[', 'x') = 'x'", self.text_column()),
            11 => format!("extract(hour FROM {t}::date) = 3"),
            12 => format!("EXISTS (SELECT 1 FROM generate_series({number}, 2) g WHERE 10 / g > 0)"),
            13 => format!("{x} IN (SELECT 10 / g FROM generate_series({number}, 2) g)"),
            14 => format!(
                "{x} = (SELECT 10 / g FROM generate_series({number}, 2) g, (SELECT 0 AS x) v WHERE g >= v.x LIMIT 1)"
            ),
            15 => format!(
                "{x} > (SELECT count(*) FROM jsonb_array_elements({}))",
                self.typed_parameter(Ty::Json)
            ),
            // What the tenant's own rows hold is the caller's choice as well.
            16 | 17 => format!("{x} = {}", self.many_rows()),
            18 | 19 => {
                let (from, filter) = self.inner(0);
                let value = self.inner_column(Ty::Int).unwrap_or_else(|| "1".to_owned());
                self.scopes.pop();
                let fails = format!("10 / ({value} - 1)");
                match self.c.below(4) {
                    0 => format!("{x} = (SELECT max({fails}) FROM {from}{filter})"),
                    1 => format!("{x} IN (SELECT {fails} FROM {from}{filter})"),
                    2 => format!("{x} = (SELECT {fails} FROM {from}{filter} ORDER BY 1 LIMIT 1)"),
                    _ => format!("EXISTS (SELECT {fails} FROM {from}{filter} OFFSET 0)"),
                }
            }
            20 => format!("{x} = ANY (array_fill({number}, ARRAY[{number}]))"),
            21 => format!("coalesce({t}, {t}::date) > '2020-01-01'"),
            22 => format!("({t}::date, {t}::date) OVERLAPS ({t}, {t})"),
            _ => format!(
                "{x} = (SELECT v.a FROM (VALUES (1, {text}), (2, {text})) v(a, b) WHERE v.b = {text})"
            ),
        }
    }
}
