//! The engine as this door sees it. The door's own tests run against a stub of the same shape that
//! can be told to hang, panic and stream without end.

#[cfg(test)]
pub(crate) use crate::stub::{
    CopyIn, Engine, Execution, OutputColumn, Parameter, Prepared, RowStream, RowTag, ScramVerifier,
    Session, SessionStartup, TransactionStatus,
};
pub(crate) use weir_engine::copy::CopyEncoder;
pub(crate) use weir_engine::value::{FormatSettings, ValueEncoder};
#[cfg(not(test))]
pub(crate) use weir_engine::{
    CopyIn, Engine, Execution, OutputColumn, Parameter, Prepared, RowStream, RowTag, ScramVerifier,
    Session, SessionStartup, TransactionStatus,
};
