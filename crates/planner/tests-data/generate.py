#!/usr/bin/env python3
"""Writes expressions.txt and queries.txt: what PostgreSQL 15 makes of expressions.sql and queries.sql.

Usage: generate.py CONNECTION   (as psql takes it: "host=127.0.0.1 user=postgres")
A line of the output is expression, type and text form, separated by tabs; NULL is \\N, an error is the
type `error` and its SQLSTATE. A query is followed by `----`, the types of its columns and its rows, or
by `error` and its SQLSTATE; its relations are those of relations.sql.
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


ANSWER = r"""
CREATE FUNCTION pg_temp.answer(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE names text; types text;
BEGIN
  -- Names of its own for the columns, as many as there are: outputs may share a name.
  FOR n IN REVERSE 16..1 LOOP
    BEGIN
      EXECUTE format('CREATE TEMP VIEW pg_temp_answer(%s) AS %s',
        (SELECT string_agg('c' || i, ', ') FROM generate_series(1, n) i), query);
      EXIT;
    EXCEPTION WHEN syntax_error THEN
      IF SQLERRM NOT LIKE '%more column names%' OR n = 1 THEN RAISE; END IF;
    END;
  END LOOP;
  SELECT string_agg(format('CASE WHEN %1$I IS NULL THEN ''\N'' ELSE format(''%%s'', %1$I) END', attname),
                    ', ' ORDER BY attnum),
         string_agg(typname, '|' ORDER BY attnum) INTO names, types
    FROM pg_attribute a JOIN pg_type t ON t.oid = atttypid
    WHERE attrelid = 'pg_temp_answer'::regclass;
  RETURN NEXT types;
  RETURN QUERY EXECUTE format('SELECT format(%L, VARIADIC ARRAY[%s]) FROM pg_temp_answer',
    array_to_string(array_fill('%s'::text, ARRAY[array_length(string_to_array(types, '|'), 1)]), '|'), names);
  DROP VIEW pg_temp_answer;
EXCEPTION WHEN OTHERS THEN
  RETURN NEXT 'error ' || SQLSTATE;
END $$;
SET timezone = 'America/New_York';
"""


def psql(connection, script):
    command = ["psql", connection, "-XqAt", "-v", "ON_ERROR_STOP=1"]
    result = subprocess.run(command, input="\n".join(script), capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(result.stderr)
    return result.stdout


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def expressions(folder, connection):
    with open(f"{folder}/expressions.sql") as file:
        lines = file.read().splitlines()
    cases = [line for line in lines if line and not line.startswith("#")]
    script = [ATTEMPT] + [f"SELECT pg_temp.attempt({literal(case)});" for case in cases]
    answers = iter(psql(connection, script).splitlines())
    with open(f"{folder}/expressions.txt", "w") as file:
        for line in lines:
            is_case = line and not line.startswith("#")
            file.write(f"{line}\t{next(answers)}\n" if is_case else f"{line}\n")


def over_relations(relations, query):
    if query.startswith("WITH "):
        return f"{relations}, {query.removeprefix('WITH ').removeprefix('RECURSIVE ')}"
    return f"{relations} {query}"


def queries(folder, connection):
    with open(f"{folder}/relations.sql") as file:
        relations = file.read().strip()
    with open(f"{folder}/queries.sql") as file:
        cases = [line for line in file.read().splitlines() if line]
    script = [ANSWER]
    for case in cases:
        script.append(f"SELECT pg_temp.answer({literal(over_relations(relations, case))});")
        script.append("SELECT '####';")
    answers = psql(connection, script).split("####\n")
    with open(f"{folder}/queries.txt", "w") as file:
        for case, answer in zip(cases, answers):
            lines = answer.splitlines()
            if lines[-1].startswith("error"):
                lines = lines[-1:]
            elif "ORDER BY" not in case:
                lines = lines[:1] + sorted(lines[1:])
            file.write(f"{case}\n----\n" + "\n".join(lines) + "\n\n")


def main():
    folder, connection = sys.path[0], sys.argv[1]
    expressions(folder, connection)
    queries(folder, connection)


main()
