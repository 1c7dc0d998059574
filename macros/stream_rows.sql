{#
    The events of a stream, each once, as a table to select from: `from {{ "{{ stream_rows(source('app', 'clicks')) }}" }}`.

    Rule: a worker that was killed may have kept an event twice; equal (topic, partition, offset) are one event. Rows
    that were loaded by hand, without an offset, are all kept. Deleted entities are left out unless asked for.
    A table that is not there yet is made (`create_events_table`), so that a project can be built before its stream runs.
    stream: `source(...)`, or the name of a stream: its source's table, else `<name>__events` in the target's schema.
    Columns: those of the events, and `_topic, _partition, _offset, _published_at, _ingested_at, _deleted`.
#}
{%- macro stream_rows(stream, alias='events', deletes=false) -%}
    {{ return(adapter.dispatch('stream_rows', 'featurestore')(stream, alias, deletes)) }}
{%- endmacro -%}


{%- macro default__stream_rows(stream, alias, deletes) -%}
    {%- if not execute -%}
        {{ return('(select 1 as not_yet) as ' ~ alias) }}
    {%- endif -%}
    {%- set has_graph = graph is defined and graph.nodes is defined -%}
    {%- set found = namespace(relation=stream) -%}
    {%- if stream is string -%}
        {%- set found.relation = api.Relation.create(
            database=target.database, schema=target.schema, identifier=stream ~ '__events') -%}
        {%- for node in graph.sources.values() if has_graph and (node.config.meta or {}).get('feature_stream') -%}
            {%- set spec = node.config.meta.feature_stream if node.config.meta.feature_stream is mapping else {} -%}
            {%- if (spec.get('name') or node.name) == stream -%}
                {%- set found.relation = api.Relation.create(
                    database=node.database, schema=node.schema, identifier=node.identifier) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {#- In a unit test there is no `graph`, and a source is a CTE of the test's own rows. -#}
    {%- set names = [] -%}
    {%- if has_graph and adapter.dispatch('create_events_table', 'featurestore')(found.relation) -%}
        {%- for column in adapter.get_columns_in_relation(found.relation) -%}
            {%- do names.append(column.name) -%}
        {%- endfor -%}
    {%- endif -%}
(
    select {{ adapter.dispatch('comma_list', 'featurestore')(names) if names else '*' }}
    from (
        select
            *,
            row_number() over (
                partition by _topic, _partition, _offset order by _ingested_at
            ) as __copy
        from {{ found.relation }}
    ) as __stream_copies
    where (__copy = 1 or _offset is null)
    {%- if not deletes %} and (_deleted is null or not _deleted){% endif %}
) as {{ alias }}
{%- endmacro -%}
