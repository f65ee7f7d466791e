WITH RECURSIVE t(id, g, i, b, n, f, s, d, ts, flag) AS (VALUES
  (1, 'a', 10, 10000000000, 1.50, 1.5::float8, 'one', date '2024-01-01', timestamp '2024-01-01 10:00', true),
  (2, 'a', 20, 20000000000, 2.25, 2.5, 'two', date '2024-01-02', timestamp '2024-01-02 11:00', false),
  (3, 'b', NULL, 30000000000, NULL, -0.0, NULL, date '2024-02-01', NULL, NULL),
  (4, 'b', 20, NULL, -3.75, NULL, 'four', NULL, timestamp '2024-03-01 12:30', true),
  (5, NULL, -5, 9000000000, 100.00, 1e10, '', date '2023-12-31', timestamp '2023-12-31 23:59:59.5', false),
  (6, 'a', 20, 20000000000, 2.25, 2.5, 'two', date '2024-01-02', timestamp '2024-01-02 11:00', false)
), u(id, k, v) AS (VALUES
  (1, 'x', 1), (1, 'y', 2), (2, 'x', 3), (2, 'x', 3), (7, 'z', NULL), (NULL, 'n', 0)
)
