//! The error of every public call: a SQLSTATE, a message in PostgreSQL's style, detail and hint.
//!
//! Message: lower case, one line, no full stop, object kind and quoted name
//! (`relation "orders" does not exist`). Detail and hint are sentences.

use std::fmt;

/// A result with Weir's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Change the statement or the data.
    Invalid,
    /// Retry the transaction.
    Conflict,
    /// Retry later.
    Unavailable,
    /// The outcome of a commit is unknown: look, then repeat.
    Indeterminate,
    /// Ask an administrator for the right.
    Denied,
    /// A named limit was reached.
    Exceeded,
    /// Stored data is damaged: an operator decides.
    Corrupt,
    /// A defect of Weir.
    Internal,
}

macro_rules! sql_states {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $kind:ident;)*) => {
        /// PostgreSQL's five-character error codes, as far as Weir uses them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum SqlState { $($(#[$doc])* $name,)* }

        impl SqlState {
            /// The five characters.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What the caller can do.
            #[must_use]
            pub fn kind(self) -> ErrorKind {
                match self { $(Self::$name => ErrorKind::$kind,)* }
            }

            /// The state of that code, if Weir uses it.
            #[must_use]
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }
        }
    };
}

sql_states! {
    /// Connection broken or refused.
    ConnectionException = "08000", Unavailable;
    /// A message breaks the wire protocol.
    ProtocolViolation = "08P01", Invalid;
    /// The statement is known and not supported.
    FeatureNotSupported = "0A000", Invalid;
    /// More than one row from a scalar subquery.
    CardinalityViolation = "21000", Invalid;
    /// Value too long for varchar(n), char(n).
    StringDataRightTruncation = "22001", Invalid;
    /// A number outside its type.
    NumericValueOutOfRange = "22003", Invalid;
    /// NULL where none is allowed by the operation.
    NullValueNotAllowed = "22004", Invalid;
    /// A date or time text of wrong form.
    InvalidDatetimeFormat = "22007", Invalid;
    /// A date or time outside its range.
    DatetimeFieldOverflow = "22008", Invalid;
    /// Unknown time zone.
    InvalidTimeZone = "22009", Invalid;
    /// Division by zero.
    DivisionByZero = "22012", Invalid;
    /// A substring of negative length.
    SubstringError = "22011", Invalid;
    /// An ESCAPE that is not one character.
    InvalidEscapeCharacter = "22019", Invalid;
    /// A pattern that ends in its escape character.
    InvalidEscapeSequence = "22025", Invalid;
    /// A logarithm of zero or less.
    InvalidArgumentForLogarithm = "2201E", Invalid;
    /// A root or power that is not real.
    InvalidArgumentForPowerFunction = "2201F", Invalid;
    /// Bad bounds of a histogram.
    InvalidArgumentForWidthBucketFunction = "2201G", Invalid;
    /// A subscript outside its array.
    ArraySubscriptError = "2202E", Invalid;
    /// A bad regular expression.
    InvalidRegularExpression = "2201B", Invalid;
    /// `ntile` into no or negative buckets.
    InvalidArgumentForNtile = "22014", Invalid;
    /// The place that `nth_value` is asked for is not one of a row.
    InvalidArgumentForNthValue = "22016", Invalid;
    /// A bad LIMIT.
    InvalidRowCountInLimit = "2201W", Invalid;
    /// A bad OFFSET.
    InvalidRowCountInOffset = "2201X", Invalid;
    /// Bytes that are not UTF-8, or a NUL.
    CharacterNotInRepertoire = "22021", Invalid;
    /// A parameter outside its range.
    InvalidParameterValue = "22023", Invalid;
    /// A row error without a state of its own.
    DataException = "22000", Invalid;
    /// A value of the wrong text form for its type.
    InvalidTextRepresentation = "22P02", Invalid;
    /// A value of the wrong binary form for its type.
    InvalidBinaryRepresentation = "22P03", Invalid;
    /// COPY data of wrong form.
    BadCopyFileFormat = "22P04", Invalid;
    /// A bad JSON text.
    InvalidJsonText = "22032", Invalid;
    /// NOT NULL violated.
    NotNullViolation = "23502", Invalid;
    /// PRIMARY KEY violated.
    UniqueViolation = "23505", Invalid;
    /// CHECK violated.
    CheckViolation = "23514", Invalid;
    /// BEGIN inside a transaction block, and the like.
    ActiveSqlTransaction = "25001", Invalid;
    /// COMMIT outside a transaction block, and the like.
    NoActiveSqlTransaction = "25P01", Invalid;
    /// The transaction block failed; only ROLLBACK works.
    InFailedSqlTransaction = "25P02", Invalid;
    /// A session that left a transaction open for too long.
    IdleInTransactionSessionTimeout = "25P03", Unavailable;
    /// A write in a read-only transaction.
    ReadOnlySqlTransaction = "25006", Invalid;
    /// Unknown prepared statement.
    InvalidSqlStatementName = "26000", Invalid;
    /// Wrong user or password.
    InvalidPassword = "28P01", Denied;
    /// Not let in.
    InvalidAuthorization = "28000", Denied;
    /// DROP without CASCADE of an object that others use.
    DependentObjectsStillExist = "2BP01", Invalid;
    /// Unknown portal.
    InvalidCursorName = "34000", Invalid;
    /// Unknown savepoint.
    InvalidSavepoint = "3B001", Invalid;
    /// Unknown database.
    InvalidCatalogName = "3D000", Invalid;
    /// Unknown schema.
    InvalidSchemaName = "3F000", Invalid;
    /// Lost a race; retry the transaction.
    SerializationFailure = "40001", Conflict;
    /// Cannot be parsed.
    SyntaxError = "42601", Invalid;
    /// No right to do that.
    InsufficientPrivilege = "42501", Denied;
    /// Unknown column.
    UndefinedColumn = "42703", Invalid;
    /// Unknown relation.
    UndefinedTable = "42P01", Invalid;
    /// Unknown parameter `$n`.
    UndefinedParameter = "42P02", Invalid;
    /// Unknown function, or none with such arguments.
    UndefinedFunction = "42883", Invalid;
    /// Unknown object of another kind, or setting.
    UndefinedObject = "42704", Invalid;
    /// A relation of that name exists.
    DuplicateTable = "42P07", Invalid;
    /// A schema of that name exists.
    DuplicateSchema = "42P06", Invalid;
    /// A column named twice.
    DuplicateColumn = "42701", Invalid;
    /// A relation named twice in one FROM.
    DuplicateAlias = "42712", Invalid;
    /// A reference to a relation that could be one of several.
    AmbiguousAlias = "42P09", Invalid;
    /// An object or option named twice.
    DuplicateObject = "42710", Invalid;
    /// A prepared statement of that name exists.
    DuplicatePreparedStatement = "42P05", Invalid;
    /// A portal of that name exists.
    DuplicateCursor = "42P03", Invalid;
    /// A column that could be one of several.
    AmbiguousColumn = "42702", Invalid;
    /// A function call that could be one of several.
    AmbiguousFunction = "42725", Invalid;
    /// Types that do not fit.
    DatatypeMismatch = "42804", Invalid;
    /// The object is of another kind.
    WrongObjectType = "42809", Invalid;
    /// A column neither grouped nor aggregated.
    GroupingError = "42803", Invalid;
    /// A window function where none may be.
    WindowingError = "42P20", Invalid;
    /// A bad column reference.
    InvalidColumnReference = "42P10", Invalid;
    /// A bad definition of a table.
    InvalidTableDefinition = "42P16", Invalid;
    /// A bad definition of an object.
    InvalidObjectDefinition = "42P17", Invalid;
    /// A parameter whose type cannot be told.
    IndeterminateDatatype = "42P18", Invalid;
    /// A bad recursive query.
    InvalidRecursion = "42P19", Invalid;
    /// A reserved or malformed name.
    InvalidName = "42602", Invalid;
    /// A value for a column that only the system may give.
    GeneratedAlways = "428C9", Invalid;
    /// A name over the limit.
    NameTooLong = "42622", Invalid;
    /// A cast that does not exist.
    CannotCoerce = "42846", Invalid;
    /// The object cannot be written.
    ObjectNotInPrerequisiteState = "55000", Unavailable;
    /// Something needed is in use.
    ObjectInUse = "55006", Unavailable;
    /// A disk without room.
    DiskFull = "53100", Exceeded;
    /// Memory limit reached.
    OutOfMemory = "53200", Exceeded;
    /// Too many connections.
    TooManyConnections = "53300", Exceeded;
    /// A configured limit was reached.
    ConfigurationLimitExceeded = "53400", Exceeded;
    /// A limit of the program was reached.
    ProgramLimitExceeded = "54000", Exceeded;
    /// A statement too large or too deep.
    StatementTooComplex = "54001", Exceeded;
    /// Too many columns, or items of CUBE.
    TooManyColumns = "54011", Exceeded;
    /// Cancelled by the user or a timeout.
    QueryCanceled = "57014", Unavailable;
    /// The server is stopping.
    AdminShutdown = "57P01", Unavailable;
    /// The server is starting.
    CannotConnectNow = "57P03", Unavailable;
    /// A read or write of a file failed.
    IoError = "58030", Unavailable;
    /// A file does not exist.
    UndefinedFile = "58P01", Invalid;
    /// The configuration is wrong.
    ConfigFileError = "F0000", Invalid;
    /// A defect of Weir.
    InternalError = "XX000", Internal;
    /// Stored data is damaged.
    DataCorrupted = "XX001", Corrupt;
}

/// The error of every public call. One pointer wide.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    state: SqlState,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    position: Option<usize>,
    context: Option<String>,
    subject: Option<Subject>,
    row: Option<usize>,
}

/// The object that an error is about, as clients are told in fields of their own: with PostgreSQL
/// those of a violated constraint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Name of the table's schema.
    pub schema: Option<String>,
    /// Name of the table.
    pub table: Option<String>,
    /// Name of the column.
    pub column: Option<String>,
    /// Name of the constraint.
    pub constraint: Option<String>,
}

impl Error {
    /// An error of that state. See the module for the style of `message`.
    pub fn new(state: SqlState, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            state,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            context: None,
            subject: None,
            row: None,
        }))
    }

    /// A defect of Weir (XX000).
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(SqlState::InternalError, message)
    }

    /// A statement that is known and not supported (0A000).
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(SqlState::FeatureNotSupported, message)
    }

    /// A statement that cannot be parsed (42601).
    pub fn syntax(message: impl Into<String>) -> Self {
        Self::new(SqlState::SyntaxError, message)
    }

    /// Damaged stored data (XX001).
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(SqlState::DataCorrupted, message)
    }

    /// A failed read or write of a file: 53100 for a full disk, 58P01 for a missing file, else 58030.
    pub fn io(what: impl fmt::Display, source: &std::io::Error) -> Self {
        let state = match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                SqlState::DiskFull
            }
            std::io::ErrorKind::NotFound => SqlState::UndefinedFile,
            std::io::ErrorKind::PermissionDenied => SqlState::InsufficientPrivilege,
            _ => SqlState::IoError,
        };
        Self::new(state, format!("{what}: {source}"))
    }

    /// Adds the sentence(s) that say more.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds the sentence that says what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds where in the statement the error is: in characters, from 1.
    #[must_use]
    pub fn with_position(mut self, position: usize) -> Self {
        self.0.position = Some(position);
        self
    }

    /// Adds what was being done (`COPY orders, line 3`).
    #[must_use]
    pub fn with_context(mut self, context: impl Into<String>) -> Self {
        self.0.context = Some(context.into());
        self
    }

    /// Adds the object that it is about.
    #[must_use]
    pub fn with_subject(mut self, subject: Subject) -> Self {
        self.0.subject = Some(subject);
        self
    }

    /// Adds which of the rows that were given is refused, from 0.
    #[must_use]
    pub fn with_row(mut self, row_idx: usize) -> Self {
        self.0.row = Some(row_idx);
        self
    }

    /// The SQLSTATE.
    #[must_use]
    pub fn state(&self) -> SqlState {
        self.0.state
    }

    /// What the caller can do.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.state.kind()
    }

    /// One line, lower case.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// More about the cause.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Where in the statement, in characters from 1.
    #[must_use]
    pub fn position(&self) -> Option<usize> {
        self.0.position
    }

    /// What was being done.
    #[must_use]
    pub fn context(&self) -> Option<&str> {
        self.0.context.as_deref()
    }

    /// The object that it is about.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        self.0.subject.as_ref()
    }

    /// Which of the rows that were given is refused, from 0.
    #[must_use]
    pub fn row(&self) -> Option<usize> {
        self.0.row
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.state.code(), self.0.message)?;
        if let Some(detail) = &self.0.detail {
            write!(f, " ({detail})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

const _: () = assert!(size_of::<Result<()>>() == size_of::<usize>());

/// Something the user should know although the statement succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// `NOTICE` or `WARNING`.
    pub severity: &'static str,
    /// The SQLSTATE, `00000` for a plain notice.
    pub code: &'static str,
    /// One line, lower case.
    pub message: String,
    /// More about the cause.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl Notice {
    /// A NOTICE.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            severity: "NOTICE",
            code: "00000",
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    /// A WARNING of that SQLSTATE.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: "WARNING", code, ..Self::new(message) }
    }

    /// Adds the sentence that says what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
