# Literals and their types
1
2147483647
2147483648
-2147483648
9223372036854775807
9223372036854775808
1.5
1.50
.5
1e3
1.5e-3
'abc'
NULL
true
'1'::int
# Integer arithmetic
1 + 1
2147483647 + 1
2147483647 + 1::int8
9223372036854775807 + 1
32767::int2 + 1::int2
32767::int2 + 1
1::int2 + 1::int2
1::int2 + 1::int8
-(-2147483647 - 1)
-(-32768)::int2
2147483647 * 2
3000000000 * 3000000000
7 / 2
-7 / 2
7 % 3
-7 % 3
7 % -3
1 / 0
1 % 0
1::int8 / 0
(-2147483647 - 1) / -1
(-2147483647 - 1) % -1
abs(-5)
abs(-2147483647 - 1)
abs(-5.5)
abs(-5.5::float8)
@ -5
5 & 3
5 | 3
5 # 3
~5
1 << 4
-16 >> 2
1::int8 << 40
gcd(12, 18)
lcm(4, 6)
mod(7, 3)
mod(7.5, 2)
div(7.5, 2)
div(-7.5, 2)
1 + '2'
'2' + 1
1 + '2.5'
'1' + '2'
1 + 'x'
1 + true
'a'::text + 1
# Numeric arithmetic
1.1 + 2.2
1.10 + 2.2
1 + 1.5
1.5 * 1.5
1.25 * 4
0.1 * 0.1 * 0.1
1 / 3.0
10 / 4.0
2.0 / 3
100000.0 / 3
1.0 / 0
5.5 % 2
-5.5 % 2
1.5 - 0.5
-1.5
round(2.5)
round(-2.5)
round(3.5)
round(1.2345, 2)
round(1.235, 2)
round(1234.5, -2)
round(1.5, 4)
trunc(1.999)
trunc(-1.999)
trunc(1.999, 2)
ceil(1.2)
ceil(-1.2)
ceiling(1.0)
floor(1.7)
floor(-1.2)
sign(-3.5)
sign(0)
sqrt(2.0)
sqrt(16.0)
sqrt(-1.0)
power(2.0, 3)
power(2.0, -2)
power(2, 10)
power(0, -1)
power(-8, 1.0/3)
2 ^ 3
2.0 ^ 3
exp(0.0)
ln(1.0)
ln(0)
ln(-1)
log(100.0)
log(2.0, 8.0)
factorial(5)
scale(1.230)
min_scale(1.230)
width_bucket(5.35, 0.024, 10.06, 5)
width_bucket(35.0, 0.024, 10.06, 5)
123456789012345678901234567890 + 1
1.5::numeric(3,1)
1.25::numeric(3,1)
-1.25::numeric(3,1)
123.45::numeric(4,2)
1::numeric(1,1)
0.05::numeric(1,1)
'1.005'::numeric(5,2)
'abc'::numeric
''::numeric
' 12 '::numeric
'1e5'::numeric
# Floats
1.5::float8 + 1
1::float4 + 1
1::float4 + 1::float4
1::float4 + 1.5
1::float8 / 0
0::float8 / 0
'NaN'::float8 / 0
'NaN'::float8 = 'NaN'::float8
'NaN'::float8 > 'Infinity'::float8
1e308::float8 * 10
1e-308::float8 * 1e-308::float8
'Infinity'::float8 + 1
0.1::float8 + 0.2::float8
0.1::float4
0.1::float4 + 0.2::float4
1::float8 / 3
1::float4 / 3
1e15::float8
1e16::float8
123456789.123::float8
-0.0::float8
0.0::float8 = -0.0::float8
sqrt(2::float8)
sqrt(-1::float8)
cbrt(27::float8)
exp(1::float8)
exp(1000::float8)
ln(10::float8)
log(1000::float8)
power(2::float8, 0.5)
power(10::float8, 400)
sin(1::float8)
cos(1::float8)
tan(1::float8)
asin(2::float8)
atan2(1::float8, 2)
degrees(1::float8)
radians(180::float8)
pi()
round(2.5::float8)
round(3.5::float8)
round(-0.5::float8)
trunc(2.7::float8)
ceil(2.1::float8)
floor(-2.1::float8)
sign(-2.5::float8)
width_bucket(5.35::float8, 0.024, 10.06, 5)
'abc'::float8
'1e400'::float8
# Casts between numbers
2147483648::int4
32768::int2
9223372036854775808::int8
1.5::int
2.5::int
-2.5::int
0.5::int
2.5::float8::int
3.5::float8::int
-2.5::float8::int
1e10::float8::int
1e20::float8::int8
'NaN'::float8::int
'32768'::int2
'2147483648'::int
' 42 '::int
'4 2'::int
'0x1F'::int
'1.5'::int
''::int
1::bool
0::bool
2::bool
true::int
false::int
true::int8
1.5::bool
1e400::float8
1e40::float4
3.4e38::float8::float4
1.1::float4::float8
1.1::float8::float4
0.1::float8::numeric
(1.0::float8 / 3)::numeric(20,10)
123456789012::float8::int8
16777217::float4
9007199254740993::float8
# Booleans
'yes'::bool
'off'::bool
'T'::bool
'maybe'::bool
true AND NULL
false AND NULL
true OR NULL
NULL OR false
NOT NULL::bool
true AND 'f'
1 AND true
NOT 1
true::text
false::text || 'x'
true IS TRUE
NULL::bool IS UNKNOWN
true > false
# Comparisons
1 = 1.0
1 < 1.5
1 = '1'
1 = 'x'
'a' < 'b'
'a' = 'a '
'abc' > 'abd'
1::int2 = 1::int8
1.0::float8 = 1
1::float4 = 1.1
1.1::float4 = 1.1
1 = true
'1' = 1.0
date '2024-01-01' = '2024-01-01'
date '2024-01-01' < timestamp '2024-01-01 00:00:01'
'2024-01-01' = date '2024-01-01'
1 BETWEEN 0 AND 2
1 BETWEEN 2 AND 0
'b' BETWEEN 'a' AND 'c'
1.5 BETWEEN 1 AND 2
NOT 1 BETWEEN 0 AND 2
1 IN (1, 2)
1 IN (2, 3)
1 IN (2, NULL)
1 NOT IN (2, NULL)
1 IN ('1', 2)
1 IN (1.0, 2)
'a' IN ('b', 'a')
1 IS DISTINCT FROM NULL
NULL IS NOT DISTINCT FROM NULL
1 IS DISTINCT FROM 1.0
NULL = NULL
1 = NULL
(1, 2) = (1, 2)
(1, 2) < (1, 3)
(1, 'a') <> (1, 'b')
(2, 1) > (1, 9)
(1, NULL) = (2, 1)
interval '1 day' = interval '24 hours'
interval '1 month' > interval '29 days'
interval '30 days' = interval '1 month'
'{"a": 1}'::jsonb = '{"a":1}'::jsonb
'{"a": 1}'::json = '{"a": 1}'::json
array[1,2] = array[1,2]
array[1,2] < array[1,3]
'\x01'::bytea < '\x02'::bytea
# Conditionals
CASE WHEN true THEN 1 ELSE 2.5 END
CASE WHEN false THEN 1 ELSE 2.5 END
CASE 1 WHEN 1 THEN 'one' ELSE 'other' END
CASE WHEN true THEN 'a' END
CASE WHEN false THEN 1 END
CASE WHEN true THEN 1 ELSE 'x' END
CASE WHEN true THEN '1' ELSE 2 END
CASE WHEN true THEN date '2024-01-01' ELSE timestamp '2024-01-01 10:00' END
CASE WHEN 1 THEN 2 END
CASE 'a' WHEN 1 THEN 2 END
coalesce(NULL, 1)
coalesce(NULL, 1, 2.5)
coalesce(NULL, 'a')
coalesce(NULL, NULL)
coalesce(1, 'x')
coalesce(1, 1/0)
nullif(1, 1)
nullif(1, 2)
nullif('a', 'b')
nullif(1, 1.0)
greatest(1, 2, NULL)
least(1, NULL, 3)
greatest(1, 2.5)
greatest('a', 'b')
least(NULL, NULL)
num_nulls(1, NULL, 'a')
num_nonnulls(1, NULL, 'a')
# Text
'a' || 'b'
'a' || 1
1 || 'a'
'a' || NULL
'a' || true
'a' || 1.50
1 || 2
length('héllo')
char_length('abc')
octet_length('héllo')
bit_length('ab')
lower('ABC')
upper('abc')
initcap('hello wORLD foo-bar')
reverse('abc')
left('abcdef', 2)
left('abcdef', -2)
left('abc', 10)
right('abcdef', 2)
right('abcdef', -2)
right('héé', 2)
substr('abcdef', 2)
substr('abcdef', 2, 3)
substr('abcdef', -1, 3)
substr('abcdef', 0, 3)
substr('abcdef', 2, -1)
substring('abcdef' from 2 for 3)
substring('abcdef' from 3)
substring('abcdef' for 2)
substring('foobar' from 'o.b')
substring('foobar' from 'o(.)b')
substring('foobar' from 'x')
overlay('Txxxxas' placing 'hom' from 2 for 4)
overlay('abcdef' placing 'XY' from 3)
overlay('abcdef' placing 'XY' from 0)
position('b' in 'abc')
position('' in 'abc')
strpos('abcabc', 'ca')
strpos('abc', 'x')
lpad('hi', 5)
lpad('hi', 5, 'xy')
lpad('hello', 3)
rpad('hi', 5, 'xy')
rpad('hello', 3, 'x')
lpad('hi', -1)
trim('  a ')
trim(both 'x' from 'xxaxx')
trim(leading 'x' from 'xxaxx')
trim(trailing 'x' from 'xxaxx')
btrim('xyxtrimyyx', 'xyz')
ltrim('zzzytest', 'xyz')
rtrim('testxxzx', 'xyz')
repeat('ab', 3)
repeat('ab', -1)
replace('abcabc', 'b', 'XX')
replace('abc', '', 'x')
translate('12345', '143', 'ax')
split_part('a,b,c', ',', 2)
split_part('a,b,c', ',', -1)
split_part('a,b,c', ',', 5)
split_part('a,b,c', ',', 0)
split_part('a,b,c', '', 1)
concat('a', NULL, 1, true)
concat_ws(',', 'a', NULL, 'b', 2)
concat_ws(NULL, 'a', 'b')
format('Hello %s', 'World')
format('%s %s', 'a', NULL)
format('%I', 'foo bar')
format('%L', 'it''s')
format('%L', NULL)
format('%2$s %1$s', 'a', 'b')
format('%-5s|', 'ab')
format('%5s|', 'ab')
format('%%')
format('%s')
format('%x', 1)
quote_ident('foo')
quote_ident('Foo')
quote_ident('select')
quote_literal('it''s')
quote_literal('a\b')
quote_literal(5)
quote_nullable(NULL)
ascii('x')
ascii('é')
chr(65)
chr(233)
chr(0)
to_hex(255)
to_hex(-1)
to_hex(255::int8)
starts_with('abc', 'ab')
'abc' ^@ 'ab'
md5('abc')
sha256('abc'::bytea)
encode('\x0102ff'::bytea, 'hex')
encode('hello'::bytea, 'base64')
encode('\x00ff41'::bytea, 'escape')
encode('a'::bytea, 'foo')
decode('0102', 'hex')
decode('aGVsbG8=', 'base64')
decode('a\\000b', 'escape')
decode('zz', 'hex')
length('\x0102'::bytea)
'\x01'::bytea || '\x02'::bytea
substring('\x010203'::bytea from 2 for 1)
get_byte('\x0102'::bytea, 1)
get_byte('\x0102'::bytea, 2)
convert_from('\x616263'::bytea, 'UTF8')
'abc'::varchar(2)
'abc'::char(5) || 'x'
'abc'::char(2)
length('ab  '::char(5))
'ab'::char(5) = 'ab   '
'a'::char(3) = 'a'::text
'abc'::bytea
'\x4142'::bytea::text
string_to_array('a,b,c', ',')
string_to_array('a,b,NULL', ',', 'NULL')
string_to_array('abc', NULL)
string_to_array('', ',')
array_to_string(array[1,2,NULL,3], ',')
array_to_string(array[1,2,NULL,3], ',', '*')
array_to_string(array['a','b'], '-')
# Patterns
'abc' LIKE 'a%'
'abc' LIKE '_b_'
'abc' LIKE 'b'
'a%c' LIKE 'a\%c'
'a%c' LIKE 'a#%c' ESCAPE '#'
'abc' NOT LIKE 'a%'
'ABC' ILIKE 'a%'
'a\c' LIKE 'a\c' ESCAPE ''
NULL LIKE 'a'
1 LIKE '1'
'abc' SIMILAR TO 'a%'
'abc' SIMILAR TO '(b|c)%'
'abc' SIMILAR TO 'abc|def'
'abc' NOT SIMILAR TO 'b'
'abc' ~ 'b'
'abc' ~ '^b'
'ABC' ~* 'b'
'abc' !~ 'x'
'abc' !~* 'B'
'abc' ~ '('
'a' || E'\n' || 'b' ~ 'a.b'
regexp_replace('foobarbaz', 'b..', 'X')
regexp_replace('foobarbaz', 'b..', 'X', 'g')
regexp_replace('foobarbaz', 'b(..)', 'X\1Y', 'g')
regexp_replace('abc', 'B', 'x', 'i')
regexp_replace('abc', 'b', '[\&]')
regexp_match('foobarbequebaz', '(bar)(beque)')
regexp_match('foobarbequebaz', 'barbeque')
regexp_match('abc', 'x')
regexp_like('Hello', 'hello', 'i')
regexp_count('abcabc', 'b')
regexp_substr('abcabd', 'ab.', 1, 2)
regexp_instr('abcabc', 'c')
regexp_split_to_array('hello world  foo', '\s+')
regexp_split_to_array('abc', '')
'x1y' ~ '\d'
'foo bar' ~ '\mbar\M'
# Dates and times
date '2024-02-29'
date '2024-02-30'
'2024-13-01'::date
'foo'::date
date '2024-01-31' + 1
1 + date '2024-01-31'
date '2024-03-01' - 1
date '2024-03-01' - date '2024-02-01'
date '2024-01-31' + interval '1 month'
date '2024-01-31' - interval '1 day'
date '2024-01-01' + time '10:30'
timestamp '2024-01-31 10:00' + interval '1 month'
timestamp '2024-03-31 10:00' - interval '1 month'
timestamp '2024-01-02 12:00' - timestamp '2024-01-01 10:30'
timestamptz '2024-03-10 00:00-05' + interval '1 day'
timestamptz '2024-03-10 00:00-05' + interval '24 hours'
timestamptz '2024-01-01 00:00:00+00'
timestamptz '2024-07-01 12:00'
timestamptz '2024-01-02 00:00+00' - timestamptz '2024-01-01 00:00+00'
time '10:30' + interval '20 hours'
time '10:30' - time '09:15'
time '25:00'
interval '1 day 2 hours'
interval '1 year 2 months' + interval '3 days'
interval '1 day' * 2.5
interval '1 month' / 2
interval '1 day' / 0
-interval '1 day 2 hours'
2 * interval '1 hour'
interval '1-2'
interval 'P1Y2M3DT4H5M6S'
interval '2' day
interval '90 minutes'
interval 'foo'
make_date(2024, 2, 29)
make_date(2023, 2, 29)
make_time(10, 30, 15.5)
make_timestamp(2024, 1, 2, 3, 4, 5.678)
make_timestamptz(2024, 1, 2, 3, 4, 5, 'UTC')
make_interval(days => 10)
make_interval(1, 2, 3, 4, 5, 6, 7.5)
extract(year from date '2024-05-06')
extract(month from timestamp '2024-05-06 07:08:09.123456')
extract(second from timestamp '2024-05-06 07:08:09.123456')
extract(milliseconds from time '07:08:09.5')
extract(epoch from timestamp '2024-01-01')
extract(epoch from interval '1 day 1 hour')
extract(dow from date '2024-05-05')
extract(isodow from date '2024-05-05')
extract(doy from date '2024-12-31')
extract(week from date '2021-01-03')
extract(isoyear from date '2021-01-03')
extract(quarter from date '2024-05-06')
extract(century from date '2000-12-31')
extract(century from date '2001-01-01')
extract(decade from date '2024-01-01')
extract(millennium from date '2001-01-01')
extract(day from interval '40 days 1 hour')
extract(hour from interval '25 hours')
extract(month from interval '14 months')
extract(hour from timestamptz '2024-07-01 12:00+00')
extract(timezone from timestamptz '2024-07-01 12:00+00')
extract(julian from date '2024-01-01')
extract(hour from date '2024-01-01')
extract(foo from date '2024-01-01')
extract(year from date '0001-01-01 BC')
date_part('year', timestamp '2024-05-06')
date_part('second', timestamp '2024-05-06 07:08:09.5')
date_part('day', date '2024-05-06')
date_trunc('month', timestamp '2024-05-16 07:08:09')
date_trunc('week', timestamp '2024-05-16 07:08:09')
date_trunc('quarter', timestamp '2024-05-16 07:08:09')
date_trunc('decade', timestamp '2024-05-16 07:08:09')
date_trunc('century', timestamp '2024-05-16 07:08:09')
date_trunc('hour', timestamp '2024-05-16 07:08:09')
date_trunc('millisecond', timestamp '2024-05-16 07:08:09.123456')
date_trunc('day', timestamptz '2024-05-16 02:00+00')
date_trunc('day', timestamptz '2024-05-16 02:00+00', 'UTC')
date_trunc('day', timestamptz '2024-05-16 02:00+00', 'Asia/Tokyo')
date_trunc('hour', interval '3 days 02:47:33')
date_trunc('month', date '2024-05-16')
date_trunc('foo', timestamp '2024-05-16')
date_bin('15 minutes', timestamp '2024-02-11 15:44:17', timestamp '2001-01-01')
date_bin('1 month', timestamp '2024-02-11 15:44:17', timestamp '2001-01-01')
date_bin('0 minutes', timestamp '2024-02-11 15:44:17', timestamp '2001-01-01')
age(timestamp '2024-03-15', timestamp '2023-01-31')
age(timestamp '2023-01-31', timestamp '2024-03-15')
age(timestamp '2024-03-01 10:00', timestamp '2024-02-29 12:00')
justify_hours(interval '27 hours')
justify_days(interval '35 days')
justify_interval(interval '1 mon -1 hour')
timestamp '2024-01-01 12:00' AT TIME ZONE 'UTC'
timestamptz '2024-01-01 12:00+00' AT TIME ZONE 'Europe/Berlin'
timestamptz '2024-07-01 12:00+00' AT TIME ZONE interval '2 hours'
timezone('UTC', timestamp '2024-01-01 00:00')
timestamp '2024-01-01' AT TIME ZONE 'Mars/Base'
timestamp '2024-01-01 10:00'::date
timestamp '2024-01-01 10:00'::time
timestamptz '2024-01-01 02:00+00'::date
timestamptz '2024-01-01 02:00+00'::timestamp
timestamp '2024-07-01 02:00'::timestamptz
date '2024-01-01'::timestamptz
date '2024-01-01'::timestamp
time '10:00'::interval
interval '25 hours'::time
to_char(timestamp '2024-05-06 17:08:09.123456', 'YYYY-MM-DD HH24:MI:SS.US')
to_char(timestamp '2024-05-06 17:08:09', 'HH12:MI AM')
to_char(timestamp '2024-05-06', 'Day, DD Month YYYY')
to_char(timestamp '2024-05-06', 'FMDay, FMDD FMMonth YYYY')
to_char(timestamp '2024-05-06', 'DY MON Dy Mon dy mon')
to_char(timestamp '2024-05-06', 'DDD WW IW IYYY Q CC J W D ID')
to_char(timestamp '2024-05-01', 'DDth')
to_char(timestamp '2024-05-06', '"Year:" YYYY "x"')
to_char(timestamptz '2024-07-01 12:00+00', 'YYYY-MM-DD HH24:MI TZ OF')
to_char(interval '1 year 2 months 3 days 04:05:06', 'YYYY MM DD HH24:MI:SS')
to_char(interval '15h 2m 12s', 'HH24:MI:SS')
to_char(date '2024-05-06', 'YYYYMMDD')
to_char(timestamp '2024-05-06', 'YY Y YYY Y,YYY RM')
to_timestamp('2024-05-06 07:08:09', 'YYYY-MM-DD HH24:MI:SS')
to_timestamp('05 Dec 2000', 'DD Mon YYYY')
to_timestamp(0)
to_timestamp(1700000000.5)
to_date('05 Dec 2000', 'DD Mon YYYY')
to_date('20240506', 'YYYYMMDD')
to_date('2024-366', 'YYYY-DDD')
to_date('2024-13-01', 'YYYY-MM-DD')
to_date('24-5-6', 'YY-MM-DD')
to_date('x', 'YYYY')
now() = current_timestamp
now()::date = current_date
now() = transaction_timestamp()
isfinite(date '2024-01-01')
timestamp '2024-01-01' = date '2024-01-01'
timestamptz '2024-01-01 00:00' = date '2024-01-01'
# Numbers as text
to_char(1234.5, '9999.99')
to_char(-1234.5, '9999.99')
to_char(1234567.891, '9,999,999.99')
to_char(0.5, '0.99')
to_char(0.5, '9.99')
to_char(12, '0000')
to_char(12, 'FM0000')
to_char(1234, 'FM9,999')
to_char(-5, '9S')
to_char(-5, '9MI')
to_char(-5, '9PR')
to_char(5, '9PL')
to_char(485, '999th')
to_char(12345, '999')
to_char(148.5, '999D9')
to_char(1.5::float8, '9.99')
to_char(485, 'RN')
to_char(0.1, 'FM9.99')
to_char(1234, 'L9999')
to_number('12,454.8-', '99G999D9S')
to_number('1234.56', '9999.99')
# JSON
'{"a": 1, "b": [1, 2]}'::json -> 'a'
'{"a": 1, "b": [1, 2]}'::json ->> 'a'
'{"a": 1, "b": [1, 2]}'::jsonb -> 'b'
'{"a": 1, "b": [1, 2]}'::jsonb -> 'b' -> 1
'{"a": 1, "b": [1, 2]}'::jsonb -> 'b' -> -1
'{"a": null}'::jsonb ->> 'a'
'{"a": "x\ny"}'::jsonb ->> 'a'
'[1,2,3]'::json -> 1
'[1,2,3]'::json ->> 5
'{"a": {"b": "c"}}'::jsonb #> '{a,b}'
'{"a": {"b": "c"}}'::jsonb #>> '{a,b}'
'{"a": [10, 20]}'::json #>> array['a', '1']
'{"b":1,"a":2,"aa":3,"b":4}'::jsonb
'{"b":1, "a":2}'::json
'  [1,  2 ]'::jsonb
'{"a": 1.50}'::jsonb
'{bad}'::json
'{bad}'::jsonb
'{"a":1,"b":2}'::jsonb @> '{"a":1}'
'{"a":1}'::jsonb @> '{"b":1}'
'{"b":2}'::jsonb <@ '{"a":1,"b":2}'
'{"a":1}'::jsonb ? 'a'
'["a","b"]'::jsonb ? 'b'
'{"a":1,"b":2}'::jsonb ?| array['c','b']
'{"a":1,"b":2}'::jsonb ?& array['a','b']
'{"a":1}'::jsonb || '{"b":2}'
'[1]'::jsonb || '2'
'{"a":1,"b":2}'::jsonb - 'a'
'["a","b"]'::jsonb - 0
'{"a":{"b":1}}'::jsonb #- '{a,b}'
json_typeof('[1]')
jsonb_typeof('1.5')
json_array_length('[1,2,3]')
json_array_length('{"a":1}')
jsonb_array_length('[]')
json_build_object('a', 1, 'b', 'x')
jsonb_build_object('b', 1, 'a', true)
json_build_array(1, 'a', NULL, true)
jsonb_build_array(1, 'a', NULL)
json_build_object('a')
json_build_object(NULL, 1)
to_json('a"b'::text)
to_json(1.5)
to_jsonb(true)
to_json(array[1,2])
to_json(timestamp '2024-01-02 03:04:05')
to_json(timestamptz '2024-01-02 03:04:05+00')
to_jsonb(date '2024-01-02')
jsonb_set('{"a":1}', '{a}', '2')
jsonb_set('{"a":1}', '{b}', '2')
jsonb_set('{"a":1}', '{b}', '2', false)
jsonb_set('{"a":[1,2]}', '{a,0}', '9')
jsonb_insert('{"a":[0,1]}', '{a,1}', '9')
jsonb_insert('{"a":1}', '{a}', '9')
jsonb_strip_nulls('{"a":null,"b":[null]}')
json_strip_nulls('{"a":null, "b":1}')
jsonb_pretty('{"a":[1,{"b":2}]}')
json_extract_path_text('{"a":{"b":"c"}}', 'a', 'b')
jsonb_extract_path('{"a":[1,2]}', 'a', '1')
'5'::jsonb::int
'"x"'::jsonb::int
'true'::jsonb::bool
'1.7'::jsonb::int
'{"a":1}'::json::jsonb
'{"a":1}'::jsonb::text
'{"a":1}' -> 'a'
json_object('{a,1,b,2}')
# Arrays
array[1,2,3]
array[1,2.5]
array['a','b']
array[1,NULL]
array[]::int[]
array[1,'x']
array[1,2,3][2]
(array[1,2,3])[1:2]
(array[1,2,3])[5]
(array[1,2,3])[0]
'{1,2,3}'::int[]
'{a,"b c",NULL}'::text[]
'{1,x}'::int[]
array_length(array[1,2,3], 1)
array_length(array[]::int[], 1)
array_length(array[1,2], 2)
array_upper(array[1,2,3], 1)
array_lower(array[1,2,3], 1)
array_ndims(array[1])
array_dims(array[1,2])
cardinality(array[1,2])
array_append(array[1,2], 3)
array_append(NULL::int[], 3)
array_prepend(0, array[1])
array_cat(array[1], array[2])
array[1] || array[2]
array[1] || 2
0 || array[1]
array[1] || NULL::int[]
array[1] || 2.5
array_remove(array[1,2,1], 1)
array_replace(array[1,2,1], 1, 9)
array_position(array['a','b','c'], 'b')
array_position(array[1,2], 5)
array_positions(array[1,2,1], 1)
array_fill(7, array[3])
trim_array(array[1,2,3], 1)
array[1,2] @> array[2]
array[2] <@ array[1,2]
array[1,2] && array[2,3]
1 = ANY(array[1,2])
3 = ANY(array[1,2])
3 = ANY(array[1,NULL])
1 = ANY('{1,2}')
1 <> ALL(array[2,3])
1 < ALL(array[2,NULL])
1 > ANY(array[]::int[])
'a' = ANY(array['a','b'])
NULL = ANY(array[1])
1 = ANY(array[1.5, 1.0])
array[1,2]::text
array[1,2]::text[]
array[1,2]::int8[]
array[1.5,2.5]::int[]
array['1','2']::int[]
'{1,2}'::int[] = array[1,2]
# UUID, bytea, other types
'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid
'{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}'::uuid
'foo'::uuid
'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid < 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid
'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid::text
'\xDEADbeef'::bytea
'\xzz'::bytea
'a\\b'::bytea
5::oid
(-1)::oid
1::int4::oid = 1
'0/1F'::pg_lsn
pg_typeof(1)
pg_typeof(1.5)
pg_typeof('a')
pg_typeof(now())
pg_typeof(array[1])
pg_typeof(1::int2 + 1::int8)
# What does not exist
foo(1)
lower(1)
length(5)
upper('a', 'b')
sqrt('x')
abs('x')
abs('5')
date '2024-01-01' + 1.5
date '2024-01-01' + date '2024-01-01'
timestamp '2024-01-01' + 1
'a' - 'b'
array[1] + 1
interval '1 day' + 1
1::bool + 1
'2024-01-01'::date::int
'{}'::json::int
1::date
true::date
1::uuid
