//! Declarations of functions and operators, written as PostgreSQL's `\df` shows them, and what the types
//! of a call make of one.

use datafusion::logical_expr::Volatility;
use weir_types::{RegKind, SqlType};

use super::call::Kernel;
use super::coercion::{
    Category, array_of, as_numeric, category, common_type, converts_implicitly, element_of, same,
};

/// The value of an argument that is the same for all rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Constant {
    Integer(i64),
    Text(String),
}

/// Gives the type of a result from the types of the arguments, and the values of those that are
/// constants.
pub(crate) type TypeRule = fn(&[SqlType], &[Option<Constant>]) -> SqlType;

/// One line of a table of functions.
pub(crate) struct Declaration {
    /// `name(argument types) -> result type`; `variadic` before the last type repeats it.
    text: &'static str,
    kernel: Kernel,
    rule: Option<TypeRule>,
    is_strict: bool,
    volatility: Volatility,
    can_fail: bool,
    uses_settings: bool,
    is_widened: bool,
}

/// A strict, immutable function that may raise errors.
pub(crate) const fn declare(text: &'static str, kernel: Kernel) -> Declaration {
    Declaration {
        text,
        kernel,
        rule: None,
        is_strict: true,
        volatility: Volatility::Immutable,
        can_fail: true,
        uses_settings: false,
        is_widened: false,
    }
}

impl Declaration {
    /// The type of the result depends on the arguments' modifiers: that of a `numeric`.
    pub(crate) const fn returns(mut self, rule: TypeRule) -> Self {
        self.rule = Some(rule);
        self
    }

    /// Is called for NULL arguments too.
    pub(crate) const fn takes_null(mut self) -> Self {
        self.is_strict = false;
        self
    }

    pub(crate) const fn volatile(mut self) -> Self {
        self.volatility = Volatility::Volatile;
        self
    }

    /// The same within one statement.
    pub(crate) const fn stable(mut self) -> Self {
        self.volatility = Volatility::Stable;
        self
    }

    /// Never raises an error.
    pub(crate) const fn total(mut self) -> Self {
        self.can_fail = false;
        self
    }

    /// Depends on settings of the session: its time zone, mostly.
    pub(crate) const fn uses_settings(mut self) -> Self {
        self.uses_settings = true;
        self
    }

    /// The arguments are brought to the type of the result.
    pub(crate) const fn widened(mut self) -> Self {
        self.is_widened = true;
        self
    }

    pub(crate) fn overload(&self) -> Overload {
        let malformed = || -> ! { panic!("malformed declaration: {}", self.text) };
        let (name, rest) = self.text.split_once('(').unwrap_or_else(|| malformed());
        let (arguments, result) = rest.rsplit_once(") -> ").unwrap_or_else(|| malformed());
        let mut overload = Overload {
            name: name.to_owned(),
            arguments: Vec::new(),
            variadic: None,
            returns: Returns::Fixed(SqlType::Void),
            kernel: self.kernel,
            is_strict: self.is_strict,
            volatility: self.volatility,
            can_fail: self.can_fail,
            uses_settings: self.uses_settings,
            is_widened: self.is_widened,
        };
        for argument in arguments.split(", ").filter(|argument| !argument.is_empty()) {
            match argument.strip_prefix("variadic ") {
                Some(repeated) => overload.variadic = Some(pattern(repeated)),
                None => overload.arguments.push(pattern(argument)),
            }
        }
        overload.returns = match (self.rule, pattern(result)) {
            (Some(rule), _) => Returns::Rule(rule),
            (None, Pattern::Exact(fixed)) => Returns::Fixed(fixed),
            (None, Pattern::Element { poly, .. }) => Returns::Element(poly),
            (None, Pattern::Array(poly)) => Returns::Array(poly),
            (None, Pattern::Any) => malformed(),
        };
        overload
    }
}

/// Which polymorphic arguments go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Poly {
    /// `anyelement`, `anyarray`: all the same type.
    Any,
    /// `anycompatible`, `anycompatiblearray`: brought to a common type.
    Compatible,
}

/// A declared argument.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pattern {
    Exact(SqlType),
    Element {
        poly: Poly,
        not_array: bool,
    },
    Array(Poly),
    /// `"any"`: taken as it comes.
    Any,
}

/// A declared result.
#[derive(Clone)]
enum Returns {
    Fixed(SqlType),
    Element(Poly),
    Array(Poly),
    Rule(TypeRule),
}

/// One function of a name.
#[derive(Clone)]
pub(crate) struct Overload {
    pub(crate) name: String,
    arguments: Vec<Pattern>,
    variadic: Option<Pattern>,
    returns: Returns,
    pub(crate) kernel: Kernel,
    pub(crate) is_strict: bool,
    pub(crate) volatility: Volatility,
    pub(crate) can_fail: bool,
    pub(crate) uses_settings: bool,
    is_widened: bool,
}

impl std::fmt::Debug for Overload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:?}", self.name, self.arguments)
    }
}

/// The types in which a call takes its arguments, and that of its result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CallTypes {
    pub(crate) arguments: Vec<SqlType>,
    pub(crate) returns: SqlType,
}

impl Overload {
    /// The body of a cast, whose types are told where it is bound.
    pub(crate) fn of_cast(
        name: String,
        kernel: Kernel,
        can_fail: bool,
        uses_settings: bool,
    ) -> Self {
        Self {
            name,
            arguments: vec![Pattern::Any],
            variadic: None,
            returns: Returns::Fixed(SqlType::Void),
            kernel,
            is_strict: true,
            volatility: Volatility::Immutable,
            can_fail,
            uses_settings,
            is_widened: false,
        }
    }

    /// The declared arguments for a call with that many; `None` where it does not take so many.
    pub(crate) fn patterns(&self, n_arguments: usize) -> Option<Vec<&Pattern>> {
        let fixed = self.arguments.len();
        let fits = match self.variadic {
            None => n_arguments == fixed,
            Some(_) => n_arguments > fixed,
        };
        let repeated =
            std::iter::repeat_n(self.variadic.as_ref(), n_arguments.saturating_sub(fixed));
        fits.then(|| self.arguments.iter().chain(repeated.flatten()).collect())
    }

    /// The array type that its results are of, whatever its arguments are.
    pub(crate) fn fixed_list(&self) -> Option<&SqlType> {
        match &self.returns {
            Returns::Fixed(list @ SqlType::Array(_)) => Some(list),
            _ => None,
        }
    }

    /// The types for a call that this function was chosen for; `None` where its polymorphic arguments
    /// do not go together. `constants` are the values of arguments that are integer constants.
    pub(crate) fn types(
        &self,
        given: &[SqlType],
        constants: &[Option<Constant>],
    ) -> Option<CallTypes> {
        let patterns = self.patterns(given.len())?;
        let element = |poly| element_type(&patterns, given, poly);
        let mut arguments = Vec::with_capacity(given.len());
        let returns_char = matches!(self.returns, Returns::Fixed(SqlType::Char(_)));
        for (pattern, given) in patterns.iter().zip(given) {
            arguments.push(match pattern {
                // With its blanks, where they can make a difference.
                Pattern::Exact(SqlType::Char(_)) if !returns_char => SqlType::Char(None),
                Pattern::Exact(declared) => as_declared(given, declared),
                Pattern::Element { poly, .. } => element(*poly)?,
                Pattern::Array(poly) => array_of(element(*poly)?),
                Pattern::Any if *given == SqlType::Unknown => SqlType::Text,
                Pattern::Any => given.clone(),
            });
        }
        let returns = match &self.returns {
            // One of the arguments, with its length.
            Returns::Fixed(fixed @ SqlType::Char(_)) => {
                arguments.iter().find(|t| same(t, fixed)).unwrap_or(fixed).clone()
            }
            Returns::Fixed(fixed) => fixed.clone(),
            Returns::Element(poly) => element(*poly)?,
            Returns::Array(poly) => array_of(element(*poly)?),
            Returns::Rule(rule) => rule(&arguments, constants),
        };
        if self.is_widened {
            arguments.fill(returns.clone());
        }
        Some(CallTypes { arguments, returns })
    }
}

/// The type in which an argument of type `given` is handed to a declared one.
fn as_declared(given: &SqlType, declared: &SqlType) -> SqlType {
    match declared {
        SqlType::Numeric(_) if *given == SqlType::Numeric(None) => SqlType::Numeric(None),
        SqlType::Numeric(_) => match category(given) {
            Category::Number => SqlType::Numeric(Some(as_numeric(given))),
            _ => SqlType::Numeric(None),
        },
        _ if same(given, declared) => given.clone(),
        _ => declared.clone(),
    }
}

/// The element type that the polymorphic arguments of one kind agree on.
fn element_type(patterns: &[&Pattern], given: &[SqlType], poly: Poly) -> Option<SqlType> {
    let mut elements = Vec::new();
    for (pattern, given) in patterns.iter().zip(given) {
        match pattern {
            Pattern::Element { poly: of, .. } if *of == poly => elements.push(given.clone()),
            Pattern::Array(of) if *of == poly => match element_of(given) {
                Some(element) => elements.push(element),
                None if *given == SqlType::Unknown => elements.push(SqlType::Unknown),
                None => return None,
            },
            _ => {}
        }
    }
    let known = || elements.iter().filter(|t| **t != SqlType::Unknown);
    if poly == Poly::Any && known().zip(known().skip(1)).any(|(a, b)| !same(a, b)) {
        return None;
    }
    common_type(&elements)
}

impl Pattern {
    /// True if an argument of that type can be converted into the declared one.
    pub(crate) fn accepts(&self, given: &SqlType) -> bool {
        let is_array = element_of(given).is_some();
        match self {
            Self::Exact(declared) => converts_implicitly(given, declared),
            Self::Element { not_array, .. } => !(*not_array && is_array),
            Self::Array(_) => is_array || *given == SqlType::Unknown,
            Self::Any => true,
        }
    }

    /// True if it declares just that type.
    pub(crate) fn is_exactly(&self, given: &SqlType) -> bool {
        matches!(self, Self::Exact(declared) if same(declared, given))
    }

    pub(crate) fn category(&self) -> Category {
        match self {
            Self::Exact(declared) => category(declared),
            Self::Array(_) => Category::Array,
            _ => Category::Pseudo,
        }
    }
}

fn pattern(text: &str) -> Pattern {
    let element = |poly, not_array| Pattern::Element { poly, not_array };
    match text {
        "any" => Pattern::Any,
        "anyelement" => element(Poly::Any, false),
        "anynonarray" => element(Poly::Any, true),
        "anyarray" => Pattern::Array(Poly::Any),
        "anycompatible" => element(Poly::Compatible, false),
        "anycompatiblenonarray" => element(Poly::Compatible, true),
        "anycompatiblearray" => Pattern::Array(Poly::Compatible),
        _ => Pattern::Exact(type_named(text)),
    }
}

fn type_named(text: &str) -> SqlType {
    if let Some(element) = text.strip_suffix("[]") {
        return array_of(type_named(element));
    }
    match text {
        "bool" => SqlType::Bool,
        "int2" => SqlType::Int2,
        "int4" => SqlType::Int4,
        "int8" => SqlType::Int8,
        "float4" => SqlType::Float4,
        "float8" => SqlType::Float8,
        "numeric" => SqlType::Numeric(None),
        "text" => SqlType::Text,
        "bpchar" => SqlType::Char(None),
        "bytea" => SqlType::Bytea,
        "char" => SqlType::InternalChar,
        "name" => SqlType::Name,
        "date" => SqlType::Date,
        "time" => SqlType::Time,
        "timestamp" => SqlType::Timestamp,
        "timestamptz" => SqlType::Timestamptz,
        "interval" => SqlType::Interval,
        "uuid" => SqlType::Uuid,
        "json" => SqlType::Json,
        "jsonb" => SqlType::Jsonb,
        "oid" => SqlType::Oid,
        "int2vector" => SqlType::Int2Vector,
        "oidvector" => SqlType::OidVector,
        "regtype" => SqlType::Reg(RegKind::Type),
        "pg_lsn" => SqlType::PgLsn,
        "record" => SqlType::Record,
        "void" => SqlType::Void,
        other => panic!("no such type in a declaration: {other}"),
    }
}
