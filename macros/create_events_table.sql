{#
    Makes the table of a stream's events where it is not there yet, from the columns that its dbt source describes.

    Rule: all of an event's columns are described with a data_type. `dbt compile` and `dbt docs generate` make nothing.
    `stream_rows` calls it. Called first, for all sources that are streams, it also serves unit tests, which want the table
    before any model is built, and several models of one new stream, which would make it at once. In dbt_project.yml:
        on-run-start: "{{ "{% do featurestore.create_events_table() %}" }}"
    relation: the table; without it those of all sources that are streams and describe their columns
    returns whether the table is there
#}
{%- macro create_events_table(relation=none) -%}
    {{ return(adapter.dispatch('create_events_table', 'featurestore')(relation)) }}
{%- endmacro -%}


{%- macro default__create_events_table(relation) -%}
    {%- if not execute or graph is not defined or graph.sources is not defined -%}
        {{ return(false) }}
    {%- elif relation is none -%}
        {%- for node in graph.sources.values() if (node.config.meta or {}).get('feature_stream') -%}
            {%- if node.columns and node.columns.values() | selectattr('data_type') | list | length == node.columns | length -%}
                {%- do adapter.dispatch('create_events_table', 'featurestore')(api.Relation.create(
                    database=node.database, schema=node.schema, identifier=node.identifier)) -%}
            {%- endif -%}
        {%- endfor -%}
        {{ return(true) }}
    {%- elif adapter.get_relation(relation.database, relation.schema, relation.identifier) is not none -%}
        {{ return(true) }}
    {%- elif flags.WHICH in ['compile', 'generate'] -%}
        {{ return(false) }}
    {%- endif -%}

    {#- As definitions/streams.py has them: where a message came from. -#}
    {%- set instant = adapter.dispatch('type_instant', 'featurestore')() -%}
    {%- set origin = {
        '_topic': dbt.type_string(), '_partition': dbt.type_string(), '_offset': dbt.type_string(),
        '_published_at': instant, '_ingested_at': instant, '_deleted': dbt.type_boolean(),
    } -%}
    {%- set columns = [] -%}
    {%- set untyped = [] -%}
    {%- for node in graph.sources.values() if node.relation_name == relation | string -%}
        {%- for column in node.columns.values() if column.name not in origin -%}
            {%- if column.get('data_type') -%}
                {%- do columns.append(adapter.dispatch('identifier', 'featurestore')(column.name) ~ ' ' ~ column.data_type) -%}
            {%- else -%}
                {%- do untyped.append(column.name) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if untyped or not columns -%}
        {{ exceptions.raise_compiler_error("stream_rows: there is no table " ~ relation ~ ", and it cannot be made\n  -> " ~ ("give each column of its source a data_type; without one: " ~ untyped | join(', ') if untyped else "describe it as a dbt source, each column with a data_type; or run featurestore stream run once")) }}
    {%- endif -%}
    {%- for name in origin -%}
        {%- do columns.append(name ~ ' ' ~ origin[name]) -%}
    {%- endfor -%}
    {%- if not adapter.check_schema_exists(relation.database, relation.schema) -%}
        {%- do run_query('create schema if not exists ' ~ relation.without_identifier()) -%}
    {%- endif -%}
    {%- do run_query('create table if not exists ' ~ relation ~ ' (' ~ columns | join(', ') ~ ')') -%}
    {{ return(true) }}
{%- endmacro -%}
