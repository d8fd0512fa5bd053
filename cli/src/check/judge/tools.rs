//! Tools: whether what a caller may say includes the tenant, SQL, or anything at all.
//!
//! Invariant: a type that can't be found is told; its tool is not clear.

use std::collections::{HashMap, HashSet};

use watertight_analysis::Code;
use watertight_analysis::finding::Level;
use watertight_analysis::words::{Extra, Match, Tier, classify, classify_sql};

use super::super::facts::{Field, FileFacts, Span, Tool, TypeName};
use super::{Judge, at, finding};

/// Types that hold others and add nothing.
const HOLDS: [&str; 15] = [
    "Option",
    "Vec",
    "Box",
    "Arc",
    "Rc",
    "Cow",
    "HashSet",
    "BTreeSet",
    "VecDeque",
    "(tuple)",
    "NonEmpty",
    "SmallVec",
    "IndexSet",
    "Saturating",
    "Json",
];
const MAPS: [&str; 4] = ["HashMap", "BTreeMap", "IndexMap", "DashMap"];
const ANY: [&str; 4] = ["Value", "JsonObject", "JsonValue", "RawValue"];
/// Types of values that have no fields.
const PLAIN: [&str; 48] = [
    "String",
    "str",
    "bool",
    "char",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "f32",
    "f64",
    "Uuid",
    "Decimal",
    "BigDecimal",
    "DateTime",
    "NaiveDate",
    "NaiveDateTime",
    "NaiveTime",
    "Date",
    "Time",
    "OffsetDateTime",
    "PrimitiveDateTime",
    "Timestamp",
    "Zoned",
    "Duration",
    "Url",
    "PathBuf",
    "IpAddr",
    "Ipv4Addr",
    "Ipv6Addr",
    "NonZeroU8",
    "NonZeroU16",
    "NonZeroU32",
    "NonZeroU64",
    "NonZeroI32",
    "NonZeroI64",
    "NonZeroUsize",
    "Utc",
    "Local",
    "Bytes",
    "EmailAddress",
];

/// The walk over one tool's arguments.
pub(super) struct Walk<'a, 'j> {
    judge: &'j mut Judge<'a>,
    tool: &'j Tool,
    extra: &'j Extra,
    seen: HashSet<(String, String)>,
    /// The types that were looked at: file and name.
    pub(super) types: HashSet<(String, String)>,
    pub(super) told: usize,
}

/// What the type parameters of a type stand for.
type Given = HashMap<String, TypeName>;

impl<'a> Judge<'a> {
    pub(super) fn tools(&mut self) {
        let workspace = self.workspace;
        let mut walked = HashSet::new();
        for file in &workspace.files {
            let Some(schema) = self.schema(file.package) else {
                continue;
            };
            for tool in file.tools.iter().filter(|tool| !tool.test) {
                let mut walk = Walk::new(self, tool, &schema.extra);
                for field in &tool.arguments {
                    walk.field(file, field, "", &HashMap::new());
                }
                for ty in &tool.parameters {
                    walk.ty(file, ty, "", false, &HashMap::new());
                }
                walked.extend(walk.types);
                if walk.told == 0 {
                    let reason = format!("no argument of `{}` names a tenant", tool.name);
                    self.clear(at(file, &tool.span), reason);
                }
            }
        }
        self.by_hand(&mut walked);
        self.strayed(&walked);
    }
}

impl<'a, 'j> Walk<'a, 'j> {
    pub(super) fn new(judge: &'j mut Judge<'a>, tool: &'j Tool, extra: &'j Extra) -> Self {
        Self {
            judge,
            tool,
            extra,
            seen: HashSet::new(),
            types: HashSet::new(),
            told: 0,
        }
    }

    fn field(&mut self, file: &FileFacts, field: &Field, path: &str, given: &Given) {
        let shown = field.names.first().map_or("", String::as_str);
        let path = match (path, shown, field.flattened) {
            (path, _, true) | (path, "", false) => path.to_owned(),
            ("", shown, false) => shown.to_owned(),
            (path, shown, false) => format!("{path}.{shown}"),
        };
        let mut named = false;
        if !field.excused && !field.flattened {
            for name in &field.names {
                if let Some(found) = classify(name, self.extra) {
                    self.tenant(file, &field.span, &path, name, &found);
                    named = true;
                    break;
                }
            }
            let texts = field.ty.as_ref().is_none_or(is_text);
            for name in field.names.iter().filter(|_| texts && !field.open) {
                if let Some(found) = classify_sql(name) {
                    self.sql(file, &field.span, &path, found.tier, found.reason);
                    break;
                }
            }
        }
        let Some(ty) = &field.ty else {
            return;
        };
        let ty = &replaced(ty, given);
        if !named && !field.excused {
            self.type_named(file, ty, &path);
        }
        self.ty(file, ty, &path, field.open, given);
    }

    /// A type whose own name is a tenant's: `id: TenantId`.
    fn type_named(&mut self, file: &FileFacts, ty: &TypeName, path: &str) {
        let name = ty.path.last().cloned().unwrap_or_default();
        if HOLDS.contains(&name.as_str()) {
            return ty
                .arguments
                .iter()
                .for_each(|it| self.type_named(file, it, path));
        }
        let sure = classify(&name, self.extra).filter(|found| found.tier == Tier::First);
        // `Organization` may be a struct with honest fields; `OrganizationId` is an identifier.
        if let Some(found) = sure.filter(|_| name.ends_with("Id") || name.ends_with("ID")) {
            self.tenant(file, &ty.span, path, &name, &found);
        }
    }

    fn tenant(&mut self, file: &FileFacts, span: &Span, path: &str, name: &str, found: &Match) {
        self.told += 1;
        let tool = &self.tool.name;
        let place = match path {
            "" => String::new(),
            path => format!(" (`{path}`)"),
        };
        let told = match found.tier {
            Tier::First => finding(
                Code::TENANT_ARGUMENT,
                file,
                span,
                format!("the tool `{tool}` lets its caller name the tenant: `{name}`{place}"),
            )
            .note(format!("`{}`: {}", found.word, found.reason))
            .help(format!(
                "take `{name}` out, and take the tenant from the verified token of this request; a name that only sounds like one is excused by `[[not-tenant]]` in watertight.toml, with a reason"
            )),
            Tier::Second => finding(
                Code::TENANT_ARGUMENT,
                file,
                span,
                format!("the argument `{name}`{place} of the tool `{tool}` may name a tenant"),
            )
            .note(format!("`{}`: {}", found.word, found.reason))
            .level(Level::Low)
            .review(),
        };
        let told = told.about(format!("{tool} {path}"));
        self.judge.found(match self.tool.sure {
            true => told,
            false => told
                .note("a schema is made of it; whether a tool takes it can't be told")
                .review(),
        });
    }

    fn sql(&mut self, file: &FileFacts, span: &Span, path: &str, tier: Tier, reason: &str) {
        let tool = &self.tool.name;
        let told = finding(
            Code::SQL_ARGUMENT,
            file,
            span,
            format!("the tool `{tool}` takes SQL from its caller: `{path}`"),
        )
        .note(format!("it is called like {reason}"))
        .help("an argument for each thing that a caller may choose, and one literal for each statement")
        .about(format!("{tool} {path}"));
        let told = match tier {
            Tier::First => told,
            Tier::Second => told.level(Level::Low).review(),
        };
        self.judge.found(told);
    }

    pub(super) fn ty(
        &mut self,
        file: &FileFacts,
        ty: &TypeName,
        path: &str,
        open: bool,
        given: &Given,
    ) {
        let ty = &replaced(ty, given);
        let name = ty.path.last().cloned().unwrap_or_default();
        if HOLDS.contains(&name.as_str()) {
            return ty
                .arguments
                .iter()
                .for_each(|it| self.ty(file, it, path, open, given));
        }
        if PLAIN.contains(&name.as_str()) {
            return;
        }
        if MAPS.contains(&name.as_str()) || ANY.contains(&name.as_str()) {
            if !open {
                self.open(file, &ty.span, path);
            }
            if let Some(value) = ty.arguments.get(1) {
                self.ty(file, value, path, open, given);
            }
            return;
        }
        if !self.seen.insert((shown(ty), path.to_owned())) || self.seen.len() > 500 {
            return;
        }
        let shapes = self.judge.names.shapes(file, &ty.path);
        if shapes.is_empty() && !self.tool.ours {
            let tool = &self.tool.name;
            // A type parameter, or another crate's type.
            let told = finding(
                Code::UNSEEN,
                file,
                &ty.span,
                format!(
                    "`{name}`, which the tool `{tool}` takes, is not in this workspace, so its fields were not looked at"
                ),
            );
            self.told += 1;
            self.judge
                .found(told.about(format!("{tool} {name}")).review());
        }
        for (home, shape) in shapes {
            self.types.insert((home.shown.clone(), shape.name.clone()));
            let parameters = shape.generics.iter().cloned();
            let given: Given = parameters.zip(ty.arguments.iter().cloned()).collect();
            for (tag, span) in &shape.tags {
                if let Some(found) = classify(tag, self.extra) {
                    self.tenant(home, span, path, tag, &found);
                }
            }
            for field in &shape.fields {
                let mut field = field.clone();
                if shape.transparent {
                    field.names.clear();
                }
                self.field(home, &field, path, &given);
            }
        }
    }

    fn open(&mut self, file: &FileFacts, span: &Span, path: &str) {
        let tool = &self.tool.name;
        let place = match path {
            "" => "all of its arguments".to_owned(),
            path => format!("`{path}`"),
        };
        self.told += 1;
        let told = finding(
            Code::OPEN_ARGUMENT,
            file,
            span,
            format!(
                "the tool `{tool}` takes anything as {place}, so a caller may name a tenant there"
            ),
        )
        .help("a struct with the fields that are meant")
        .about(format!("{tool} {path}"));
        self.judge.found(told.review());
    }
}

/// A type with what its parameters stand for.
fn replaced(ty: &TypeName, given: &Given) -> TypeName {
    if let [name] = ty.path.as_slice()
        && let Some(found) = given.get(name)
    {
        return found.clone();
    }
    TypeName {
        arguments: ty.arguments.iter().map(|it| replaced(it, given)).collect(),
        ..ty.clone()
    }
}

/// A type as it is written.
fn shown(ty: &TypeName) -> String {
    let arguments: Vec<String> = ty.arguments.iter().map(shown).collect();
    format!("{}<{}>", ty.path.join("::"), arguments.join(","))
}

fn is_text(ty: &TypeName) -> bool {
    let name = ty.path.last().map(String::as_str).unwrap_or_default();
    matches!(name, "String" | "str") || HOLDS.contains(&name) && ty.arguments.iter().any(is_text)
}
