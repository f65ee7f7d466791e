//! tokio-postgres, a driver that pipelines and works in binary.

use futures::{SinkExt, StreamExt, TryStreamExt};
use tokio_postgres::{Client, Error, NoTls};

use super::Server;

async fn connect(server: &Server) -> Client {
    let config = format!("host=127.0.0.1 port={} user=ada dbname=weir", server.address.port());
    let (client, connection) = tokio_postgres::connect(&config, NoTls).await.expect("let in");
    tokio::spawn(connection);
    client
}

fn code(error: &Error) -> Option<&str> {
    error.code().map(|code| code.code())
}

#[tokio::test]
async fn rows_and_parameters_in_binary() {
    let server = Server::start().await;
    let client = connect(&server).await;
    let rows = client.query("SELECT rows 3", &[]).await.expect("rows");
    let rows: Vec<(i32, Option<&str>)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(rows, [(0, Some("row 0")), (1, Some("row 1")), (2, None)]);
    let row = client.query_one("SELECT echo $1 $2", &[&-5_i32, &"x"]).await.expect("a row");
    assert_eq!((row.get::<_, i32>(0), row.get::<_, &str>(1)), (-5, "x"));
    let column = &row.columns()[1];
    assert_eq!(
        (column.name(), column.table_oid(), column.column_id()),
        ("name", Some(16_384), Some(2))
    );
}

#[tokio::test]
async fn pipelined_statements_keep_their_answers() {
    let server = Server::start().await;
    let client = connect(&server).await;
    let (first, second, third) = tokio::join!(
        client.execute("INSERT a", &[]),
        client.execute("FAIL 23505", &[]),
        client.query("SELECT rows 2", &[])
    );
    assert_eq!(first.expect("inserted"), 1);
    assert_eq!(code(&second.expect_err("refused")), Some("23505"));
    assert_eq!(third.expect("rows").len(), 2);
}

#[tokio::test]
async fn transactions_and_portals() {
    let server = Server::start().await;
    let mut client = connect(&server).await;
    let statement = client.prepare("SELECT rows 5").await.expect("prepared");
    let transaction = client.transaction().await.expect("begun");
    transaction.execute("INSERT a", &[]).await.expect("inserted");
    let portal = transaction.bind(&statement, &[]).await.expect("bound");
    let mut sizes = Vec::new();
    for _ in 0..3 {
        sizes.push(transaction.query_portal(&portal, 2).await.expect("rows").len());
    }
    assert_eq!(sizes, [2, 2, 1]);
    assert!(server.engine.committed().is_empty());
    transaction.commit().await.expect("committed");
    assert_eq!(server.engine.committed(), ["a"]);
}

#[tokio::test]
async fn copies_in_and_out() {
    let server = Server::start().await;
    let client = connect(&server).await;
    let sink = client.copy_in::<_, bytes::Bytes>("COPY IN").await.expect("begun");
    let mut sink = std::pin::pin!(sink);
    sink.send("a\nb\n".into()).await.expect("sent");
    assert_eq!(sink.finish().await.expect("copied"), 2);
    assert_eq!(server.engine.committed(), ["a", "b"]);

    let sink = client.copy_in::<_, bytes::Bytes>("COPY IN").await.expect("begun");
    let mut sink = std::pin::pin!(sink);
    sink.send("bad\n".into()).await.expect("sent");
    assert_eq!(code(&sink.finish().await.expect_err("refused")), Some("22P04"));

    let lines = client.copy_out("COPY OUT 3").await.expect("begun");
    assert_eq!(lines.try_collect::<Vec<_>>().await.expect("lines").len(), 3);
}

#[tokio::test]
async fn a_stream_is_read_and_cancelled() {
    let server = Server::start().await;
    let client = connect(&server).await;
    let parameters: [i32; 0] = [];
    let rows = client.query_raw("SELECT stream 2", parameters).await.expect("begun");
    let mut rows = std::pin::pin!(rows);
    for n in 0..2 {
        let row = rows.next().await.expect("a row").expect("no error");
        assert_eq!(row.get::<_, i32>(0), n);
    }
    client.cancel_token().cancel_query(NoTls).await.expect("sent");
    let error = rows.next().await.expect("an end").expect_err("cancelled");
    assert_eq!(code(&error), Some("57014"));
    server.engine.streams_become(0).await;
}
