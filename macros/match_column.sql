{#
    A column's name as the table has it: as written, else the only one that differs in upper and lower case alone.

    Rule: the same as in the Python package. Snowflake reports names in upper case, people write YAML in lower case.
    returns the name as written where there is no such column
#}
{%- macro match_column(name, columns) -%}
    {{ return(adapter.dispatch('match_column', 'featurestore')(name, columns)) }}
{%- endmacro -%}


{%- macro default__match_column(name, columns) -%}
    {%- set alike = [] -%}
    {%- for column in columns if name is not none and column | lower == name | lower -%}
        {%- do alike.append(column) -%}
    {%- endfor -%}
    {{ return(name if name in columns or alike | length != 1 else alike[0]) }}
{%- endmacro -%}
