{#
    Column names as one comma-separated piece of SQL.
#}
{%- macro comma_list(names) -%}
    {{ return(adapter.dispatch('comma_list', 'featurestore')(names)) }}
{%- endmacro -%}


{%- macro default__comma_list(names) -%}
    {%- set identifier = adapter.dispatch('identifier', 'featurestore') -%}
    {%- set columns = [] -%}
    {%- for name in names -%}
        {%- do columns.append(identifier(name)) -%}
    {%- endfor -%}
    {{ return(columns | join(', ')) }}
{%- endmacro -%}
