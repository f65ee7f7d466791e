//! PostgreSQL's choice among functions or operators of one name (its chapter "Type Conversion").

use weir_types::SqlType;

use super::coercion::{Category, base, category, is_preferred, same};
use super::overload::{CallTypes, Constant, Overload, Pattern};

/// What a call's argument types choose.
pub(crate) enum Choice<'a> {
    Found(&'a Overload, CallTypes),
    /// None takes such arguments.
    Missing,
    /// Several do, and none is better than the others.
    Ambiguous,
}

struct Candidate<'a> {
    overload: &'a Overload,
    patterns: Vec<&'a Pattern>,
}

/// The function for a call.
pub(crate) fn choose<'a>(
    overloads: &'a [Overload],
    given: &[SqlType],
    constants: &[Option<Constant>],
) -> Choice<'a> {
    let candidates: Vec<Candidate<'a>> = overloads
        .iter()
        .filter_map(|overload| {
            Some(Candidate { overload, patterns: overload.patterns(given.len())? })
        })
        .collect();
    if let Some(exact) = exact(&candidates, given) {
        return found(exact, given, constants);
    }
    let fitting: Vec<Candidate<'a>> = candidates
        .into_iter()
        .filter(|candidate| candidate.patterns.iter().zip(given).all(|(p, t)| p.accepts(t)))
        .filter(|candidate| candidate.overload.types(given, &[]).is_some())
        .collect();
    match select(fitting, given) {
        Ok(Some(candidate)) => found(&candidate, given, constants),
        Ok(None) => Choice::Missing,
        Err(()) => Choice::Ambiguous,
    }
}

/// The operator for two operands: an unknown literal beside a known operand is first taken as of its
/// type.
pub(crate) fn choose_operator<'a>(overloads: &'a [Overload], given: &[SqlType]) -> Choice<'a> {
    if let [left, right] = given
        && (*left == SqlType::Unknown) != (*right == SqlType::Unknown)
    {
        let known = if *left == SqlType::Unknown { right } else { left };
        // A literal takes the type, but not its modifier.
        let alike = given.iter().map(|t| if t == known { t.clone() } else { base(known) });
        let alike: Vec<SqlType> = alike.collect();
        let exact = overloads.iter().find(|overload| {
            overload
                .patterns(2)
                .is_some_and(|patterns| patterns.iter().all(|pattern| pattern.is_exactly(known)))
        });
        if let Some(overload) = exact
            && let Some(types) = overload.types(&alike, &[])
        {
            return Choice::Found(overload, types);
        }
    }
    choose(overloads, given, &[])
}

fn found<'a>(
    candidate: &Candidate<'a>,
    given: &[SqlType],
    constants: &[Option<Constant>],
) -> Choice<'a> {
    match candidate.overload.types(given, constants) {
        Some(types) => Choice::Found(candidate.overload, types),
        None => Choice::Missing,
    }
}

fn exact<'c, 'a>(candidates: &'c [Candidate<'a>], given: &[SqlType]) -> Option<&'c Candidate<'a>> {
    candidates
        .iter()
        .find(|candidate| candidate.patterns.iter().zip(given).all(|(p, t)| p.is_exactly(t)))
}

/// `func_select_candidate`: the one best candidate, none, or `Err` for several.
fn select<'a>(
    mut candidates: Vec<Candidate<'a>>,
    given: &[SqlType],
) -> Result<Option<Candidate<'a>>, ()> {
    if candidates.len() < 2 {
        return Ok(candidates.pop());
    }
    let known = |at: usize| given[at] != SqlType::Unknown;
    keep_best(&mut candidates, |patterns| {
        (0..given.len()).filter(|at| known(*at) && patterns[*at].is_exactly(&given[*at])).count()
    });
    if candidates.len() == 1 {
        return Ok(candidates.pop());
    }
    keep_best(&mut candidates, |patterns| {
        (0..given.len())
            .filter(|at| {
                let pattern = patterns[*at];
                let is_meant = matches!(pattern, Pattern::Exact(declared)
                    if is_preferred(declared) && category(declared) == category(&given[*at]));
                known(*at) && (is_meant || pattern.is_exactly(&given[*at]))
            })
            .count()
    });
    if candidates.len() == 1 {
        return Ok(candidates.pop());
    }
    if (0..given.len()).all(known) {
        return Err(());
    }
    settle_unknown(&mut candidates, given);
    if candidates.len() == 1 {
        return Ok(candidates.pop());
    }
    like_the_known(&mut candidates, given);
    if candidates.len() == 1 { Ok(candidates.pop()) } else { Err(()) }
}

/// Keeps the candidates of the highest score.
fn keep_best(candidates: &mut Vec<Candidate<'_>>, score: impl Fn(&[&Pattern]) -> usize) {
    let best = candidates.iter().map(|candidate| score(&candidate.patterns)).max();
    candidates.retain(|candidate| Some(score(&candidate.patterns)) == best);
}

/// Gives each unknown argument the category that the candidates agree on, or that of text where any
/// takes text; drops the candidates that do not take it so.
fn settle_unknown(candidates: &mut Vec<Candidate<'_>>, given: &[SqlType]) {
    let mut slots = Vec::new();
    for at in (0..given.len()).filter(|at| given[*at] == SqlType::Unknown) {
        let categories: Vec<Category> =
            candidates.iter().map(|candidate| candidate.patterns[at].category()).collect();
        let is_text = categories.contains(&Category::Text);
        let slot = if is_text { Category::Text } else { categories[0] };
        if !is_text && categories.iter().any(|category| *category != slot) {
            return;
        }
        let has_preferred = candidates.iter().any(|candidate| {
            matches!(candidate.patterns[at], Pattern::Exact(t) if category(t) == slot && is_preferred(t))
        });
        slots.push((at, slot, has_preferred));
    }
    let fits = |candidate: &Candidate<'_>| {
        slots.iter().all(|(at, slot, has_preferred)| {
            let pattern = candidate.patterns[*at];
            let is_preferred = matches!(pattern, Pattern::Exact(t) if is_preferred(t));
            pattern.category() == *slot && (!has_preferred || is_preferred)
        })
    };
    if candidates.iter().any(fits) {
        candidates.retain(fits);
    }
}

/// Where all known arguments are of one type, the unknown ones are taken as of it too.
fn like_the_known(candidates: &mut Vec<Candidate<'_>>, given: &[SqlType]) {
    let mut known = given.iter().filter(|t| **t != SqlType::Unknown);
    let Some(first) = known.next() else { return };
    if known.any(|t| !same(t, first)) {
        return;
    }
    let alike = vec![first.clone(); given.len()];
    let fits = |candidate: &Candidate<'_>| {
        candidate.patterns.iter().all(|pattern| pattern.accepts(first))
            && candidate.overload.types(&alike, &[]).is_some()
    };
    if candidates.iter().filter(|candidate| fits(candidate)).count() == 1 {
        candidates.retain(fits);
    }
}

#[cfg(test)]
mod tests {
    use super::{Choice, choose, choose_operator};
    use crate::functions::call::Call;
    use crate::functions::overload::{Overload, declare};
    use arrow::array::ArrayRef;
    use weir_types::{Result, SqlType as T};

    fn nothing(_: &Call<'_>) -> Result<ArrayRef> {
        unreachable!("only types are asked for")
    }

    fn overloads(texts: &[&'static str]) -> Vec<Overload> {
        texts.iter().map(|text| declare(text, nothing).overload()).collect()
    }

    fn chosen(choice: &Choice<'_>) -> String {
        match choice {
            Choice::Found(_, types) => {
                let arguments: Vec<String> = types.arguments.iter().map(T::internal_name).collect();
                format!("{}->{}", arguments.join(","), types.returns.internal_name())
            }
            Choice::Missing => "missing".to_owned(),
            Choice::Ambiguous => "ambiguous".to_owned(),
        }
    }

    #[test]
    fn operators_are_chosen_as_in_postgresql() {
        let plus = overloads(&[
            "+(int4, int4) -> int4",
            "+(int4, int8) -> int8",
            "+(float4, float4) -> float4",
            "+(float4, float8) -> float8",
            "+(float8, float4) -> float8",
            "+(float8, float8) -> float8",
            "+(numeric, numeric) -> numeric",
            "+(date, interval) -> timestamp",
            "+(date, int4) -> date",
        ]);
        for (given, wanted) in [
            ([T::Int4, T::Int4], "int4,int4->int4"),
            ([T::Int4, T::Unknown], "int4,int4->int4"),
            ([T::Float4, T::Int4], "float4,float8->float8"),
            ([T::Numeric(None), T::Float4], "float8,float4->float8"),
            ([T::Int4, T::Numeric(Some((3, 1)))], "numeric,numeric->numeric"),
            ([T::Date, T::Interval], "date,interval->timestamp"),
            ([T::Text, T::Int4], "missing"),
            ([T::Unknown, T::Unknown], "ambiguous"),
        ] {
            assert_eq!(chosen(&choose_operator(&plus, &given)), wanted, "{given:?}");
        }
    }

    #[test]
    fn functions_are_chosen_as_in_postgresql() {
        let functions = overloads(&[
            "f(text, variadic any) -> text",
            "g(anyarray, anyelement) -> anyelement",
            "g(text, text) -> text",
        ]);
        let array = T::Array(Box::new(T::Int4));
        assert_eq!(
            chosen(&choose(&functions[..1], &[T::Unknown, T::Int4], &[])),
            "text,int4->text"
        );
        assert_eq!(chosen(&choose(&functions[..1], &[T::Unknown], &[])), "missing");
        let g = &functions[1..];
        assert_eq!(chosen(&choose(g, &[array.clone(), T::Unknown], &[])), "_int4,int4->int4");
        assert_eq!(chosen(&choose(g, &[array, T::Text], &[])), "missing");
        assert_eq!(chosen(&choose(g, &[T::Unknown, T::Unknown], &[])), "text,text->text");
    }
}
