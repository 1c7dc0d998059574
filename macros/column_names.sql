{#
    The names of a spine's columns, in order; an empty list where the warehouse cannot be asked (unit tests).

    spine:    a relation, or one SELECT when is_query
#}
{%- macro column_names(spine, is_query=false) -%}
    {{ return(adapter.dispatch('column_names', 'featurestore')(spine, is_query)) }}
{%- endmacro -%}


{%- macro default__column_names(spine, is_query=false) -%}
    {%- if graph is not defined or graph.nodes is not defined -%}
        {{ return([]) }}
    {%- elif is_query -%}
        {{ return(dbt.get_columns_in_query(spine)) }}
    {%- endif -%}
    {{ return(adapter.dispatch('column_types', 'featurestore')(spine.database, spine.schema, spine.identifier).keys() | list) }}
{%- endmacro -%}
