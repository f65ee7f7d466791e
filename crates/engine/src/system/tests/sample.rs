//! A catalog with an object of every kind: what `sample.sql` makes in PostgreSQL.

use weir_catalog::{
    Catalog, Check, Column, MaterializedView, Object, ObjectBody, OnError, PUBLIC_ID, Schema,
    StoredQuery, StoredRelation, Stream, StreamOptions, Table, View,
};
use weir_types::{ColumnId, Epoch, ObjectId, SqlType, TopicId};

pub(super) const CUSTOMERS: u32 = 16_384;
pub(super) const CUSTOMERS_PKEY: u32 = 16_385;
pub(super) const ORDERS: u32 = 16_386;
pub(super) const ORDERS_PKEY: u32 = 16_387;
pub(super) const CLICKS: u32 = 16_388;
pub(super) const SHOP: u32 = 16_389;
pub(super) const STOCK: u32 = 16_390;
pub(super) const BIG_ORDERS: u32 = 16_391;
pub(super) const ORDER_TOTALS: u32 = 16_392;

fn object(id: u32, schema: ObjectId, name: &str, body: ObjectBody) -> Object {
    Object {
        id: ObjectId(id),
        schema,
        name: name.to_owned(),
        owner: "weir".to_owned(),
        comment: None,
        created: Epoch(1),
        part_of: None,
        body,
    }
}

fn columns(list: Vec<(&str, SqlType)>) -> Vec<Column> {
    (0..).zip(list).map(|(i, (name, t))| Column::new(ColumnId(i), name, t)).collect()
}

fn table(
    columns: Vec<Column>,
    key: &[u32],
    pkey: Option<(u32, &str)>,
    checks: Vec<Check>,
) -> ObjectBody {
    ObjectBody::Table(Table {
        topic: TopicId(1),
        columns,
        schema_version: 0,
        primary_key: key.iter().map(|id| ColumnId(*id)).collect(),
        primary_key_name: pkey.map(|(_, name)| name.to_owned()),
        primary_key_id: pkey.map(|(id, _)| ObjectId(id)),
        checks,
    })
}

fn query(sql: &str, id: u32) -> StoredQuery {
    let relation = StoredRelation {
        schema: None,
        name: "orders".to_owned(),
        id: ObjectId(id),
        columns: Vec::new(),
    };
    StoredQuery { sql: sql.to_owned(), time_zone: "UTC".to_owned(), relations: vec![relation] }
}

fn customers() -> Object {
    let mut list = columns(vec![
        ("id", SqlType::Int8),
        ("name", SqlType::Text),
        ("email", SqlType::Varchar(Some(80))),
        ("joined", SqlType::Timestamptz),
        ("score", SqlType::Numeric(Some((10, 2)))),
        ("tags", SqlType::Array(Box::new(SqlType::Text))),
    ]);
    for i in [0, 1, 3] {
        list[i].nullable = false;
    }
    list[2].default = Some("'none@example.org'".to_owned());
    list[2].comment = Some("may be empty".to_owned());
    list[3].default = Some("now()".to_owned());
    let check = Check { name: "score_positive".to_owned(), expr: "score >= 0".to_owned() };
    let pkey = Some((CUSTOMERS_PKEY, "customers_pkey"));
    let mut object =
        object(CUSTOMERS, PUBLIC_ID, "customers", table(list, &[0], pkey, vec![check]));
    object.comment = Some("people who buy".to_owned());
    object
}

fn orders() -> Object {
    let mut list = columns(vec![
        ("customer", SqlType::Int8),
        ("item", SqlType::Int4),
        ("price", SqlType::Numeric(Some((12, 2)))),
        ("total", SqlType::Numeric(Some((12, 2)))),
        ("placed", SqlType::Date),
    ]);
    for i in [0, 1, 2] {
        list[i].nullable = false;
    }
    list[3].generated = Some("price * 2".to_owned());
    let pkey = Some((ORDERS_PKEY, "orders_pkey"));
    object(ORDERS, PUBLIC_ID, "orders", table(list, &[0, 1], pkey, vec![]))
}

fn clicks() -> Object {
    let mut list = columns(vec![
        ("at", SqlType::Timestamptz),
        ("url", SqlType::Text),
        ("who", SqlType::Uuid),
        ("body", SqlType::Jsonb),
    ]);
    list[1].nullable = false;
    let body = ObjectBody::Stream(Stream {
        topic: TopicId(2),
        columns: list,
        schema_version: 0,
        partition_by: vec![],
        options: StreamOptions::default(),
        source: None,
    });
    object(CLICKS, PUBLIC_ID, "clicks", body)
}

fn stock() -> Object {
    let mut list = columns(vec![
        ("sku", SqlType::Char(8)),
        ("n", SqlType::Int2),
        ("ok", SqlType::Bool),
        ("_rowid", SqlType::Int8),
    ]);
    list[2].default = Some("true".to_owned());
    list[3].hidden = true;
    list[3].nullable = false;
    object(STOCK, ObjectId(SHOP), "stock", table(list, &[3], None, vec![]))
}

fn views() -> [Object; 2] {
    let mut view = object(
        BIG_ORDERS,
        PUBLIC_ID,
        "big_orders",
        ObjectBody::View(View {
            query: query("SELECT customer, price FROM orders WHERE price > 100", ORDERS),
            columns: columns(vec![
                ("customer", SqlType::Int8),
                ("price", SqlType::Numeric(Some((12, 2)))),
            ]),
        }),
    );
    view.comment = Some("over 100".to_owned());
    let sql = "SELECT customer, sum(price) AS total, count(*) AS n FROM orders GROUP BY customer";
    let mut totals = object(
        ORDER_TOTALS,
        PUBLIC_ID,
        "order_totals",
        ObjectBody::MaterializedView(MaterializedView {
            query: query(sql, ORDERS),
            columns: columns(vec![
                ("customer", SqlType::Int8),
                ("total", SqlType::Numeric(None)),
                ("n", SqlType::Int8),
            ]),
            on_error: OnError::Fail,
        }),
    );
    totals.comment = Some("kept up to date".to_owned());
    [view, totals]
}

/// The sample catalog.
pub(super) fn catalog() -> Catalog {
    let mut catalog = Catalog::new();
    let mut shop = object(SHOP, ObjectId(SHOP), "shop", ObjectBody::Schema(Schema {}));
    shop.comment = Some("the shop".to_owned());
    for object in [shop, customers(), orders(), clicks(), stock()].into_iter().chain(views()) {
        catalog.put(object);
    }
    catalog.set_next_id(ORDER_TOTALS + 1);
    catalog
}
