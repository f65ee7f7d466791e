SELECT count(*), count(i), count(DISTINCT i), sum(i), sum(b), avg(i), avg(b) FROM t
SELECT sum(n), avg(n), min(n), max(n) FROM t
SELECT sum(f), avg(f), min(f), max(f) FROM t
SELECT sum(i::int2), avg(i::int2), sum(f::float4), avg(f::float4) FROM t
SELECT min(s), max(s), min(d), max(ts), min(g) FROM t
SELECT bool_and(flag), bool_or(flag), every(flag) FROM t
SELECT bit_and(i), bit_or(i), bit_xor(i) FROM t WHERE i > 0
SELECT g, count(*), sum(i), avg(n) FROM t GROUP BY g ORDER BY g
SELECT g, count(*) FILTER (WHERE i > 10), sum(i) FILTER (WHERE flag) FROM t GROUP BY g ORDER BY g
SELECT sum(DISTINCT i), avg(DISTINCT i), count(DISTINCT g), sum(DISTINCT n) FROM t
SELECT g, sum(DISTINCT i), avg(DISTINCT n) FROM t GROUP BY g ORDER BY g
SELECT sum(i) FROM t WHERE false
SELECT count(*), avg(n), array_agg(i) FROM t WHERE false
SELECT var_pop(f), var_samp(f), stddev_pop(f), stddev_samp(f), variance(f), stddev(f) FROM t WHERE f < 100
SELECT var_pop(i), var_samp(i), stddev_pop(i), stddev(i), variance(n) FROM t
SELECT covar_pop(i, id), covar_samp(i, id), corr(i, id), regr_slope(i, id), regr_count(i, id) FROM t
SELECT regr_intercept(i, id), regr_r2(i, id), regr_avgx(i, id), regr_avgy(i, id), regr_sxx(i, id), regr_sxy(i, id), regr_syy(i, id) FROM t
SELECT array_agg(i ORDER BY id) FROM t
SELECT array_agg(DISTINCT i ORDER BY i) FROM t
SELECT string_agg(s, ',' ORDER BY id) FROM t
SELECT string_agg(DISTINCT s, ',' ORDER BY s) FROM t
SELECT json_agg(i ORDER BY id), jsonb_agg(s ORDER BY id) FROM t
SELECT json_object_agg(id, s ORDER BY id), jsonb_object_agg(id, i ORDER BY id) FROM t
SELECT sum(2147483647 + id) FROM t
SELECT sum(9223372036854775807) FROM t
SELECT sum(2147483647) FROM t
SELECT avg(d - date '2024-01-01') FROM t
SELECT sum(ts - timestamp '2024-01-01'), avg(ts - timestamp '2024-01-01') FROM t
SELECT max(interval '1 day' * id), min(interval '1 month' / id) FROM t
SELECT g, i FROM t GROUP BY g
SELECT sum(sum(i)) FROM t
SELECT * FROM t WHERE sum(i) > 1
SELECT g FROM t GROUP BY g HAVING sum(i) > 20 ORDER BY g
SELECT g, i, sum(b) FROM t GROUP BY ROLLUP (g, i) ORDER BY g, i, 3
SELECT g, i, count(*), grouping(g, i) FROM t GROUP BY GROUPING SETS ((g), (i), ()) ORDER BY 1, 2, 3
SELECT g || '!', i + 1, count(*) FROM t GROUP BY g || '!', i + 1 ORDER BY 1, 2
SELECT i / 0 FROM t
SELECT id FROM t WHERE i <> 0 AND 100 / i > 4 ORDER BY id
SELECT id FROM t WHERE id > 0 AND 10 / (id - 3) > 3 AND id <> 3
SELECT CASE WHEN i > 0 THEN 100 / i ELSE 0 END FROM t ORDER BY id
SELECT id, i + 2147483630 FROM t
SELECT id, -i, abs(i), i * 2, i % 7, i / 3 FROM t ORDER BY id
SELECT id, n + 1, n * 2, n / 3, n % 2, -n, round(n), round(n, 1) FROM t WHERE id < 3 ORDER BY id
SELECT id, i::text, n::text, d::text, ts::text, flag::text FROM t ORDER BY id
SELECT id, s || '-' || id FROM t ORDER BY id
SELECT id FROM t WHERE s LIKE 't%' ORDER BY id
SELECT id FROM t WHERE d = '2024-01-02' ORDER BY id
SELECT id FROM t WHERE d BETWEEN '2024-01-01' AND '2024-01-31' ORDER BY id
SELECT id FROM t WHERE ts > '2024-01-02' ORDER BY id
SELECT id FROM t WHERE i IN ('10', 20) ORDER BY id
SELECT id FROM t WHERE i = ANY(array[10, 20]) ORDER BY id
SELECT id FROM t WHERE n IN (1.5, 100) ORDER BY id
SELECT id FROM t WHERE i NOT IN (10, NULL)
SELECT id FROM t WHERE i IN ('x')
SELECT id FROM t WHERE i
SELECT id FROM t WHERE 'true' ORDER BY id
SELECT nope FROM t
SELECT t.nope FROM t
SELECT id FROM t, u
SELECT id FROM nope
SELECT nope(id) FROM t
SELECT * FROM t JOIN u ON t.id
SELECT t.id, u.k, u.v FROM t JOIN u ON t.id = u.id ORDER BY 1, 2, 3
SELECT t.id, u.k FROM t LEFT JOIN u ON t.id = u.id AND u.k = 'x' ORDER BY 1, 2
SELECT t.id, u.id FROM t FULL JOIN u ON t.id = u.id ORDER BY 1, 2
SELECT id, k FROM t JOIN u USING (id) ORDER BY 1, 2
SELECT t.id, u.v FROM t JOIN u ON t.n > u.v ORDER BY 1, 2
SELECT a.id, b.id FROM t a JOIN t b ON a.i = b.n::int ORDER BY 1, 2
SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id) ORDER BY id
SELECT id FROM t WHERE id IN (SELECT id FROM u) ORDER BY id
SELECT id FROM t WHERE id NOT IN (SELECT id FROM u)
SELECT id FROM t WHERE n IN (SELECT v + 0.5 FROM u) ORDER BY id
SELECT id FROM t WHERE '1' IN (SELECT id FROM u) ORDER BY id
SELECT id, (SELECT max(v) FROM u WHERE u.id = t.id) FROM t ORDER BY id
SELECT (SELECT id FROM t)
SELECT (SELECT count(*) FROM u) + 1
SELECT id FROM t WHERE i > ALL (SELECT v FROM u WHERE v IS NOT NULL) ORDER BY id
SELECT id FROM t WHERE i = ANY (SELECT v * 10 FROM u) ORDER BY id
SELECT i FROM t UNION SELECT v FROM u ORDER BY 1
SELECT i FROM t UNION ALL SELECT n FROM t ORDER BY 1
SELECT id, 'x' FROM t UNION ALL SELECT 7, NULL ORDER BY 1
SELECT 1 UNION SELECT '2' ORDER BY 1
SELECT 1 UNION SELECT 'x'
SELECT 1 UNION SELECT 2.5 ORDER BY 1
SELECT NULL UNION SELECT 1 ORDER BY 1
SELECT 1 UNION SELECT true
SELECT 1, 2 UNION SELECT 1
SELECT id FROM u INTERSECT SELECT id FROM t ORDER BY 1
SELECT id FROM u INTERSECT ALL SELECT id FROM u WHERE k = 'x' ORDER BY 1
SELECT id FROM u EXCEPT SELECT id FROM t ORDER BY 1
SELECT id FROM u EXCEPT ALL SELECT id FROM t ORDER BY 1
SELECT id, k FROM u EXCEPT ALL SELECT 2, 'x' ORDER BY 1, 2
SELECT i FROM t EXCEPT ALL SELECT 20 ORDER BY 1
SELECT i FROM t INTERSECT ALL SELECT i FROM t ORDER BY 1
SELECT DISTINCT i FROM t ORDER BY i
SELECT DISTINCT ON (g) g, id, i FROM t ORDER BY g, i DESC, id
SELECT DISTINCT f FROM t ORDER BY 1
SELECT id FROM t ORDER BY i, id
SELECT id FROM t ORDER BY i DESC, id
SELECT id FROM t ORDER BY i NULLS FIRST, id
SELECT id, i FROM t ORDER BY i + 0 DESC NULLS LAST, 1
SELECT id FROM t ORDER BY id LIMIT 2
SELECT id FROM t ORDER BY id LIMIT 2 OFFSET 3
SELECT id FROM t ORDER BY id LIMIT -1
SELECT id FROM t ORDER BY id FETCH FIRST 2 ROWS ONLY
SELECT x FROM (SELECT 1 AS x UNION ALL SELECT 2) q WHERE x + 1 > 2
SELECT x + 1 FROM (SELECT 'a' AS x) q
SELECT x || 'b' FROM (SELECT 'a' AS x) q
SELECT x + 1.5 FROM (SELECT 2 AS x) q
SELECT id, row_number() OVER (ORDER BY id DESC) FROM t ORDER BY id
SELECT id, rank() OVER (ORDER BY i), dense_rank() OVER (ORDER BY i) FROM t ORDER BY id
SELECT id, ntile(4) OVER (ORDER BY id) FROM t ORDER BY id
SELECT id, sum(i) OVER (ORDER BY id), avg(i) OVER (PARTITION BY g) FROM t ORDER BY id
SELECT id, sum(f) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t ORDER BY id
SELECT id, lag(i) OVER (ORDER BY id), lead(i, 2) OVER (ORDER BY id), lag(i, 1, 0) OVER (ORDER BY id) FROM t ORDER BY id
SELECT id, lag(s, 1, 'none') OVER (ORDER BY id) FROM t ORDER BY id
SELECT id, first_value(i) OVER (PARTITION BY g ORDER BY id), last_value(i) OVER (PARTITION BY g ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM t ORDER BY id
SELECT id, count(*) OVER (PARTITION BY g), min(n) OVER (ORDER BY id), max(b) OVER () FROM t ORDER BY id
SELECT id, percent_rank() OVER (ORDER BY id), cume_dist() OVER (ORDER BY id) FROM t ORDER BY id
SELECT id, nth_value(i, 2) OVER (ORDER BY id) FROM t ORDER BY id
SELECT id, sum(i) OVER (ORDER BY d RANGE BETWEEN '1 day' PRECEDING AND CURRENT ROW) FROM t WHERE d IS NOT NULL ORDER BY id
SELECT g, sum(sum(i)) OVER (ORDER BY g) FROM t GROUP BY g ORDER BY g
SELECT * FROM (VALUES (1, 'a'), (2, NULL)) v(x, y) ORDER BY x
SELECT * FROM (VALUES (1), (2.5)) v(x) ORDER BY x
SELECT * FROM (VALUES ('1'), (2)) v(x) ORDER BY x
SELECT * FROM (VALUES (date '2024-01-01'), ('2024-01-02')) v(x) ORDER BY x
SELECT * FROM (VALUES (1), ('x')) v(x)
SELECT * FROM (VALUES (1), (true)) v(x)
SELECT x + 1 FROM (VALUES (1), (2)) v(x) ORDER BY 1
SELECT * FROM generate_series(1, 4) g ORDER BY g
SELECT * FROM generate_series(1, 10, 3) ORDER BY 1
SELECT * FROM generate_series(5, 1, -2) ORDER BY 1
SELECT * FROM generate_series(1.0, 2.0, 0.5) g(x) ORDER BY x
SELECT * FROM generate_series(timestamp '2024-01-31', '2024-04-30', '1 month') g ORDER BY g
SELECT * FROM generate_series(1, 3, 0)
SELECT generate_series(1, 3) AS x ORDER BY x
SELECT id, generate_series(1, id) AS x FROM t WHERE id < 3 ORDER BY 1, 2
SELECT unnest(array[1, 2]) AS x, unnest(array['a', 'b', 'c']) AS y ORDER BY y
SELECT * FROM unnest(array[3, 1, 2]) AS x ORDER BY x
SELECT * FROM unnest(array[1, 2], array['a', 'b']) AS q(x, y) ORDER BY x
SELECT value FROM jsonb_array_elements('[1, {"a": 2}]') AS q(value) ORDER BY value::text
SELECT * FROM regexp_split_to_table('a b c', ' ') AS w ORDER BY w
SELECT * FROM json_object_keys('{"b": 1, "a": 2}') AS k ORDER BY k
SELECT * FROM lower('ABC')
SELECT * FROM string_to_table('a,b', ',') AS p ORDER BY p
SELECT array(SELECT id FROM t ORDER BY id DESC)
SELECT array(SELECT id FROM t WHERE id > 100)
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r ORDER BY n
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1.5 FROM r WHERE n < 5) SELECT n FROM r
WITH w AS (SELECT g, sum(i) AS total FROM t GROUP BY g) SELECT g, total + 1 FROM w ORDER BY g
SELECT id, nullif(i, 20), coalesce(i, 0), greatest(i, 15), least(n, 2) FROM t ORDER BY id
SELECT id, i IS NULL, i IS DISTINCT FROM 20, flag IS NOT TRUE FROM t ORDER BY id
SELECT id, d + 1, d - date '2024-01-01', ts + interval '1 hour', ts::date FROM t ORDER BY id
SELECT id, extract(year FROM ts), date_trunc('month', ts), to_char(ts, 'YYYY-MM') FROM t ORDER BY id
SELECT id, ts AT TIME ZONE 'UTC' FROM t ORDER BY id
SELECT g::varchar(1), s::char(4) || '|' FROM t ORDER BY id
SELECT id FROM t WHERE (g, i) = ('a', 20) ORDER BY id
SELECT id FROM t WHERE (id, i) IN ((1, 10), (2, 21)) ORDER BY id
SELECT id FROM t WHERE (i, id) > (10, 3) ORDER BY id
SELECT id FROM t GROUP BY id HAVING count(*)
SELECT length(s), upper(s), md5(s) FROM t ORDER BY id
SELECT sum(length(s)) FROM t
SELECT id, to_jsonb(s), json_build_object('id', id, 'n', n) FROM t ORDER BY id
SELECT count(*) FROM t WHERE f = 0
SELECT f, count(*) FROM t GROUP BY f ORDER BY f
SELECT max(x) FROM (VALUES ('NaN'::float8), (1), ('Infinity')) v(x)
SELECT min(x), sum(x), avg(x) FROM (VALUES ('NaN'::float8), (1)) v(x)
SELECT sum(x) FROM (VALUES ('Infinity'::float8), ('-Infinity')) v(x)
SELECT sum(x) FROM (VALUES (1e308::float8), (1e308)) v(x)
SELECT sum(x) FROM (VALUES (1e20::float8), (1), (-1e20)) v(x) WHERE x = 1
SELECT x FROM (VALUES ('NaN'::float8), (1), ('Infinity'), (-0.0), (NULL)) v(x) ORDER BY x DESC
SELECT id FROM t WHERE flag AND i > 5 OR g = 'b' ORDER BY id
SELECT id FROM t WHERE NOT flag ORDER BY id
SELECT a.id FROM t a, t b WHERE a.i = b.i AND a.id < b.id ORDER BY 1
SELECT count(*) FROM (SELECT DISTINCT g, i FROM t) q
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY i) FROM t
SELECT g, i, n FROM t ORDER BY g DESC, i, n, id
SELECT x FROM (VALUES (interval '1 day'), ('23 hours'), ('1 month'), ('40 days')) v(x) ORDER BY x DESC
SELECT x, row_number() OVER (ORDER BY x) FROM (VALUES (interval '1 day'), ('23 hours'), ('1 month'), ('40 days')) v(x) ORDER BY x
SELECT array_agg(x ORDER BY x) FROM (VALUES (interval '1 day'), ('23 hours'), ('1 month'), ('40 days')) v(x)
SELECT unnest(ARRAY['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid]) AS x
SELECT unnest(x) FROM (SELECT array_agg(id::text::varchar(5)) AS x FROM t) q
SELECT x->'a' FROM (SELECT unnest(ARRAY['{"a":1}'::jsonb, '{"b":2}']) AS x) q
