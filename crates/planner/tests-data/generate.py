#!/usr/bin/env python3
"""Writes expressions.txt: what PostgreSQL 15 makes of each line of expressions.sql.

Usage: generate.py CONNECTION   (as psql takes it: "host=127.0.0.1 user=postgres")
A line of the output is expression, type and text form, separated by tabs; NULL is \\N, an error is the
type `error` and its SQLSTATE.
"""
import subprocess
import sys

ATTEMPT = r"""
CREATE FUNCTION pg_temp.attempt(text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE t text; r text;
BEGIN
  EXECUTE 'SELECT (SELECT typname FROM pg_type WHERE oid = pg_typeof(x)::oid),
                  CASE WHEN x IS NULL THEN NULL ELSE format(''%s'', x) END
           FROM (SELECT ' || $1 || ' AS x) q' INTO t, r;
  RETURN t || E'\t' || coalesce(replace(replace(r, '\', '\\'), E'\n', '\n'), '\N');
EXCEPTION WHEN OTHERS THEN
  RETURN 'error' || E'\t' || SQLSTATE;
END $$;
SET timezone = 'America/New_York';
"""


def main():
    folder = sys.path[0]
    with open(f"{folder}/expressions.sql") as file:
        lines = file.read().splitlines()
    script = [ATTEMPT]
    for line in lines:
        if line and not line.startswith("#"):
            quoted = line.replace("'", "''")
            script.append(f"SELECT pg_temp.attempt('{quoted}');")
    command = ["psql", sys.argv[1], "-XqAt", "-v", "ON_ERROR_STOP=1"]
    results = subprocess.run(command, input="\n".join(script), capture_output=True, text=True, check=True)
    answers = iter(results.stdout.splitlines())
    with open(f"{folder}/expressions.txt", "w") as file:
        for line in lines:
            is_case = line and not line.startswith("#")
            file.write(f"{line}\t{next(answers)}\n" if is_case else f"{line}\n")


main()
