-- A month of flights from New York City as streams that follow CSV files. See
-- data/nycflights13/README.md for where the data comes from. The paths are relative to the
-- directory in which the server was started.

-- One row for each scheduled departure; time_hour is its event time. Columns of the file that are
-- not named here are skipped.
CREATE STREAM flights (
    carrier text,
    flight integer,
    tailnum text,
    origin text,
    dest text,
    dep_delay integer,
    arr_delay integer,
    distance integer,
    time_hour timestamptz
) WITH (
    connector = 'file',
    path = 'sql/examples/data/nycflights13/flights.csv',
    format = 'csv',
    'null' = 'NA'
);

-- The weather at each airport of departure, once an hour.
CREATE STREAM weather (
    origin text,
    temp double precision,
    wind_speed double precision,
    visib double precision,
    time_hour timestamptz
) WITH (
    connector = 'file',
    path = 'sql/examples/data/nycflights13/weather.csv',
    format = 'csv',
    'null' = 'NA'
);

CREATE STREAM airlines (
    carrier text,
    name text
) WITH (
    connector = 'file',
    path = 'sql/examples/data/nycflights13/airlines.csv',
    format = 'csv'
);

CREATE STREAM airports (
    faa text,
    name text,
    lat double precision,
    lon double precision
) WITH (
    connector = 'file',
    path = 'sql/examples/data/nycflights13/airports.csv',
    format = 'csv'
);
