//! serde's case rules (`rename_all`), applied as serde applies them. A rule that serde does not
//! know is serde's error to report; here it changes nothing.

/// A rule for names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Case {
    /// As they are written.
    #[default]
    Unchanged,
    /// `lowercase`
    Lower,
    /// `UPPERCASE`
    Upper,
    /// `PascalCase`
    Pascal,
    /// `camelCase`
    Camel,
    /// `snake_case`
    Snake,
    /// `SCREAMING_SNAKE_CASE`
    ScreamingSnake,
    /// `kebab-case`
    Kebab,
    /// `SCREAMING-KEBAB-CASE`
    ScreamingKebab,
}

impl Case {
    /// The rule by serde's name for it.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "lowercase" => Self::Lower,
            "UPPERCASE" => Self::Upper,
            "PascalCase" => Self::Pascal,
            "camelCase" => Self::Camel,
            "snake_case" => Self::Snake,
            "SCREAMING_SNAKE_CASE" => Self::ScreamingSnake,
            "kebab-case" => Self::Kebab,
            "SCREAMING-KEBAB-CASE" => Self::ScreamingKebab,
            _ => Self::Unchanged,
        }
    }

    /// Fields are written in snake case.
    #[must_use]
    pub fn field(self, name: &str) -> String {
        match self {
            Self::Unchanged | Self::Lower | Self::Snake => name.to_owned(),
            Self::Upper | Self::ScreamingSnake => name.to_ascii_uppercase(),
            Self::Pascal => pascal(name),
            Self::Camel => uncapitalized(&pascal(name)),
            Self::Kebab => name.replace('_', "-"),
            Self::ScreamingKebab => name.to_ascii_uppercase().replace('_', "-"),
        }
    }

    /// Variants are written in Pascal case.
    #[must_use]
    pub fn variant(self, name: &str) -> String {
        match self {
            Self::Unchanged | Self::Pascal => name.to_owned(),
            Self::Lower => name.to_ascii_lowercase(),
            Self::Upper => name.to_ascii_uppercase(),
            Self::Camel => uncapitalized(name),
            Self::Snake => snake(name),
            Self::ScreamingSnake => snake(name).to_ascii_uppercase(),
            Self::Kebab => snake(name).replace('_', "-"),
            Self::ScreamingKebab => snake(name).to_ascii_uppercase().replace('_', "-"),
        }
    }
}

fn pascal(name: &str) -> String {
    name.split('_').map(capitalized).collect()
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    match letters.next() {
        Some(first) => first.to_ascii_uppercase().to_string() + letters.as_str(),
        None => String::new(),
    }
}

fn uncapitalized(word: &str) -> String {
    let mut letters = word.chars();
    match letters.next() {
        Some(first) => first.to_ascii_lowercase().to_string() + letters.as_str(),
        None => String::new(),
    }
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for (index, letter) in name.char_indices() {
        if index > 0 && letter.is_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Case;

    #[test]
    fn fields_and_variants_follow_serde() {
        let cases = [
            ("lowercase", "work_space", "workspace"),
            ("UPPERCASE", "WORK_SPACE", "WORKSPACE"),
            ("PascalCase", "WorkSpace", "WorkSpace"),
            ("camelCase", "workSpace", "workSpace"),
            ("snake_case", "work_space", "work_space"),
            ("SCREAMING_SNAKE_CASE", "WORK_SPACE", "WORK_SPACE"),
            ("kebab-case", "work-space", "work-space"),
            ("SCREAMING-KEBAB-CASE", "WORK-SPACE", "WORK-SPACE"),
        ];
        for (rule, field, variant) in cases {
            let case = Case::from_name(rule);
            assert_eq!(case.field("work_space"), field, "{rule}");
            assert_eq!(case.variant("WorkSpace"), variant, "{rule}");
        }
    }
}
