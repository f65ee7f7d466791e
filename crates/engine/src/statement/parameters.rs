//! The types of a statement's parameters, which its parts tell one after another.

use weir_planner::bind::BoundQuery;
use weir_types::SqlType;

/// What is known of `$1`, `$2`, ..: the client's types, then those of the first part that has a parameter.
pub(super) struct Parameters(Vec<Option<SqlType>>);

impl Parameters {
    /// With the types that the client declared.
    pub(super) fn declared(declared: &[Option<SqlType>]) -> Self {
        let known =
            |declared: &Option<SqlType>| declared.clone().filter(|t| *t != SqlType::Unknown);
        Self(declared.iter().map(known).collect())
    }

    /// For planning the next part.
    pub(super) fn known(&self) -> &[Option<SqlType>] {
        &self.0
    }

    /// A parameter, counted from 0, has that type, unless something told another before. Gives the one that it has.
    pub(super) fn tell(&mut self, parameter: usize, sql_type: &SqlType) -> &SqlType {
        if self.0.len() <= parameter {
            self.0.resize(parameter + 1, None);
        }
        self.0[parameter].get_or_insert_with(|| sql_type.clone())
    }

    /// Takes those of a part that was planned with what was known.
    pub(super) fn add(&mut self, part: &BoundQuery) {
        for number in &part.mentioned {
            let sql_type = part.parameters.get(number - 1).unwrap_or(&SqlType::Text);
            self.tell(number - 1, sql_type);
        }
    }

    /// Of all of them; `text` where nothing told.
    pub(super) fn into_types(self) -> Vec<SqlType> {
        self.0.into_iter().map(|sql_type| sql_type.unwrap_or(SqlType::Text)).collect()
    }
}
