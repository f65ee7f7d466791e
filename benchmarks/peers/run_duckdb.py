"""DuckDB: loads tables into its file, runs a query over them, or writes what it gives."""

import os

import duckdb

import protocol

TYPES = {"integer": "BIGINT", "text": "VARCHAR", "timestamp": "TIMESTAMP"}


def remove(path):
    if os.path.exists(path):
        os.remove(path)


def load(task):
    for path in (task["database"], task["database"] + ".wal"):
        remove(path)
    connection = connect(task)
    tables = protocol.schema(task["schema"])
    with protocol.Measured(duckdb=duckdb.__version__):
        for table in protocol.TABLES:
            columns = {name: TYPES[kind] for name, kind in tables[table]}
            # Each statement is a transaction: at its end the rows are on disk.
            connection.execute(
                f"CREATE TABLE {table} AS SELECT * FROM read_json("
                f"'{task['data']}/{table}/*.json', format = 'newline_delimited', columns = {columns})"
            )
        # Known to the database: this takes no time.
        counts = [connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in protocol.TABLES]
        if sum(counts) != task["rows"]:
            raise SystemExit(f"DuckDB loaded {counts} rows, not {task['rows']} in all")
    connection.close()


def connect(task):
    connection = duckdb.connect(task["database"], read_only=task["mode"] != "load")
    connection.execute(f"SET threads = {task['cores']}")
    return connection


def query(task):
    connection = connect(task)
    with protocol.Measured(duckdb=duckdb.__version__):
        connection.execute(f"CREATE TEMP TABLE measured AS {task['sql']}")


def expect(task):
    connection = connect(task)
    described = connection.execute(f"DESCRIBE {task['sql']}").fetchall()
    with protocol.Measured(columns=[[row[0], str(row[1])] for row in described]):
        connection.execute(
            f"COPY ({task['sql']}) TO '{task['output']}' (FORMAT csv, HEADER false, NULLSTR '\\N')"
        )


if __name__ == "__main__":
    task = protocol.task()
    {"load": load, "query": query, "expect": expect}[task["mode"]](task)
