{#
    A table's columns and their types as the warehouse has them, in order: {name: type}; empty if it is not built.
#}
{%- macro column_types(database, schema, identifier) -%}
    {{ return(adapter.dispatch('column_types', 'featurestore')(database, schema, identifier)) }}
{%- endmacro -%}


{%- macro default__column_types(database, schema, identifier) -%}
    {%- set types = {} -%}
    {%- set relation = adapter.get_relation(database, schema, identifier) if identifier else none -%}
    {%- if relation -%}
        {%- for column in adapter.get_columns_in_relation(relation) -%}
            {%- do types.update({column.name: column.data_type}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(types) }}
{%- endmacro -%}
