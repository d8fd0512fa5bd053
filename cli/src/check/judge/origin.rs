//! Where a bound tenant comes from: an argument of a tool is the caller's choice, also through functions.

use std::collections::{HashMap, HashSet};

use watertight_analysis::Code;

use super::super::facts::{FileFacts, Function, Origin};
use super::statements::{Placed, key, one_line};
use super::{Judge, finding};

/// Whether an argument of a tool gave a value.
pub(super) fn by_caller(
    origin: Origin,
    file: &FileFacts,
    function: Option<&Function>,
    callers: &Callers,
) -> bool {
    match origin {
        Origin::Caller => true,
        Origin::Parameter(at) => function.is_some_and(|function| {
            callers
                .get(&(file.package, function.name.clone()))
                .is_some_and(|positions| positions.contains(&at))
        }),
        Origin::Other => false,
    }
}

/// The parameters of functions that receive arguments of tools, by package and name.
pub(super) type Callers = HashMap<(usize, String), HashSet<usize>>;

impl Judge<'_> {
    /// Tells where the tenant of a filter is an argument of a tool.
    pub(super) fn caller_chooses(
        &mut self,
        place: &Placed<'_>,
        sql: &str,
        tenant: &[u32],
        callers: &Callers,
    ) -> bool {
        let statement = place.statement;
        let Some(binds) = place.binds() else {
            return false;
        };
        let function = statement
            .function
            .and_then(|at| place.file.functions.get(at));
        let chosen = tenant.iter().find_map(|number| {
            let bind = binds.get(usize::try_from(*number).ok()?.checked_sub(1)?)?;
            by_caller(bind.origin, place.file, function, callers).then(|| bind.clone())
        });
        let Some(bind) = chosen else {
            return false;
        };
        let told = finding(
            Code::CALLER_TENANT,
            place.file,
            &bind.span,
            "the tenant of this statement is an argument of a tool, so the caller chooses whose rows it reaches",
        )
        .note(format!("the statement: {}", one_line(sql)))
        .help("take the tenant from the verified token of this request")
        .about(key(sql));
        self.found(told);
        true
    }

    /// The parameters of functions that receive arguments of tools, by package and name.
    pub(super) fn callers(&self) -> Callers {
        let mut reached: Callers = HashMap::new();
        loop {
            let before: usize = reached.values().map(HashSet::len).sum();
            for file in &self.workspace.files {
                for function in file.functions.iter().filter(|it| !it.test) {
                    let own = reached
                        .get(&(file.package, function.name.clone()))
                        .cloned()
                        .unwrap_or_default();
                    for call in &function.calls {
                        for (at, origin) in call.arguments.iter().enumerate() {
                            let by_caller = match origin {
                                Origin::Caller => true,
                                Origin::Parameter(position) => own.contains(position),
                                Origin::Other => false,
                            };
                            if by_caller {
                                let key = (file.package, call.name.clone());
                                reached.entry(key).or_default().insert(at);
                            }
                        }
                    }
                }
            }
            if reached.values().map(HashSet::len).sum::<usize>() == before {
                return reached;
            }
        }
    }
}
