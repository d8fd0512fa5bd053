//! Random types of inputs and outputs, from one to five deep, in every shape and tagging that serde has, with a
//! tenant's name somewhere in them or nowhere. The same seed gives the same text.

/// Another seed, or more of them, is a matter of these two lines.
pub(crate) const SEED: u64 = 20_261_123;
/// How many types are made.
pub(crate) const COUNT: usize = 240;

/// One type with what it holds.
pub(crate) struct Case {
    /// The definitions, the outermost first. Each stands for itself, so that a derive can be run
    /// on it.
    pub(crate) types: Vec<String>,
    /// How a tenant's name was hidden, or what only looks like one.
    pub(crate) how: &'static str,
    /// Whether the derive of an input has to find it.
    pub(crate) named: bool,
    /// Whether the derive of an output has to find it: under another name where serde gives two.
    pub(crate) told: bool,
    /// Whether it is published, so that a walk over the schema can find it.
    pub(crate) published: bool,
}

/// As many cases, one after the other.
pub(crate) fn cases(seed: u64, count: usize) -> Vec<Case> {
    let mut random = Random(seed);
    (0..count).map(|_| case(&mut random)).collect()
}

/// The cases as modules, each generic over the innermost value, and what a test asks of them.
pub(crate) fn source(cases: &[Case]) -> String {
    let mut text = String::new();
    for (number, case) in cases.iter().enumerate() {
        let mut derives = "serde::Deserialize, serde::Serialize, schemars::JsonSchema".to_owned();
        if !case.named {
            derives += ", watertight::ToolInput";
        }
        if !case.told {
            derives += ", watertight::ToolOutput";
        }
        text.push_str(&format!("pub mod case{number} {{\n"));
        for definition in &case.types {
            text.push_str(&format!("#[derive({derives})]\n{definition}\n"));
        }
        text.push_str("}\n");
    }
    let each = |form: &dyn Fn(usize) -> String| {
        let all: Vec<String> = (0..cases.len()).map(form).collect();
        all.join(",\n")
    };
    text.push_str(&format!(
        "pub fn schemas() -> Vec<serde_json::Value> {{ vec![{}] }}\n",
        each(&|number| format!("schemars::schema_for!(case{number}::T0<u64>).to_value()"))
    ));
    let honest: Vec<String> = (0..cases.len())
        .filter(|number| !cases[*number].named)
        .map(|number| {
            format!("({number}, is_input!(case{number}::T0<u64>), is_input!(case{number}::T0<super::Clinic>))")
        })
        .collect();
    text.push_str(&format!(
        "pub fn inputs() -> Vec<(usize, bool, bool)> {{ vec![{}] }}\n",
        honest.join(",\n")
    ));
    let honest: Vec<String> = (0..cases.len())
        .filter(|number| !cases[*number].told)
        .map(|number| {
            format!("({number}, is_output!(case{number}::T0<u64>), is_output!(case{number}::T0<super::Clinic>))")
        })
        .collect();
    text.push_str(&format!(
        "pub fn outputs() -> Vec<(usize, bool, bool)> {{ vec![{}] }}\n",
        honest.join(",\n")
    ));
    text
}

/// A linear congruential generator: good enough to pick shapes, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// A field that may hide a name: attributes and the identifier.
type Hidden = (&'static str, &'static str, &'static str, bool, bool);

/// The names that only one side has: what is read is not told, and the other way round.
const ONE_SIDED: &[(&str, bool)] = &[
    ("rename when read", false),
    ("alias", false),
    ("rename when written", true),
];

/// How a field of a struct or variant can be called. The last two: named, published.
const FIELDS: &[Hidden] = &[
    ("a field", "", "tenant_id", true, true),
    ("a list", "", "org_ids", true, true),
    (
        "rename",
        "#[serde(rename = \"workspaceId\")]",
        "key",
        true,
        true,
    ),
    (
        "rename when read",
        "#[serde(rename(deserialize = \"tenant\"))]",
        "key",
        true,
        true,
    ),
    ("alias", "#[serde(alias = \"tenant\")]", "key", true, false),
    (
        "rename in the schema",
        "#[schemars(rename = \"tenant\")]",
        "key",
        true,
        true,
    ),
    ("a raw identifier", "", "r#realm", true, true),
    ("an honest field", "", "plan", false, false),
    ("another word", "", "organized_by", false, false),
    (
        "renamed away",
        "#[serde(rename = \"level\")]",
        "tenant",
        false,
        false,
    ),
    (
        "rename when written",
        "#[serde(rename(serialize = \"tenant\"))]",
        "key",
        false,
        false,
    ),
    ("skipped", "#[serde(skip)]", "tenant_id", false, false),
    ("with a default", "#[serde(default)]", "level", false, false),
];

/// Rules for all fields: what they make of `tenant_id` is a tenant's name in every casing.
const RULES: &[&str] = &[
    "",
    "camelCase",
    "PascalCase",
    "SCREAMING_SNAKE_CASE",
    "kebab-case",
];

/// What surrounds a value.
const AROUND: &[&str] = &[
    "{}",
    "Option<{}>",
    "Vec<{}>",
    "Box<{}>",
    "[{}; 2]",
    "(u8, {})",
    "Option<Vec<{}>>",
];

fn case(random: &mut Random) -> Case {
    let depth = 1 + random.below(5);
    let planted = random.below(depth);
    let mut case = Case {
        types: Vec::new(),
        how: "nothing",
        named: false,
        told: false,
        published: false,
    };
    for level in 0..depth {
        let inner = match level + 1 == depth {
            true => "X".to_owned(),
            false => format!("T{}<X>", level + 1),
        };
        let inner = random.pick(AROUND).replace("{}", &inner);
        let definition = match level == planted {
            true => plant(random, level, &inner, &mut case),
            false => honest(random, level, &inner),
        };
        case.types.push(definition);
    }
    let one_sided = ONE_SIDED.iter().find(|(how, _)| *how == case.how);
    case.told = one_sided.map_or(case.named, |(_, told)| *told);
    case
}

/// A level with something to find, or something that only looks like it.
fn plant(random: &mut Random, level: usize, inner: &str, case: &mut Case) -> String {
    let (attribute, how, named) = match random.below(4) {
        0 => {
            let (attribute, how) = random.pick(&[
                ("#[serde(tag = \"tenant\")]", "a tag"),
                (
                    "#[serde(tag = \"org\", content = \"value\")]",
                    "the tag beside a content",
                ),
                (
                    "#[serde(tag = \"kind\", content = \"workspace\")]",
                    "a content",
                ),
            ]);
            (attribute, how, true)
        }
        1 => {
            (case.how, case.named, case.published) = ("a variant with data", true, true);
            return format!("pub enum T{level}<X> {{ Tenant {{ value: {inner} }}, Other }}");
        }
        2 => {
            // Under a tag the name of a variant is a value.
            let (attribute, how) = random.pick(&[
                ("#[serde(tag = \"kind\")]", "the value of a tag"),
                ("#[serde(untagged)]", "an untagged variant"),
            ]);
            (case.how, case.named, case.published) = (how, false, false);
            return format!(
                "{attribute}\npub enum T{level}<X> {{ Tenant {{ value: {inner} }}, Other {{ level: u8 }} }}"
            );
        }
        _ => return field(random, level, inner, case),
    };
    (case.how, case.named, case.published) = (how, named, named);
    format!("{attribute}\npub enum T{level}<X> {{ Some {{ value: {inner} }}, Other }}")
}

/// The same by the name of a field, in a struct or a variant.
fn field(random: &mut Random, level: usize, inner: &str, case: &mut Case) -> String {
    let (how, attribute, name, named, published) = random.pick(FIELDS);
    (case.how, case.named, case.published) = (how, named, published);
    let rule = match random.pick(RULES) {
        "" => String::new(),
        rule => format!("rename_all = \"{rule}\""),
    };
    let rule_of_fields = rule.replace("rename_all", "rename_all_fields");
    let fields = format!("{attribute} {name}: Vec<String>, value: {inner}");
    match random.below(4) {
        0 => format!("#[serde({rule})]\npub struct T{level}<X> {{ {fields} }}"),
        1 => format!(
            "#[serde({rule_of_fields})]\npub enum T{level}<X> {{ Some {{ {fields} }}, Other }}"
        ),
        2 => format!(
            "#[serde(untagged)]\npub enum T{level}<X> {{ Some {{ {fields} }}, Other {{ level: u8 }} }}"
        ),
        _ => format!(
            "#[serde(tag = \"kind\")]\npub enum T{level}<X> {{ Some {{ {fields} }}, Other }}"
        ),
    }
}

fn honest(random: &mut Random, level: usize, inner: &str) -> String {
    let name = format!("T{level}<X>");
    match random.below(8) {
        0 => format!("pub struct {name} {{ plan: String, value: {inner} }}"),
        1 => format!("pub struct {name}({inner});"),
        2 => format!("pub struct {name}(u8, {inner});"),
        3 => format!("#[serde(transparent)]\npub struct {name} {{ tenant: {inner} }}"),
        4 => format!("pub enum {name} {{ Tenant, Value({inner}) }}"),
        5 => format!(
            "#[serde(tag = \"kind\", content = \"value\")]\npub enum {name} {{ Tenant, Value({inner}) }}"
        ),
        6 => format!("#[serde(untagged)]\npub enum {name} {{ Value({inner}), Level(u8) }}"),
        _ => format!(
            "#[serde(rename_all = \"camelCase\")]\npub struct {name} {{ #[serde(alias = \"it\")] the_value: {inner}, #[serde(skip)] tenant: u8 }}"
        ),
    }
}
