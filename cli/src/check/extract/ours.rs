//! What our own macros say of the statements of a file: they are expanded as the compiler would.

use watertight_syntax::project::Files;
use watertight_syntax::query::examine;
use watertight_syntax::scan::Source;

use super::super::facts::{Exception, Judged, Verdict};
use watertight_analysis::prove::Grade;
use watertight_syntax::query::Question;

/// Judges every call of our macros in a file, and lists its exceptions. `test` are the places that
/// are built for tests only.
pub(crate) fn judged(
    source: &Source,
    files: &dyn Files,
    test: &dyn Fn(usize) -> bool,
) -> (Vec<Judged>, Vec<Exception>) {
    let (mut judged, mut exceptions) = (Vec::new(), Vec::new());
    for call in &source.calls {
        let place = call.span.byte_range();
        let examined = examine(call.kind, call.arguments.clone(), call.item.clone(), files);
        let test = test(place.start);
        for error in &examined.errors {
            let span = error.span().byte_range();
            judged.push(Judged {
                function: call.path.join("::"),
                span: if span.is_empty() { place.clone() } else { span },
                verdict: Verdict::Refused(error.to_string()),
                carries: false,
                test,
            });
        }
        for one in examined.judged {
            let mut path = call.path.clone();
            path.push(one.function.clone());
            let name = path.join("::");
            let mut except = |rule: &str, reason: &str| {
                exceptions.push(Exception {
                    rule: rule.to_owned(),
                    place: name.clone(),
                    reason: reason.to_owned(),
                    span: place.clone(),
                    test,
                });
            };
            match &one.question {
                Question::Tenant => {}
                Question::Unproved { reason } => except("unproved!", reason),
                Question::System { role, reason, .. } => {
                    except(&format!("system_query, as `{role}`"), reason);
                }
            }
            if let Some(reason) = &one.returns_tenant {
                except("returns_tenant", reason);
            }
            if let Some(proof) = &one.proof {
                let mut columns = proof.columns.iter().flatten();
                let carries = one.returns_tenant.is_none()
                    && columns.any(|column| column.star && column.from_tenant);
                judged.push(Judged {
                    function: name,
                    span: place.clone(),
                    verdict: Verdict::Proved(match proof.grade {
                        Grade::Rls => "row-level security",
                        Grade::Predicate => "its own filter",
                    }),
                    carries,
                    test,
                });
            }
        }
    }
    (judged, exceptions)
}
