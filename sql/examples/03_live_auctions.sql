-- A live generator: the auctions of the Nexmark benchmark, 200 events a second without an end.

CREATE STREAM auctions WITH (
    connector = 'nexmark',
    table = 'auction',
    rate = '200',
    base_time = 'now'
);

CREATE STREAM bids WITH (
    connector = 'nexmark',
    table = 'bid',
    rate = '200',
    base_time = 'now'
);

CREATE MATERIALIZED VIEW bids_by_channel AS
SELECT channel, count(*) AS bids, max(price) AS highest
FROM bids
GROUP BY channel;

CREATE MATERIALIZED VIEW bids_by_category AS
SELECT a.category, count(*) AS bids, max(b.price) AS highest
FROM bids b
JOIN auctions a ON a.id = b.auction
GROUP BY a.category;
