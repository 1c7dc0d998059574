{#
    What a feature server answered of a service that is logged, as a SELECT: each row once.

    Rule: rows come to the log at least once; equal row ids are one row.
    service: its name; the source is written by `featurestore log sources`.
    Columns: those of the log.
#}
{%- macro logged_features(service) -%}
    {{ return(adapter.dispatch('logged_features', 'featurestore')(service)) }}
{%- endmacro -%}


{%- macro default__logged_features(service) -%}
    {%- set relation = source('feature_log', service ~ '__log') -%}
    {%- if not execute -%}
        {{ return('select 1 as not_yet') }}
    {%- endif -%}
    {%- set names = adapter.dispatch('column_names', 'featurestore')(relation) -%}
    {%- set columns = adapter.dispatch('comma_list', 'featurestore')(names) if names else '*' -%}

with

-- copy 1 of each row id is the row
__copies as (
    select
        {{ columns }}{{ ',' if names else '' }}
        {%- if names %}
        row_number() over (partition by row_id order by served_at) as __copy
        {%- endif %}
    from {{ relation }}
)

select {{ columns }} from __copies{{ ' where __copy = 1' if names else '' }}
{%- endmacro -%}
