//! What the rounds exercised.

use std::collections::BTreeMap;
use std::fmt;

use crate::answer::Failure;

/// Counts over rounds.
#[derive(Debug, Default)]
pub struct Coverage {
    /// Rounds that were played.
    pub rounds: u64,
    /// Statements that change rows or objects.
    pub changes: u64,
    /// Those that both databases refused.
    pub failed_changes: u64,
    /// Views that were to be made.
    pub queries: u64,
    /// Those that Weir refused, by reason: how many, and an example.
    pub refusals: BTreeMap<String, (u64, String)>,
    /// Those that PostgreSQL refused though they were meant for it, by reason.
    pub postgres_refusals: BTreeMap<String, (u64, String)>,
    /// Comparisons of a view with its query.
    pub comparisons: u64,
    /// Those of an empty result.
    pub empty: u64,
    /// Those of an error.
    pub errors: u64,
    /// Those that went on to PostgreSQL.
    pub compared_with_postgres: u64,
    /// Those in which one of Weir and PostgreSQL met an error of a value that the other did not come by.
    pub open_errors: u64,
    /// Those of so many rows that only their number was compared.
    pub over_rows: u64,
    /// Those for which PostgreSQL's answer took too long.
    pub over_time: u64,
    /// Those in which the view or its query took more memory than the round has.
    pub over_memory: u64,
    /// How often each kind of operator was used.
    pub kinds: BTreeMap<&'static str, u64>,
}

impl Coverage {
    /// A query of those kinds was made into a view.
    pub fn uses(&mut self, kinds: &BTreeMap<&'static str, usize>) {
        for kind in kinds.keys() {
            *self.kinds.entry(kind).or_default() += 1;
        }
    }

    /// Weir refused a query.
    pub fn refused(&mut self, failure: &Failure, sql: &str) {
        count(&mut self.refusals, failure, sql);
    }

    /// PostgreSQL refused a query; `known` where that follows from another refusal.
    pub fn refused_by_postgres(&mut self, failure: &Failure, sql: &str, known: bool) {
        if !known {
            count(&mut self.postgres_refusals, failure, sql);
        }
    }

    /// A view was compared with its query.
    pub fn compared(&mut self, empty: bool, error: bool) {
        self.comparisons += 1;
        self.empty += u64::from(empty);
        self.errors += u64::from(error);
    }

    /// Takes in the counts of another run.
    pub fn add(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.changes += other.changes;
        self.failed_changes += other.failed_changes;
        self.queries += other.queries;
        self.comparisons += other.comparisons;
        self.empty += other.empty;
        self.errors += other.errors;
        self.compared_with_postgres += other.compared_with_postgres;
        self.open_errors += other.open_errors;
        self.over_rows += other.over_rows;
        self.over_time += other.over_time;
        self.over_memory += other.over_memory;
        for (kind, n) in other.kinds {
            *self.kinds.entry(kind).or_default() += n;
        }
        for (to, from) in [
            (&mut self.refusals, other.refusals),
            (&mut self.postgres_refusals, other.postgres_refusals),
        ] {
            for (reason, (n, example)) in from {
                to.entry(reason).or_insert((0, example)).0 += n;
            }
        }
    }

    /// Percent of the results that have rows.
    #[must_use]
    pub fn non_empty_percent(&self) -> u64 {
        100 - percent(self.empty, self.comparisons)
    }

    /// Percent of the queries that Weir refused.
    #[must_use]
    pub fn refused_percent(&self) -> u64 {
        percent(self.n_refused(), self.queries)
    }

    /// Percent of the comparisons that came to little or nothing for want of time or memory.
    #[must_use]
    pub fn given_up_percent(&self) -> u64 {
        percent(self.over_rows + self.over_time + self.over_memory, self.comparisons)
    }

    /// Percent of the comparisons that PostgreSQL took part in.
    #[must_use]
    pub fn postgres_percent(&self) -> u64 {
        percent(self.compared_with_postgres, self.comparisons)
    }

    fn n_refused(&self) -> u64 {
        self.refusals.values().map(|(n, _)| n).sum()
    }

    /// The kinds that were used less often than `n`.
    #[must_use]
    pub fn rare(&self, n: u64) -> Vec<&'static str> {
        KINDS
            .iter()
            .copied()
            .filter(|kind| self.kinds.get(kind).copied().unwrap_or(0) < n)
            .collect()
    }
}

fn count(reasons: &mut BTreeMap<String, (u64, String)>, failure: &Failure, sql: &str) {
    // One kind of refusal names many things.
    let reason: String =
        failure.to_string().chars().filter(|c| !c.is_ascii_digit()).take(100).collect();
    reasons.entry(format!("{} {reason}", failure.code)).or_insert((0, sql.to_owned())).0 += 1;
}

fn percent(part: u64, whole: u64) -> u64 {
    (part * 100).checked_div(whole).unwrap_or(0)
}

/// All kinds of operators that the grammar has.
pub const KINDS: [&str; 64] = [
    "inner join",
    "left join",
    "right join",
    "full join",
    "join using",
    "cross join",
    "non-equi join",
    "null-equal join",
    "relation read twice",
    "exists",
    "not exists",
    "in",
    "not in",
    "scalar subquery",
    "correlated subquery",
    "lateral",
    "unnest",
    "recursive",
    "with",
    "values",
    "view on view",
    "where",
    "group by",
    "grouping sets",
    "rollup",
    "cube",
    "having",
    "filter",
    "count(*)",
    "count",
    "count distinct",
    "sum",
    "sum distinct",
    "sum numeric",
    "sum float",
    "avg",
    "avg float",
    "min",
    "max",
    "bool_and",
    "bool_or",
    "bit_and",
    "string_agg",
    "string_agg unordered",
    "array_agg",
    "array_agg unordered",
    "stddev",
    "stddev float",
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
    "window sum",
    "union",
    "intersect",
    "except",
    "distinct on",
];

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} rounds, {} changes ({} refused by both), {} queries ({} % refused), {} comparisons",
            self.rounds,
            self.changes,
            self.failed_changes,
            self.queries,
            self.refused_percent(),
            self.comparisons
        )?;
        writeln!(
            f,
            "{} % with rows, {} of an error, {} % with PostgreSQL, {} errors that only one of the two met, \
             {} of numbers of rows alone, {} for which PostgreSQL took too long, {} over the memory limit",
            self.non_empty_percent(),
            self.errors,
            self.postgres_percent(),
            self.open_errors,
            self.over_rows,
            self.over_time,
            self.over_memory
        )?;
        let kinds: Vec<String> = self.kinds.iter().map(|(kind, n)| format!("{kind} {n}")).collect();
        writeln!(f, "views with: {}", kinds.join(", "))?;
        for (who, reasons) in [("Weir", &self.refusals), ("PostgreSQL", &self.postgres_refusals)] {
            for (reason, (n, example)) in reasons {
                writeln!(f, "{who} refused {n}: {reason}\n    {example}")?;
            }
        }
        Ok(())
    }
}
