//! What a generic input type demands of its parameters: `ToolInput` of those whose values it holds,
//! and of the associated types that it names. A parameter that only marks a type (in `PhantomData`)
//! or only stands in fields that are not read demands nothing.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::visit::Visit;
use syn::{Generics, Ident, Type, TypePath, parse_quote};

use super::model::{Field, Input, Reading};

/// The type's generics with these demands. What else the parameters must be for serde to read the
/// type is serde's to say (`default` asks for more than `ToolInput`), so a generic type is an input
/// where it can be read.
pub(super) fn bounded(input: &Input, krate: &TokenStream) -> Generics {
    let mut generics = input.generics.clone();
    let mut uses = Uses {
        parameters: generics.type_params().map(|it| it.ident.clone()).collect(),
        found: Vec::new(),
    };
    let judged = input.fields.iter().filter(|field| is_judged(field));
    for field in judged {
        let from = uses.found.len();
        uses.visit_type(&field.ty);
        let demanded = match field.open {
            Some(_) => quote!(#krate::__private::OpenInput),
            None => quote!(#krate::ToolInput),
        };
        for ty in uses.found.get(from..).into_iter().flatten() {
            demand(&mut generics, ty, &demanded);
        }
    }
    let lifetimes: Vec<_> = generics.lifetimes().map(|it| it.lifetime.clone()).collect();
    let generic = generics.type_params().next().is_some();
    if generic || !lifetimes.is_empty() {
        let clause = generics.make_where_clause();
        for lifetime in lifetimes {
            clause.predicates.push(parse_quote!(#lifetime: 'static));
        }
        clause
            .predicates
            .push(parse_quote!(Self: #krate::__private::Readable));
    }
    generics
}

fn is_judged(field: &Field) -> bool {
    matches!(field.reading, Reading::Own)
}

/// A parameter gets a bound where it is declared, another type a predicate.
fn demand(generics: &mut Generics, ty: &TypePath, demanded: &TokenStream) {
    let parameter = generics
        .type_params_mut()
        .find(|parameter| ty.qself.is_none() && ty.path.is_ident(&parameter.ident));
    let text = demanded.to_string();
    match parameter {
        Some(parameter) => {
            let known = parameter
                .bounds
                .iter()
                .any(|it| it.to_token_stream().to_string() == text);
            if !known {
                parameter.bounds.push(parse_quote!(#demanded));
            }
        }
        None => generics
            .make_where_clause()
            .predicates
            .push(parse_quote!(#ty: #demanded)),
    }
}

/// The parameters, and the associated types of parameters, that a type holds values of.
struct Uses {
    parameters: Vec<Ident>,
    found: Vec<TypePath>,
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_type_path(&mut self, path: &'ast TypePath) {
        if let Some(last) = path.path.segments.last()
            && last.ident == "PhantomData"
        {
            return;
        }
        let first = path.path.segments.first().map(|it| &it.ident);
        let of_parameter = match &path.qself {
            Some(qself) => mentions(&qself.ty, &self.parameters),
            None => first.is_some_and(|first| self.parameters.contains(first)),
        };
        if of_parameter {
            self.found.push(path.clone());
            return;
        }
        syn::visit::visit_type_path(self, path);
    }
}

fn mentions(ty: &Type, parameters: &[Ident]) -> bool {
    match ty {
        Type::Path(path) => path
            .path
            .segments
            .first()
            .is_some_and(|first| parameters.contains(&first.ident)),
        Type::Group(group) => mentions(&group.elem, parameters),
        Type::Paren(paren) => mentions(&paren.elem, parameters),
        _ => false,
    }
}
