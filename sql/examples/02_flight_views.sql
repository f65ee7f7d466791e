-- Views over the flights: each equals its query at every moment, while rows arrive and after.

-- An aggregate by event time.
CREATE MATERIALIZED VIEW departures_by_hour AS
SELECT
    origin,
    time_hour,
    count(*) AS flights,
    count(dep_delay) AS departed,
    sum(dep_delay) AS delay_minutes,
    max(dep_delay) AS longest_delay
FROM flights
GROUP BY origin, time_hour;

-- A join with the names. A flight without a departure delay never left.
CREATE MATERIALIZED VIEW delays_by_airline AS
SELECT
    a.name AS airline,
    count(*) AS flights,
    count(*) - count(f.dep_delay) AS cancelled,
    sum(f.dep_delay) / nullif(count(f.dep_delay), 0) AS mean_delay
FROM flights f
JOIN airlines a ON a.carrier = f.carrier
GROUP BY a.name;

-- A join on place and hour: does wind delay flights?
CREATE MATERIALIZED VIEW delays_by_wind AS
SELECT
    CAST(floor(w.wind_speed / 10) AS integer) * 10 AS wind_from_mph,
    count(*) AS flights,
    count(*) - count(f.dep_delay) AS cancelled,
    sum(f.dep_delay) / nullif(count(f.dep_delay), 0) AS mean_delay
FROM flights f
JOIN weather w ON w.origin = f.origin AND w.time_hour = f.time_hour
GROUP BY CAST(floor(w.wind_speed / 10) AS integer) * 10;

-- An outer join: some destinations are not in the list of airports.
CREATE MATERIALIZED VIEW routes AS
SELECT
    f.origin,
    f.dest,
    p.name AS airport,
    count(*) AS flights,
    max(f.distance) AS miles
FROM flights f
LEFT JOIN airports p ON p.faa = f.dest
GROUP BY f.origin, f.dest, p.name;
