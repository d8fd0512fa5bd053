//! Parameters of a declared statement against the arguments of its function.
//!
//! Every parameter is an argument and every argument is used, over all the statements that the
//! function's choices make. A slip of the fingers is one mistake, told once.

use syn::Ident;
use syn::ext::IdentExt as _;
use watertight_analysis::catalog::distance;
use watertight_analysis::diagnostic::{Code, Diagnostic};
use watertight_analysis::prepare::Prepared;

use super::judge::{Text, about_parameter};
use crate::errors::Errors;

/// The arguments behind the scope, and which of them any statement used so far.
pub(super) struct Arguments<'a> {
    names: Vec<&'a Ident>,
    used: Vec<bool>,
    named: bool,
    /// Parameters that were refused already: choices repeat most of a statement.
    told: Vec<String>,
}

impl<'a> Arguments<'a> {
    pub(super) fn new(names: Vec<&'a Ident>) -> Self {
        Self {
            used: vec![false; names.len()],
            names,
            named: true,
            told: Vec::new(),
        }
    }

    /// The argument of this name, which is used from now on.
    pub(super) fn take(&mut self, name: &str) -> Option<(usize, &'a Ident)> {
        let index = self.names.iter().position(|it| it.unraw() == name)?;
        self.mark(index);
        Some((index, self.names.get(index)?))
    }

    fn mark(&mut self, index: usize) {
        if let Some(used) = self.used.get_mut(index) {
            *used = true;
        }
    }

    /// What a problem says of a parameter is said: `$tenant_id comes from the caller` is not told
    /// again as a parameter without an argument.
    pub(super) fn excuse(&mut self, problems: &[Diagnostic]) {
        let of_the_tenant = [
            Code::CALLER_TENANT,
            Code::FOREIGN_WRITE,
            Code::TENANT_ASSIGNED,
        ];
        for problem in problems
            .iter()
            .filter(|it| of_the_tenant.contains(&it.code))
        {
            let names = problem.message.split("`$").skip(1);
            let names = names.filter_map(|rest| rest.split('`').next());
            self.told.extend(names.map(str::to_owned));
        }
    }

    /// The arguments of one statement, in the order of its parameters' numbers.
    pub(super) fn bind(
        &mut self,
        text: &Text,
        prepared: &Prepared,
        errors: &mut Errors,
    ) -> Option<Vec<&'a Ident>> {
        let mut bound = Vec::new();
        for parameter in &prepared.parameters {
            let index = match &parameter.name {
                Some(name) => self.names.iter().position(|it| it.unraw() == name),
                None => {
                    self.named = false;
                    usize::try_from(parameter.number)
                        .ok()
                        .and_then(|number| number.checked_sub(1))
                }
            };
            match index.and_then(|index| Some((index, *self.names.get(index)?))) {
                Some((index, argument)) => {
                    self.mark(index);
                    bound.push(argument);
                }
                None => self.unknown(text, parameter.number, parameter.name.as_deref(), errors),
            }
        }
        (bound.len() == prepared.parameters.len()).then_some(bound)
    }

    /// Refuses a parameter without an argument; the argument that was meant counts as used.
    fn unknown(&mut self, text: &Text, number: u32, name: Option<&str>, errors: &mut Errors) {
        let shown = name.map_or_else(|| number.to_string(), str::to_owned);
        if self.told.contains(&shown) {
            return;
        }
        let (message, help) = match name {
            None => (
                format!(
                    "`${number}` has no argument: the function has {} behind the scope",
                    self.names.len()
                ),
                ADD_OR_NAME.to_owned(),
            ),
            Some(name) => {
                let meant = closest(name, &self.names);
                if let Some(meant) = meant {
                    self.mark(meant);
                }
                let help = match meant.and_then(|meant| self.names.get(meant)) {
                    Some(meant) => {
                        format!("write `${}`, or add an argument `{name}`", meant.unraw())
                    }
                    None => format!("add an argument `{name}` to the function"),
                };
                (
                    format!("`${name}` is not an argument of the function"),
                    help,
                )
            }
        };
        text.refuse(
            &about_parameter(&text.source, &shown, message, help),
            errors,
        );
        self.told.push(shown);
    }

    /// Refuses the arguments that no statement uses.
    pub(super) fn refuse_unused(&self, errors: &mut Errors) {
        for (argument, _) in self
            .names
            .iter()
            .zip(&self.used)
            .filter(|(_, used)| !**used)
        {
            let name = argument.unraw();
            if self.named && name == "tenant" {
                errors.push(
                    argument,
                    "`$tenant` is the session's tenant, which the executor binds, and no argument\n\
                     help: remove the argument",
                );
                continue;
            }
            let help = if self.named {
                format!("use it as `${name}`, or remove it")
            } else {
                "parameters count the arguments behind the scope from `$1`; use it or remove it"
                    .to_owned()
            };
            errors.push(
                argument,
                format!("the statement does not use the argument `{name}`\nhelp: {help}"),
            );
        }
    }
}

const ADD_OR_NAME: &str = "add an argument, or name the parameters: `$plan` is the argument \
`plan`, `$tenant` the session's tenant";

/// The position of the nearest argument, if it is near enough to be a slip of the fingers.
fn closest(name: &str, arguments: &[&Ident]) -> Option<usize> {
    arguments
        .iter()
        .map(|argument| argument.unraw().to_string())
        .enumerate()
        .map(|(index, argument)| (distance(name, &argument), argument.len(), index))
        .filter(|(distance, length, _)| *distance <= 1 + length / 4)
        .min()
        .map(|(_, _, index)| index)
}
