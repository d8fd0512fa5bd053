//! Tools without a macro: what is read out of a call's arguments by hand, schemas that are written as
//! JSON, and types that describe themselves where no tool is seen to take them.

use std::collections::{HashMap, HashSet};

use watertight_analysis::Code;
use watertight_analysis::finding::Level;
use watertight_analysis::schema_walk::{self, Rule};
use watertight_analysis::words::{Extra, Tier, classify};

use super::super::extract::schemas;
use super::super::facts::{FileFacts, Read, Reading, Schema, Span, Tool};
use super::origin::Callers;
use super::tools::Walk;
use super::{Judge, at, finding};

impl Judge<'_> {
    /// `walked` are the types that tools take: file and name.
    pub(super) fn by_hand(&mut self, walked: &mut HashSet<(String, String)>) {
        let workspace = self.workspace;
        let callers = self.callers();
        for file in &workspace.files {
            let Some(schema) = self.schema(file.package) else {
                continue;
            };
            let extra = schema.extra.clone();
            let of_tool = workspace
                .files
                .iter()
                .any(|it| it.package == file.package && !it.test && it.makes_tools);
            for written in file.schemas.iter().filter(|written| !written.test) {
                self.schema_by_hand(file, written, of_tool, &extra);
            }
            for (path, span) in file.included.iter().filter(|_| !file.test) {
                let folder = file.path.parent().unwrap_or(&workspace.root);
                let text = crate::project::read(&folder.join(path)).unwrap_or_default();
                let value = serde_json::from_str(&text).unwrap_or_default();
                for schema in schemas(&value) {
                    let written = Schema {
                        value: schema.clone(),
                        span: span.clone(),
                        names: Vec::new(),
                        test: false,
                    };
                    self.schema_by_hand(file, &written, of_tool, &extra);
                }
            }
            let mut told = HashSet::new();
            for reading in file.readings.iter().filter(|it| !it.test) {
                if is_callers(file, reading, &callers) {
                    self.reading(file, reading, &extra, walked, &mut told);
                }
            }
            for span in file.handlers.iter().filter(|_| told.is_empty()) {
                let reason = "no tenant is read from the arguments of a call";
                self.clear(at(file, span), reason);
            }
        }
    }

    fn reading(
        &mut self,
        file: &FileFacts,
        reading: &Reading,
        extra: &Extra,
        walked: &mut HashSet<(String, String)>,
        told: &mut HashSet<String>,
    ) {
        let of = match &reading.tool {
            Some(tool) => format!("the tool `{tool}`"),
            None => "a tool".to_owned(),
        };
        match &reading.of {
            Read::Key(name) => {
                let last = name.rsplit('.').next().unwrap_or(name);
                let Some(found) = classify(last, extra) else {
                    return;
                };
                if !told.insert(format!("{of} {name}")) {
                    return;
                }
                let sure = found.tier == Tier::First;
                let message = match sure {
                    true => format!(
                        "{of} lets its caller name the tenant: `{name}` is read from its arguments"
                    ),
                    false => {
                        format!("`{name}`, which {of} reads from its arguments, may name a tenant")
                    }
                };
                let made = finding(Code::TENANT_ARGUMENT, file, &reading.span, message)
                    .note(format!("`{}`: {}", found.word, found.reason))
                    .help("take the tenant from the verified token of this request")
                    .about(format!("{of} {name}"));
                self.found(match sure {
                    true => made,
                    false => made.level(Level::Low).review(),
                });
            }
            Read::Type(ty) => {
                let name = ty.path.last().cloned().unwrap_or_default();
                if self.names.shapes(file, &ty.path).is_empty() {
                    return;
                }
                let tool = Tool {
                    name: reading.tool.clone().unwrap_or(name),
                    span: reading.span.clone(),
                    ours: true,
                    arguments: Vec::new(),
                    parameters: Vec::new(),
                    sure: true,
                    test: false,
                };
                let mut walk = Walk::new(self, &tool, extra);
                walk.ty(file, ty, "", false, &HashMap::new());
                let (types, found) = (walk.types, walk.told);
                walked.extend(types);
                if found > 0 {
                    told.insert(format!("{of} {:?}", ty.path));
                }
            }
        }
    }

    fn schema_by_hand(&mut self, file: &FileFacts, schema: &Schema, of_tool: bool, extra: &Extra) {
        for found in schema_walk::walk(&schema.value, extra, &|_| false) {
            let code = match found.rule {
                Rule::TenantName | Rule::AmbiguousName | Rule::Header => Code::TENANT_ARGUMENT,
                Rule::RawSql => Code::SQL_ARGUMENT,
                _ => continue,
            };
            let written = schema.names.iter().find(|(name, _)| *name == found.name);
            let span: &Span = written.map_or(&schema.span, |(_, span)| span);
            let told = finding(
                code,
                file,
                span,
                format!("a schema written by hand: {}", found.message),
            )
            .about(found.path.clone())
            .help("take the property out, and the tenant from the verified token of the request");
            let sure = of_tool && found.rule != Rule::AmbiguousName;
            self.found(match (sure, found.rule) {
                (true, _) => told,
                (false, Rule::AmbiguousName) => told.level(Level::Low).review(),
                (false, _) => told.review(),
            });
        }
    }

    /// Types that describe themselves as the arguments of a tool do, where no tool is seen to take them.
    pub(super) fn strayed(&mut self, walked: &HashSet<(String, String)>) {
        let workspace = self.workspace;
        for file in workspace.files.iter().filter(|file| !file.test) {
            let Some(schema) = self.schema(file.package) else {
                continue;
            };
            let extra = schema.extra.clone();
            for shape in file.shapes.iter().filter(|it| it.described && !it.test) {
                if walked.contains(&(file.shown.clone(), shape.name.clone())) {
                    continue;
                }
                let named = shape
                    .fields
                    .iter()
                    .filter(|it| !it.excused)
                    .find_map(|field| {
                        let name = field.names.iter().find(|name| {
                            classify(name, &extra).is_some_and(|it| it.tier == Tier::First)
                        })?;
                        Some((name, field))
                    });
                if let Some((name, field)) = named {
                    let told = finding(
                        Code::TENANT_ARGUMENT,
                        file,
                        &field.span,
                        format!(
                            "`{}` is read from outside, has a schema and names a tenant: `{name}`; which tool takes it can't be seen",
                            shape.name
                        ),
                    )
                    .help("if a tool takes it: take the name out, and take the tenant from the verified token of the request")
                    .about(format!("{} {name}", shape.name))
                    .level(Level::Low);
                    self.found(told.review());
                }
            }
        }
    }
}

fn is_callers(file: &FileFacts, reading: &Reading, callers: &Callers) -> bool {
    let function = reading.function.and_then(|at| file.functions.get(at));
    super::origin::by_caller(reading.origin, file, function, callers)
}
