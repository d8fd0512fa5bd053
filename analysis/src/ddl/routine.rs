//! Lowers functions, aggregates, operators, types, casts, triggers and rules.

use rupg_sql::nodes::{
    AlterDomainStmt, AlterDomainType, AlterFunctionStmt, CmdType, CoercionContext,
    CompositeTypeStmt, CreateCastStmt, CreateDomainStmt, CreateFunctionStmt, CreateTrigStmt,
    DefElem, DefineStmt, FunctionParameterMode, List, Node, ObjectType, RuleStmt, VariableSetKind,
    VariableSetStmt,
};

use super::bridge::Lowering;
use super::ir::{
    BodySpec, CreateFunction, CreateRule, CreateTrigger, Ddl, FunctionChanges, NewType, Object,
};
use super::nodes;
use crate::catalog::{Argument, ArgumentMode, Command, FunctionKind, TriggerTiming, Volatility};
use crate::ir;

pub(super) fn function(stmt: &CreateFunctionStmt, lowering: &Lowering<'_>) -> Option<Ddl> {
    let mut arguments = Vec::new();
    for node in &stmt.parameters {
        let Some(Node::FunctionParameter(parameter)) = node else {
            return None;
        };
        let mode = match parameter.mode {
            FunctionParameterMode::FUNC_PARAM_OUT => ArgumentMode::Out,
            FunctionParameterMode::FUNC_PARAM_INOUT => ArgumentMode::InOut,
            FunctionParameterMode::FUNC_PARAM_VARIADIC => ArgumentMode::Variadic,
            FunctionParameterMode::FUNC_PARAM_TABLE => ArgumentMode::Table,
            _ => ArgumentMode::In,
        };
        arguments.push(Argument {
            name: parameter.name.as_deref().map(str::to_owned),
            ty: any_type(parameter.argType.as_deref()?)?,
            mode,
            has_default: parameter.defexpr.is_some(),
            default: parameter
                .defexpr
                .as_ref()
                .and_then(|node| lowering.expr(node).ok()),
        });
    }
    let mut changes = FunctionChanges::default();
    let mut language = None;
    let mut text: Option<&List> = None;
    for option in nodes::options(&stmt.options) {
        match option.defname.as_deref() {
            Some("language") => language = option.arg.as_ref().and_then(nodes::constant),
            Some("as") => {
                if let Some(Node::List(list)) = &option.arg {
                    text = Some(list);
                }
            }
            // Windowing, cost, rows, parallel safety, support functions and transforms.
            Some("window" | "transform") => {}
            _ => change(option, &mut changes),
        }
    }
    let standard = stmt.sql_body.is_some();
    let language = language.unwrap_or_else(|| "sql".to_owned()).to_lowercase();
    let body = match (&stmt.sql_body, text.map(Vec::as_slice)) {
        (Some(body), _) => BodySpec::Standard(lowering.standard_body(body)),
        (None, Some([Some(Node::String(text))])) if language == "sql" => BodySpec::Text {
            text: text.to_string(),
            sql: Some(lowering.string_body(text)),
        },
        (None, Some([Some(Node::String(text))])) if language != "c" && language != "internal" => {
            BodySpec::Text {
                text: text.to_string(),
                sql: None,
            }
        }
        _ => BodySpec::Native(language.clone()),
    };
    let _ = standard;
    Some(Ddl::CreateFunction(Box::new(CreateFunction {
        name: nodes::list_reference(&stmt.funcname)?,
        kind: if stmt.is_procedure {
            FunctionKind::Procedure
        } else {
            FunctionKind::Function
        },
        replace: stmt.replace,
        returns_set: stmt.returnType.as_deref().is_some_and(|ty| ty.setof)
            || arguments
                .iter()
                .any(|argument| argument.mode == ArgumentMode::Table),
        arguments,
        returns: match stmt.returnType.as_deref() {
            Some(ty) => Some(any_type(ty)?),
            None => None,
        },
        language,
        changes,
        body,
    })))
}

/// A type of a function's signature; `column%TYPE` is kept as an unknown type.
fn any_type(ty: &rupg_sql::nodes::TypeName) -> Option<ir::TypeName> {
    nodes::type_name(ty).or_else(|| {
        let mut parts = nodes::strings(&ty.names)?;
        parts.push("%type".to_owned());
        Some(ir::TypeName {
            name: ir::Name { parts, span: 0..0 },
            modifiers: Vec::new(),
            dimensions: 0,
            set_of: ty.setof,
        })
    })
}

pub(super) fn alter_function(stmt: &AlterFunctionStmt) -> Option<Ddl> {
    let object = stmt.func.as_deref()?;
    let mut changes = FunctionChanges::default();
    for option in nodes::options(&stmt.actions) {
        change(option, &mut changes);
    }
    Some(Ddl::AlterFunction {
        object: Object {
            name: nodes::list_reference(&object.objname)?,
            table: None,
            arguments: nodes::argument_types(object),
        },
        changes,
    })
}

fn change(option: &DefElem, changes: &mut FunctionChanges) {
    let flag = || {
        option
            .arg
            .as_ref()
            .and_then(nodes::constant)
            .map(|text| text == "true" || text == "1")
    };
    match option.defname.as_deref() {
        Some("security") => match flag() {
            Some(value) => changes.security_definer = Some(value),
            None => changes.unknown = true,
        },
        Some("volatility") => match option.arg.as_ref().and_then(nodes::constant).as_deref() {
            Some("immutable") => changes.volatility = Some(Volatility::Immutable),
            Some("stable") => changes.volatility = Some(Volatility::Stable),
            Some("volatile") => changes.volatility = Some(Volatility::Volatile),
            _ => changes.unknown = true,
        },
        Some("strict") => match flag() {
            Some(value) => changes.strict = Some(value),
            None => changes.unknown = true,
        },
        Some("set") => match &option.arg {
            Some(Node::VariableSetStmt(set)) => setting(set, changes),
            _ => changes.unknown = true,
        },
        Some("leakproof") => match flag() {
            Some(value) => changes.leakproof = Some(value),
            None => changes.unknown = true,
        },
        Some("cost" | "rows" | "support" | "parallel") => {}
        _ => changes.unknown = true,
    }
}

fn setting(set: &VariableSetStmt, changes: &mut FunctionChanges) {
    let name = set.name.as_deref().unwrap_or_default().to_lowercase();
    match set.kind {
        VariableSetKind::VAR_RESET_ALL => changes.reset_all = true,
        VariableSetKind::VAR_RESET | VariableSetKind::VAR_SET_DEFAULT => changes.reset.push(name),
        VariableSetKind::VAR_SET_VALUE => {
            let values: Option<Vec<String>> = set
                .args
                .iter()
                .map(|node| node.as_ref().and_then(nodes::constant))
                .collect();
            changes
                .set
                .push((name, values.map(|values| values.join(", "))));
        }
        _ => changes.set.push((name, None)),
    }
}

pub(super) fn define(stmt: &DefineStmt) -> Option<Ddl> {
    use ObjectType as Ot;
    let option = |name: &str| {
        nodes::options(&stmt.definition)
            .filter(|option| option.defname.as_deref() == Some(name))
            .last()
    };
    let ty = |name: &str| match option(name).and_then(|option| option.arg.as_ref()) {
        Some(Node::TypeName(ty)) => nodes::type_name(ty),
        _ => None,
    };
    let name = nodes::list_reference(&stmt.defnames)?;
    Some(match stmt.kind {
        Ot::OBJECT_OPERATOR => Ddl::CreateOperator {
            name,
            left: ty("leftarg"),
            right: ty("rightarg"),
            function: ["function", "procedure"]
                .iter()
                .find_map(|key| match &option(key)?.arg {
                    Some(Node::TypeName(ty)) => nodes::strings(&ty.names)?.pop(),
                    Some(Node::List(list)) => nodes::strings(list)?.pop(),
                    Some(Node::String(text)) => Some(text.to_string()),
                    _ => None,
                }),
        },
        Ot::OBJECT_TYPE => Ddl::CreateType {
            name,
            kind: NewType::Base,
            collation: None,
        },
        Ot::OBJECT_COLLATION => Ddl::CreateCollation {
            name,
            deterministic: match option("deterministic") {
                Some(option) => nodes::boolean(option).unwrap_or(false),
                // A copy of another collation, or of a locale, is as deterministic as that one.
                None => option("from").is_none(),
            },
        },
        Ot::OBJECT_AGGREGATE => aggregate(stmt, name),
        Ot::OBJECT_TSPARSER
        | Ot::OBJECT_TSDICTIONARY
        | Ot::OBJECT_TSTEMPLATE
        | Ot::OBJECT_TSCONFIGURATION => Ddl::Harmless,
        _ => return None,
    })
}

fn aggregate(stmt: &DefineStmt, name: super::ir::Ref) -> Ddl {
    // The arguments of the new style are a list of parameters and a count; the old style has none.
    let parameters = match stmt.args.first() {
        Some(Some(Node::List(list))) => list.as_slice(),
        _ => &[],
    };
    let arguments = parameters
        .iter()
        .filter_map(|node| match node {
            Some(Node::FunctionParameter(parameter)) => Some(Argument {
                name: parameter.name.as_deref().map(str::to_owned),
                ty: any_type(parameter.argType.as_deref()?)?,
                mode: ArgumentMode::In,
                has_default: false,
                default: None,
            }),
            _ => None,
        })
        .collect();
    Ddl::CreateFunction(Box::new(CreateFunction {
        name,
        kind: FunctionKind::Aggregate,
        replace: stmt.replace,
        arguments,
        returns: None,
        returns_set: false,
        language: "internal".to_owned(),
        changes: FunctionChanges::default(),
        body: BodySpec::Native("aggregate".to_owned()),
    }))
}

pub(super) fn domain(stmt: &CreateDomainStmt, lowering: &Lowering<'_>) -> Option<Ddl> {
    let expressions = stmt
        .constraints
        .iter()
        .filter_map(|node| match node {
            Some(Node::Constraint(constraint)) => constraint.raw_expr.as_ref(),
            _ => None,
        })
        .map(|expr| lowering.expr(expr).ok())
        .collect();
    Some(Ddl::CreateType {
        name: nodes::list_reference(&stmt.domainname)?,
        kind: NewType::Domain {
            base: nodes::type_name(stmt.typeName.as_deref()?)?,
            expressions,
        },
        collation: stmt
            .collClause
            .as_deref()
            .and_then(|clause| nodes::list_reference(&clause.collname)),
    })
}

pub(super) fn alter_domain(stmt: &AlterDomainStmt, lowering: &Lowering<'_>) -> Option<Ddl> {
    let name = nodes::list_reference(&stmt.typeName)?;
    let check = match (stmt.subtype, &stmt.def) {
        (AlterDomainType::AD_AlterDefault, Some(expr)) => Some(lowering.expr(expr)),
        (AlterDomainType::AD_AddConstraint, Some(Node::Constraint(constraint))) => {
            constraint.raw_expr.as_ref().map(|expr| lowering.expr(expr))
        }
        _ => None,
    };
    Some(Ddl::AlterDomain { name, check })
}

pub(super) fn composite(stmt: &CompositeTypeStmt) -> Option<Ddl> {
    let fields = stmt
        .coldeflist
        .iter()
        .map(|node| match node {
            Some(Node::ColumnDef(column)) => Some((
                column.colname.as_deref()?.to_owned(),
                nodes::type_name(column.typeName.as_deref()?)?,
            )),
            _ => None,
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Ddl::CreateType {
        name: nodes::relation(stmt.typevar.as_deref())?,
        kind: NewType::Composite(fields),
        collation: None,
    })
}

pub(super) fn cast(stmt: &CreateCastStmt) -> Option<Ddl> {
    Some(Ddl::CreateCast {
        source: nodes::type_name(stmt.sourcetype.as_deref()?)?,
        target: nodes::type_name(stmt.targettype.as_deref()?)?,
        implicit: stmt.context != CoercionContext::COERCION_EXPLICIT,
        function: stmt
            .func
            .as_deref()
            .and_then(|func| nodes::strings(&func.objname)?.pop()),
    })
}

pub(super) fn trigger(stmt: &CreateTrigStmt, lowering: &Lowering<'_>) -> Option<Ddl> {
    // The bits of pg_trigger.h.
    let event = |bit: i16| stmt.events & (1 << bit) != 0;
    let mut commands = Vec::new();
    for (bit, command) in [
        (2, Command::Insert),
        (3, Command::Delete),
        (4, Command::Update),
    ] {
        if event(bit) {
            commands.push(command);
        }
    }
    let timing = match stmt.timing {
        2 => TriggerTiming::Before,
        64 => TriggerTiming::InsteadOf,
        _ => TriggerTiming::After,
    };
    Some(Ddl::CreateTrigger(Box::new(CreateTrigger {
        name: stmt.trigname.as_deref()?.to_owned(),
        replace: stmt.replace,
        table: nodes::relation(stmt.relation.as_deref())?,
        timing,
        commands,
        row: stmt.row,
        function: ir::Name {
            parts: nodes::strings(&stmt.funcname)?,
            span: 0..0,
        },
        condition: stmt.whenClause.as_ref().map(|node| lowering.expr(node)),
    })))
}

pub(super) fn rule(stmt: &RuleStmt) -> Option<Ddl> {
    let command = match stmt.event {
        CmdType::CMD_SELECT => Command::Select,
        CmdType::CMD_INSERT => Command::Insert,
        CmdType::CMD_UPDATE => Command::Update,
        CmdType::CMD_DELETE => Command::Delete,
        _ => return None,
    };
    Some(Ddl::CreateRule(Box::new(CreateRule {
        name: stmt.rulename.as_deref()?.to_owned(),
        table: nodes::relation(stmt.relation.as_deref())?,
        command,
        instead: stmt.instead,
        nothing: stmt.actions.is_empty(),
        replace: stmt.replace,
    })))
}
