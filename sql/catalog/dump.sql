-- Writes relations.txt and rows/*.tsv from a PostgreSQL 15 server. Run in this folder, as superuser, on
-- a database without user objects:  psql -X -q -d postgres -f dump.sql
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
\pset fieldsep ' '

-- The types that Weir has, their arrays, and the pseudo-types that functions of the catalog name.
create temp table kept_type as
select oid from pg_type
where typnamespace = 'pg_catalog'::regnamespace and typname in (
    'bool', 'bytea', 'char', 'name', 'int8', 'int2', 'int2vector', 'int4', 'regproc', 'text', 'oid',
    'oidvector', 'json', 'float4', 'float8', 'unknown', 'bpchar', 'varchar', 'date', 'time', 'timestamp',
    'timestamptz', 'interval', 'numeric', 'regclass', 'regtype', 'record', 'void', 'uuid', 'pg_lsn',
    'jsonb', 'regnamespace');
insert into kept_type select typarray from pg_type join kept_type using (oid) where typarray <> 0;
create temp table kept_argument as select oid from kept_type
union select oid from pg_type where typname in (
    'cstring', 'internal', 'any', 'anyelement', 'anyarray', 'anynonarray', 'anycompatible',
    'anycompatiblearray', 'trigger', 'event_trigger', 'language_handler', 'index_am_handler', 'table_am_handler', '_cstring');

create temp table kept_operator as
select o.oid, o.oprcode from pg_operator o
where oprname in ('=', '<>', '<', '<=', '>', '>=', '+', '-', '*', '/', '%', '||', '~', '~*', '!~', '!~*',
                  '~~', '~~*', '!~~', '!~~*', '->', '->>')
  and (oprleft = 0 or oprleft in (select oid from kept_argument))
  and oprright in (select oid from kept_argument) and oprresult in (select oid from kept_argument);

create temp table kept_proc as
select p.oid from pg_proc p where p.proname in (
    'abs', 'age', 'array_agg', 'array_append', 'array_cat', 'array_length', 'array_lower',
    'array_ndims', 'array_position', 'array_prepend', 'array_remove', 'array_to_string', 'array_upper',
    'ascii', 'avg', 'bit_and', 'bit_or', 'bool_and', 'bool_or', 'btrim', 'cardinality', 'ceil', 'ceiling',
    'char_length', 'character_length', 'chr', 'col_description', 'concat', 'concat_ws', 'corr', 'cos',
    'count', 'covar_pop', 'covar_samp', 'cume_dist', 'current_database', 'current_schema',
    'current_schemas', 'current_setting', 'current_user', 'date_part', 'date_trunc', 'degrees',
    'dense_rank', 'encode', 'decode', 'every', 'exp', 'extract', 'first_value', 'floor', 'format',
    'format_type', 'gen_random_uuid', 'generate_series', 'generate_subscripts', 'has_any_column_privilege',
    'has_column_privilege', 'has_database_privilege', 'has_function_privilege', 'has_schema_privilege',
    'has_table_privilege', 'initcap', 'json_build_object', 'lag', 'last_value', 'lead', 'left', 'length',
    'ln', 'log', 'lower', 'lpad', 'ltrim', 'make_date', 'make_interval', 'max', 'md5', 'min', 'mod', 'now',
    'nth_value', 'ntile', 'obj_description', 'octet_length', 'percent_rank', 'percentile_cont', 'pi',
    'pg_backend_pid', 'pg_cancel_backend', 'pg_client_encoding', 'pg_column_size', 'pg_database_size',
    'pg_encoding_to_char', 'pg_get_constraintdef', 'pg_get_expr', 'pg_get_indexdef', 'pg_get_userbyid',
    'pg_get_viewdef', 'pg_is_in_recovery', 'pg_postmaster_start_time', 'pg_relation_size',
    'pg_size_pretty', 'pg_sleep', 'pg_table_is_visible', 'pg_table_size', 'pg_terminate_backend',
    'pg_total_relation_size', 'pg_type_is_visible', 'pg_typeof', 'position', 'power', 'quote_ident',
    'quote_literal', 'radians', 'random', 'rank', 'regexp_match', 'regexp_replace', 'repeat', 'replace',
    'reverse', 'right', 'round', 'row_number', 'rpad', 'rtrim', 'session_user', 'set_config', 'sha256',
    'shobj_description', 'sign', 'sin', 'split_part', 'sqrt', 'starts_with', 'stddev', 'stddev_pop',
    'stddev_samp', 'string_agg', 'string_to_array', 'strpos', 'substr', 'substring', 'sum', 'tan',
    'to_char', 'to_regclass', 'to_regtype', 'to_timestamp', 'translate', 'trunc', 'unnest', 'upper',
    'var_pop', 'var_samp', 'variance', 'version', 'width_bucket')
  and p.pronamespace = 'pg_catalog'::regnamespace
  and p.prorettype in (select oid from kept_argument)
  and not exists (select from pg_aggregate where aggfnoid = p.oid and aggkind = 'h')
  and not exists (select from unnest(p.proargtypes::oid[]) a where a not in (select oid from kept_argument))
union select f from pg_type t join kept_argument using (oid),
    unnest(array[typinput, typoutput, typreceive, typsend, typmodin, typmodout, typanalyze, typsubscript]::oid[]) f
    where f <> 0
union select oprcode from kept_operator
union select castfunc from pg_cast where castfunc <> 0 and castsource in (select oid from kept_type)
    and casttarget in (select oid from kept_type)
union select amhandler from pg_am where amname in ('heap', 'btree');

-- Copies of the catalogs with functions as numbers, as their names are not unique, and expressions
-- as texts.
select format('create temp view numbered_%s as select %s from %s', c.relname,
    string_agg(case when a.atttypid = 'regproc'::regtype then format('%1$I::oid as %1$I', a.attname)
        when a.attname = 'prosqlbody' then 'null as prosqlbody'
        when a.atttypid = 'pg_node_tree'::regtype then format('pg_get_expr(%1$I, 0) as %1$I', a.attname)
        else quote_ident(a.attname) end, ', ' order by a.attnum), c.oid::regclass)
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
where c.relname in ('pg_type', 'pg_proc', 'pg_aggregate', 'pg_operator', 'pg_am') and c.relnamespace = 11
group by c.oid, c.relname \gexec

\o relations.txt
select '# System relations of PostgreSQL ' || current_setting('server_version_num')::int / 10000
    || ': "oid schema name kind", then a line "  name type" for each column; "!" is NOT NULL.';
select coalesce(line, head) from (
    select c.oid, 0 as n, format('%s %s %s %s', c.oid, n.nspname, c.relname, c.relkind) as head, null as line
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('pg_catalog', 'information_schema') and c.relkind in ('r', 'v')
    union all
    select c.oid, a.attnum, null, format('  %s %s%s', a.attname,
        case when t.typtype = 'd' then t.typname else format_type(t.oid, a.atttypmod) end,
        case when a.attnotnull then ' !' else '' end)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid join pg_type t on t.oid = a.atttypid
    where n.nspname in ('pg_catalog', 'information_schema') and c.relkind in ('r', 'v') and a.attnum > 0
) x order by oid, n;
\o

\copy (select * from numbered_pg_type where oid in (select oid from kept_argument) order by oid) to 'rows/pg_type.tsv' with (header)
\copy (select * from numbered_pg_proc where oid in (select oid from kept_proc) order by oid) to 'rows/pg_proc.tsv' with (header)
\copy (select * from numbered_pg_aggregate where aggfnoid in (select oid from kept_proc) order by aggfnoid) to 'rows/pg_aggregate.tsv' with (header)
\copy (select * from numbered_pg_operator where oid in (select oid from kept_operator) order by oid) to 'rows/pg_operator.tsv' with (header)
\copy (select * from pg_cast where castsource in (select oid from kept_type) and casttarget in (select oid from kept_type) order by oid) to 'rows/pg_cast.tsv' with (header)
\copy (select * from numbered_pg_am where amname in ('heap', 'btree') order by oid) to 'rows/pg_am.tsv' with (header)
\copy (select * from pg_opclass where opcmethod = 403 and opcintype in (select oid from kept_argument) order by oid) to 'rows/pg_opclass.tsv' with (header)
\copy (select f.* from pg_opfamily f where opfmethod = 403 and exists (select from pg_opclass where opcfamily = f.oid and opcintype in (select oid from kept_argument)) order by oid) to 'rows/pg_opfamily.tsv' with (header)
\copy (select * from pg_amop where amopmethod = 403 and amopopr in (select oid from kept_operator) order by oid) to 'rows/pg_amop.tsv' with (header)
\copy (select * from pg_collation where collname in ('default', 'C', 'POSIX') order by oid) to 'rows/pg_collation.tsv' with (header)
\copy (select oid, lanname, 10 as lanowner, lanispl, lanpltrusted, lanplcallfoid, laninline, lanvalidator, lanacl from pg_language where lanname in ('internal', 'sql') order by oid) to 'rows/pg_language.tsv' with (header)
\copy (select oid, spcname, 10 as spcowner, spcacl, spcoptions from pg_tablespace order by oid) to 'rows/pg_tablespace.tsv' with (header)
\copy (select d.* from pg_description d where (classoid = 'pg_type'::regclass and objoid in (select oid from kept_argument)) or (classoid = 'pg_proc'::regclass and objoid in (select oid from kept_proc)) or (classoid = 'pg_am'::regclass and objoid in (2, 403)) or (classoid = 'pg_collation'::regclass and objoid in (100, 950, 951)) or (classoid = 'pg_language'::regclass and objoid in (12, 14)) order by classoid, objoid, objsubid) to 'rows/pg_description.tsv' with (header)
\copy (select word, catcode, barelabel, catdesc, baredesc from pg_get_keywords() order by word) to 'rows/pg_get_keywords.tsv' with (header)
