-- An object of every kind. Clients' queries name the objects by their oids, which are given in this
-- order: customers is 16384.
CREATE TABLE customers (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    email varchar(80) DEFAULT 'none@example.org',
    joined timestamptz NOT NULL DEFAULT now(),
    score numeric(10,2) CONSTRAINT score_positive CHECK (score >= 0),
    tags text[]
);
CREATE TABLE orders (
    customer bigint,
    item integer,
    price numeric(12,2) NOT NULL,
    total numeric(12,2) GENERATED ALWAYS AS (price * 2) STORED,
    placed date,
    PRIMARY KEY (customer, item)
);
CREATE STREAM clicks (at timestamptz, url text NOT NULL, who uuid, body jsonb);
CREATE SCHEMA shop;
CREATE TABLE shop.stock (sku char(8), n smallint, ok boolean DEFAULT true);
CREATE VIEW big_orders AS SELECT customer, price FROM orders WHERE price > 100;
CREATE MATERIALIZED VIEW order_totals AS
    SELECT customer, sum(price) AS total, count(*) AS n FROM orders GROUP BY customer;
COMMENT ON SCHEMA shop IS 'the shop';
COMMENT ON TABLE customers IS 'people who buy';
COMMENT ON COLUMN customers.email IS 'may be empty';
COMMENT ON VIEW big_orders IS 'over 100';
COMMENT ON MATERIALIZED VIEW order_totals IS 'kept up to date';
INSERT INTO customers (id, name) VALUES (1, 'ann'), (2, 'bob'), (3, 'cyd');
