{#
    A column's name as the warehouse wants it: quoted where quoting keeps its meaning, else as it is written.
#}
{%- macro identifier(name) -%}
    {{ return(adapter.dispatch('identifier', 'featurestore')(name)) }}
{%- endmacro -%}


{#- Snowflake and others fold unquoted names to upper case: quoting `order_id` would name another column -#}
{%- macro default__identifier(name) -%}
    {{ return(name) }}
{%- endmacro -%}


{%- macro duckdb__identifier(name) -%}
    {{ return(adapter.quote(name)) }}
{%- endmacro -%}


{%- macro spark__identifier(name) -%}
    {{ return(adapter.quote(name)) }}
{%- endmacro -%}


{%- macro bigquery__identifier(name) -%}
    {{ return(adapter.quote(name)) }}
{%- endmacro -%}


{#- Postgres folds to lower case -#}
{%- macro postgres__identifier(name) -%}
    {{ return(adapter.quote(name) if name == name | lower else name) }}
{%- endmacro -%}
