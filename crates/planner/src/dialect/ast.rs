//! Statements as the engine takes them.
//!
//! Queries and expressions stay sqlparser's; everything around them is Weir's own, resolved as far as
//! text alone allows: names folded, types mapped, options collected.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast as sql;
use weir_catalog::ObjectName;
use weir_types::SqlType;

/// One statement with the text it came from.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The statement.
    pub statement: Statement,
    /// Its text, without the semicolon.
    pub text: String,
    /// Where the text begins in the whole, in characters from 0: added to error positions.
    pub offset: usize,
}

/// A statement.
#[derive(Clone, Debug)]
pub enum Statement {
    /// `SELECT`, `VALUES`, `WITH`, `TABLE t`.
    Query(Box<sql::Query>),
    /// `INSERT INTO`.
    Insert(Box<Insert>),
    /// `UPDATE`.
    Update(Box<Update>),
    /// `DELETE FROM`.
    Delete(Box<Delete>),
    /// `TRUNCATE [TABLE] a, b`.
    Truncate(Vec<ObjectName>),
    /// `COPY`.
    Copy(Box<Copy>),
    /// `CREATE STREAM`.
    CreateStream(Box<CreateStream>),
    /// `CREATE TABLE`.
    CreateTable(Box<CreateTable>),
    /// `CREATE [OR REPLACE] VIEW`, `CREATE MATERIALIZED VIEW`.
    CreateView(Box<CreateView>),
    /// `CREATE SINK`.
    CreateSink(Box<CreateSink>),
    /// `CREATE SCHEMA [IF NOT EXISTS] name`.
    CreateSchema {
        /// The schema.
        name: String,
        /// No error where it exists.
        if_not_exists: bool,
    },
    /// `DROP kind [IF EXISTS] a, b [CASCADE | RESTRICT]`.
    Drop {
        /// What is dropped.
        kind: RelationKind,
        /// Their names; a schema's name is bare.
        names: Vec<ObjectName>,
        /// A NOTICE instead of an error where one does not exist.
        if_exists: bool,
        /// Drop the users too.
        cascade: bool,
    },
    /// `ALTER kind [IF EXISTS] name ..`.
    Alter {
        /// What is altered.
        kind: RelationKind,
        /// Its name.
        name: ObjectName,
        /// A NOTICE instead of an error where it does not exist.
        if_exists: bool,
        /// The changes, one after the other; all or none.
        actions: Vec<AlterAction>,
    },
    /// `COMMENT ON .. IS ..`.
    Comment {
        /// What is commented.
        target: CommentTarget,
        /// `None` takes the comment away.
        text: Option<String>,
    },
    /// `ANALYZE ..`, `VACUUM ..`.
    Maintain(Maintain),
    /// `EXPLAIN [ANALYZE] [VERBOSE] [(..)] statement`.
    Explain {
        /// Run it and show times.
        analyze: bool,
        /// Show more.
        verbose: bool,
        /// The explained statement: a query, DML, or CREATE MATERIALIZED VIEW.
        statement: Box<Statement>,
    },
    /// `EXPLAIN ANALYZE MATERIALIZED VIEW name`.
    ExplainView(ObjectName),
    /// `SHOW STREAMS | TABLES | VIEWS | MATERIALIZED VIEWS | SCHEMAS | SINKS`.
    ShowObjects(RelationKind),
    /// `SHOW CREATE [kind] name`.
    ShowCreate(ObjectName),
    /// `DESCRIBE name`.
    Describe(ObjectName),
    /// `SHOW setting`, `SHOW ALL`, `SHOW TIME ZONE`, `SHOW TRANSACTION ISOLATION LEVEL`.
    Show(String),
    /// `SET [SESSION | LOCAL] name TO value, ..`; `None` is `TO DEFAULT`.
    Set {
        /// The setting, lower case; `SET TIME ZONE x` sets `timezone`.
        name: String,
        /// The value(s), joined by `, `; `None` is DEFAULT.
        value: Option<String>,
        /// Until the end of the transaction.
        local: bool,
    },
    /// `RESET name`; `None` is ALL.
    Reset(Option<String>),
    /// `DISCARD ALL | PLANS | TEMP | SEQUENCES`, in upper case.
    Discard(String),
    /// `BEGIN`, `START TRANSACTION`.
    Begin {
        /// `READ ONLY`.
        read_only: bool,
        /// `BEGIN` or `START TRANSACTION`, as the command tag repeats it.
        verb: &'static str,
    },
    /// `COMMIT`, `END`.
    Commit,
    /// `ROLLBACK`, `ABORT`.
    Rollback,
    /// `SAVEPOINT name`, `RELEASE [SAVEPOINT] name`, `ROLLBACK TO [SAVEPOINT] name`.
    Savepoint(SavepointAction, String),
    /// `SET TRANSACTION ..`, `SET SESSION CHARACTERISTICS ..`: read only or not, where told.
    SetTransaction {
        /// `READ ONLY` or `READ WRITE`.
        read_only: Option<bool>,
    },
    /// `PREPARE name [(types)] AS statement`.
    Prepare {
        /// Its name.
        name: String,
        /// Declared parameter types.
        types: Vec<SqlType>,
        /// The statement.
        statement: Box<Parsed>,
    },
    /// `EXECUTE name [(args)]`.
    Execute {
        /// Its name.
        name: String,
        /// The arguments.
        arguments: Vec<sql::Expr>,
    },
    /// `DEALLOCATE [PREPARE] name`; `None` is ALL.
    Deallocate(Option<String>),
    /// `DECLARE name CURSOR [WITH HOLD] FOR statement`.
    Declare {
        /// Its name.
        name: String,
        /// Outlives the transaction.
        hold: bool,
        /// A query or SUBSCRIBE.
        statement: Box<Parsed>,
    },
    /// `FETCH n|ALL|NEXT [FROM|IN] name`, `MOVE ..`.
    Fetch {
        /// Its name.
        name: String,
        /// How many rows; `None` is ALL.
        count: Option<u64>,
        /// MOVE: skip them.
        is_move: bool,
    },
    /// `CLOSE name`; `None` is ALL.
    Close(Option<String>),
    /// `SUBSCRIBE TO v | (query)`.
    Subscribe(Box<Subscribe>),
    /// `FLUSH`.
    Flush,
    /// `CHECKPOINT`.
    Checkpoint,
    /// `LISTEN c`, `UNLISTEN c`, `NOTIFY c`: accepted, do nothing yet. The verb, in upper case.
    Notify(String),
    /// Nothing but white space and comments.
    Empty,
}

/// A kind of object as named in DROP, ALTER and SHOW.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    /// `SCHEMA`
    Schema,
    /// `STREAM`
    Stream,
    /// `TABLE`
    Table,
    /// `VIEW`
    View,
    /// `MATERIALIZED VIEW`
    MaterializedView,
    /// `SINK`
    Sink,
}

/// `INSERT INTO table [(columns)] source [ON CONFLICT ..] [RETURNING ..]`.
#[derive(Clone, Debug)]
pub struct Insert {
    /// The table or stream.
    pub table: ObjectName,
    /// `AS alias`.
    pub alias: Option<String>,
    /// The named columns; empty means all in order.
    pub columns: Vec<String>,
    /// `None` is `DEFAULT VALUES`. A VALUES list may hold the bare word DEFAULT, which sqlparser gives
    /// as `Expr::Identifier("default")`.
    pub source: Option<Box<sql::Query>>,
    /// `ON CONFLICT`.
    pub on_conflict: Option<OnConflict>,
    /// `RETURNING`.
    pub returning: Vec<sql::SelectItem>,
}

/// `ON CONFLICT [(columns) | ON CONSTRAINT name] DO ..`.
#[derive(Clone, Debug)]
pub struct OnConflict {
    /// The arbiter's columns; empty where none are named.
    pub columns: Vec<String>,
    /// The arbiter's name.
    pub constraint: Option<String>,
    /// What to do.
    pub action: ConflictAction,
}

/// What `ON CONFLICT` does.
#[derive(Clone, Debug)]
pub enum ConflictAction {
    /// `DO NOTHING`
    Nothing,
    /// `DO UPDATE SET .. [WHERE ..]`
    Update {
        /// The assignments.
        assignments: Vec<Assignment>,
        /// The condition.
        filter: Option<Box<sql::Expr>>,
    },
}

/// `column = expr`; the bare word DEFAULT is `None`.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The column.
    pub column: String,
    /// Where it is named: in characters of the statement, from 1.
    pub position: usize,
    /// The value.
    pub value: Option<sql::Expr>,
}

/// `UPDATE table [AS alias] SET .. [FROM ..] [WHERE ..] [RETURNING ..]`.
#[derive(Clone, Debug)]
pub struct Update {
    /// The table.
    pub table: ObjectName,
    /// `AS alias`.
    pub alias: Option<String>,
    /// The assignments.
    pub assignments: Vec<Assignment>,
    /// `FROM`.
    pub from: Vec<sql::TableWithJoins>,
    /// `WHERE`.
    pub filter: Option<sql::Expr>,
    /// `RETURNING`.
    pub returning: Vec<sql::SelectItem>,
}

/// `DELETE FROM table [AS alias] [USING ..] [WHERE ..] [RETURNING ..]`.
#[derive(Clone, Debug)]
pub struct Delete {
    /// The table.
    pub table: ObjectName,
    /// `AS alias`.
    pub alias: Option<String>,
    /// `USING`.
    pub using: Vec<sql::TableWithJoins>,
    /// `WHERE`.
    pub filter: Option<sql::Expr>,
    /// `RETURNING`.
    pub returning: Vec<sql::SelectItem>,
}

/// `COPY`.
#[derive(Clone, Debug)]
pub struct Copy {
    /// What is copied.
    pub target: CopyTarget,
    /// `FROM STDIN` rather than `TO STDOUT`.
    pub from: bool,
    /// The format.
    pub options: CopyOptions,
}

/// What COPY copies.
#[derive(Clone, Debug)]
pub enum CopyTarget {
    /// A relation.
    Relation {
        /// Its name.
        name: ObjectName,
        /// Columns; empty means all.
        columns: Vec<String>,
    },
    /// `COPY (query) TO`.
    Query(Box<sql::Query>),
    /// `COPY (SUBSCRIBE ..) TO`.
    Subscribe(Box<Subscribe>),
}

/// Format of COPY data, as PostgreSQL's options name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyOptions {
    /// The format.
    pub format: CopyFormat,
    /// Between columns; one byte.
    pub delimiter: u8,
    /// Stands for NULL.
    pub null: String,
    /// A first line of column names.
    pub header: bool,
    /// CSV's quote.
    pub quote: u8,
    /// CSV's escape within quotes.
    pub escape: u8,
    /// Columns always quoted by COPY TO in CSV; `None` with `force_quote_all` unset quotes as needed.
    pub force_quote: Vec<String>,
    /// `FORCE_QUOTE *`.
    pub force_quote_all: bool,
}

/// A COPY format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    /// PostgreSQL's text format.
    Text,
    /// CSV.
    Csv,
    /// PostgreSQL's binary format.
    Binary,
}

/// A column definition.
#[derive(Clone, Debug)]
pub struct ColumnDefinition {
    /// Its name.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
    /// `NOT NULL`.
    pub not_null: bool,
    /// SQL text of `DEFAULT`.
    pub default: Option<String>,
    /// SQL text of `GENERATED ALWAYS AS (..) [STORED]`.
    pub generated: Option<String>,
    /// `PRIMARY KEY` on the column.
    pub primary_key: bool,
    /// `CHECK (..)` on the column: optional name, SQL text.
    pub checks: Vec<(Option<String>, String)>,
}

/// `CREATE STREAM [IF NOT EXISTS] name (columns) [PARTITION BY (..)] [WITH (..)]`.
#[derive(Clone, Debug)]
pub struct CreateStream {
    /// Its name.
    pub name: ObjectName,
    /// A NOTICE instead of an error where it exists.
    pub if_not_exists: bool,
    /// Its columns; may be empty where a connector knows them.
    pub columns: Vec<ColumnDefinition>,
    /// `PARTITION BY`.
    pub partition_by: Vec<String>,
    /// `WITH (name = value)`: names lower case, values as text.
    pub options: BTreeMap<String, String>,
}

/// `CREATE TABLE [IF NOT EXISTS] name (..)`, `CREATE TABLE name [(..)] AS query`.
#[derive(Clone, Debug)]
pub struct CreateTable {
    /// Its name.
    pub name: ObjectName,
    /// A NOTICE instead of an error where it exists.
    pub if_not_exists: bool,
    /// Its columns.
    pub columns: Vec<ColumnDefinition>,
    /// `PRIMARY KEY (..)` of the table: optional name, columns.
    pub primary_key: Option<(Option<String>, Vec<String>)>,
    /// `CHECK (..)` of the table: optional name, SQL text.
    pub checks: Vec<(Option<String>, String)>,
    /// `AS query`.
    pub query: Option<Box<sql::Query>>,
    /// `AS query WITH NO DATA`: the query's columns without its rows.
    pub with_no_data: bool,
    /// `WITH (name = value)`.
    pub options: BTreeMap<String, String>,
}

/// `CREATE [OR REPLACE] [MATERIALIZED] VIEW [IF NOT EXISTS] name [(columns)] [WITH (..)] AS query`.
#[derive(Clone, Debug)]
pub struct CreateView {
    /// Its name.
    pub name: ObjectName,
    /// A materialized view.
    pub materialized: bool,
    /// Replace the view of that name.
    pub or_replace: bool,
    /// A NOTICE instead of an error where it exists.
    pub if_not_exists: bool,
    /// Column names; empty takes the query's.
    pub columns: Vec<String>,
    /// The query.
    pub query: Box<sql::Query>,
    /// The query's text.
    pub query_text: String,
    /// `WITH (name = value)`.
    pub options: BTreeMap<String, String>,
}

/// `CREATE SINK [IF NOT EXISTS] name FROM relation | AS query WITH (..)`.
#[derive(Clone, Debug)]
pub struct CreateSink {
    /// Its name.
    pub name: ObjectName,
    /// A NOTICE instead of an error where it exists.
    pub if_not_exists: bool,
    /// The query; `FROM v` is `SELECT * FROM v`.
    pub query: Box<sql::Query>,
    /// The query's text.
    pub query_text: String,
    /// `WITH (name = value)`.
    pub options: BTreeMap<String, String>,
}

/// What Weir does by itself, and PostgreSQL when it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintenance {
    /// Statistics.
    Analyze,
    /// Space.
    Vacuum,
}

/// `ANALYZE [table [(columns)], ..]`, `VACUUM ..`.
#[derive(Clone, Debug)]
pub struct Maintain {
    /// Which of the two.
    pub what: Maintenance,
    /// Relations and columns of them; none for all.
    pub relations: Vec<(ObjectName, Vec<String>)>,
}

/// The change of an ALTER.
#[derive(Clone, Debug)]
pub enum AlterAction {
    /// `RENAME TO name`
    Rename(String),
    /// `RENAME [COLUMN] a TO b`
    RenameColumn {
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// `SET SCHEMA name`
    SetSchema(String),
    /// `OWNER TO role`
    Owner(String),
    /// `ADD [COLUMN] [IF NOT EXISTS] definition`
    AddColumn {
        /// The column.
        column: ColumnDefinition,
        /// A NOTICE instead of an error where it exists.
        if_not_exists: bool,
    },
    /// `SET (name = value, ..)`
    SetOptions(BTreeMap<String, String>),
}

/// What COMMENT ON names.
#[derive(Clone, Debug)]
pub enum CommentTarget {
    /// A relation, sink or schema of that kind.
    Object(RelationKind, ObjectName),
    /// A column of a relation.
    Column(ObjectName, String),
}

/// What is done with a savepoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavepointAction {
    /// `SAVEPOINT`
    Define,
    /// `RELEASE`
    Release,
    /// `ROLLBACK TO`
    RollbackTo,
}

/// `SUBSCRIBE TO relation | (query) [WITH (snapshot = false)]`.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// The query; a relation is `SELECT * FROM relation`.
    pub query: Box<sql::Query>,
    /// The query's text.
    pub query_text: String,
    /// Begin with the whole content.
    pub snapshot: bool,
}
