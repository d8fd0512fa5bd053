//! Names across the modules of a workspace: what a path stands for, through `use … as …` and
//! re-exports, and the type that a path names.

use std::collections::HashMap;

use super::super::facts::{FileFacts, Import, Shape};
use super::super::sources::Workspace;

/// How many re-exports are followed.
const STEPS: usize = 12;

/// A type with its package, module and file.
type Known<'a> = (usize, Vec<String>, &'a FileFacts, &'a Shape);

/// What the modules of a workspace bring into view.
pub(super) struct Names<'a> {
    workspace: &'a Workspace,
    /// The imports of a module, by its package and path.
    imports: HashMap<(usize, Vec<String>), Vec<&'a Import>>,
    /// Types by their last name: package, module, file, type.
    shapes: HashMap<&'a str, Vec<Known<'a>>>,
    /// The packages by the name of their library.
    libraries: HashMap<String, usize>,
}

impl<'a> Names<'a> {
    pub(super) fn new(workspace: &'a Workspace) -> Self {
        let mut imports: HashMap<(usize, Vec<String>), Vec<&Import>> = HashMap::new();
        let mut shapes: HashMap<&str, Vec<_>> = HashMap::new();
        for file in &workspace.files {
            for import in &file.imports {
                let mut module = file.module.clone();
                module.extend(import.within.iter().cloned());
                imports
                    .entry((file.package, module))
                    .or_default()
                    .push(import);
            }
            for shape in &file.shapes {
                let mut module = file.module.clone();
                module.extend(shape.within.iter().cloned());
                shapes.entry(shape.name.as_str()).or_default().push((
                    file.package,
                    module,
                    file,
                    shape,
                ));
            }
        }
        let packages = workspace.packages.iter().enumerate();
        let libraries = packages
            .map(|(at, package)| (package.name.replace('-', "_"), at))
            .collect();
        Self {
            workspace,
            imports,
            shapes,
            libraries,
        }
    }

    /// A path as a crate of its own has it: `["sqlx", "query"]`.
    pub(super) fn absolute(&self, file: &FileFacts, path: &[String]) -> Vec<String> {
        let mut package = file.package;
        let mut module = file.module.clone();
        let mut path = path.to_vec();
        for _ in 0..STEPS {
            let root = match path.first().map(String::as_str) {
                Some("crate" | "$crate") => {
                    path.remove(0);
                    module.iter().take(1).cloned().collect()
                }
                Some("self") => {
                    path.remove(0);
                    module.clone()
                }
                Some("super") => {
                    let mut up = module.clone();
                    while path.first().is_some_and(|it| it == "super") {
                        path.remove(0);
                        up.pop();
                    }
                    up
                }
                Some(first) => match self.libraries.get(first) {
                    // Another package of the workspace.
                    Some(other) if path.len() > 1 && *other != package => {
                        package = *other;
                        vec![path.remove(0)]
                    }
                    _ => module.clone(),
                },
                None => return path,
            };
            let Some((within, next)) = self.step(package, &root, &path) else {
                return self.renamed(file.package, path);
            };
            if next == path && within == module {
                return self.renamed(file.package, path);
            }
            module = within;
            path = next;
        }
        path
    }

    /// One step: the module that brings a name of the path in, and the path in that module's words.
    fn step(
        &self,
        package: usize,
        root: &[String],
        path: &[String],
    ) -> Option<(Vec<String>, Vec<String>)> {
        for length in (0..path.len()).rev() {
            let mut module = root.to_vec();
            module.extend(path.iter().take(length).cloned());
            let name = path.get(length)?;
            let Some(imports) = self.imports.get(&(package, module.clone())) else {
                continue;
            };
            let named = imports
                .iter()
                .find(|it| it.name == *name && it.path != [name.clone()]);
            if let Some(import) = named {
                let mut next = import.path.clone();
                next.extend(path.iter().skip(length + 1).cloned());
                return Some((module, next));
            }
        }
        None
    }

    /// With the package's own name of a dependency that the manifest renames.
    fn renamed(&self, package: usize, mut path: Vec<String>) -> Vec<String> {
        if let Some(package) = self.workspace.packages.get(package)
            && let Some(first) = path.first_mut()
            && let Some(real) = package.dependencies.get(first)
        {
            *first = real.replace('-', "_");
        }
        path
    }

    /// Whether a path is one of sqlx.
    pub(super) fn is_sqlx(&self, file: &FileFacts, path: &[String]) -> bool {
        let path = self.absolute(file, path);
        match path.first().map(String::as_str) {
            Some("sqlx" | "sqlx_core" | "sqlx_postgres") => path.len() > 1,
            // `use sqlx::*`
            Some(_) => file.imports.iter().any(|import| {
                import.name == "*" && import.path.first().is_some_and(|it| it == "sqlx")
            }),
            None => false,
        }
    }

    /// The types that a path may name: the one of its module, else those of that name.
    pub(super) fn shapes(
        &self,
        file: &FileFacts,
        path: &[String],
    ) -> Vec<(&'a FileFacts, &'a Shape)> {
        let absolute = self.absolute(file, path);
        let Some(last) = absolute.last() else {
            return Vec::new();
        };
        let Some(found) = self.shapes.get(last.as_str()) else {
            return Vec::new();
        };
        let ends = |module: &[String]| {
            let parents: Vec<&String> = absolute
                .iter()
                .take(absolute.len() - 1)
                .filter(|it| !matches!(it.as_str(), "crate" | "self" | "super"))
                .collect();
            parents.is_empty() && module == file.module
                || !parents.is_empty()
                    && module.len() >= parents.len()
                    && module
                        .iter()
                        .rev()
                        .zip(parents.iter().rev())
                        .all(|(a, b)| a == *b)
        };
        for same_package in [true, false] {
            let exact: Vec<_> = found
                .iter()
                .filter(|(package, module, ..)| {
                    (*package == file.package) == same_package && ends(module)
                })
                .map(|(_, _, file, shape)| (*file, *shape))
                .collect();
            if !exact.is_empty() {
                return exact;
            }
        }
        let near: Vec<_> = found
            .iter()
            .filter(|(package, ..)| *package == file.package)
            .collect();
        let near = if near.is_empty() {
            found.iter().collect()
        } else {
            near
        };
        near.into_iter()
            .map(|(_, _, file, shape)| (*file, *shape))
            .collect()
    }
}
