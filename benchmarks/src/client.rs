//! A connection to a PostgreSQL or to a Weir.

use tokio_postgres::{Client, Error, NoTls};

/// A client, whose connection runs by itself.
pub(crate) async fn connect(line: &str) -> Result<Client, Error> {
    let (client, connection) = tokio_postgres::connect(line, NoTls).await?;
    // Its error is that of the statement that meets it.
    tokio::spawn(connection);
    Ok(client)
}
