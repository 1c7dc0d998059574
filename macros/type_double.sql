{#
    The name of the 64-bit floating point type. (`dbt.type_float()` has 32 bits on DuckDB.)
#}
{%- macro type_double() -%}
    {{ return(adapter.dispatch('type_double', 'featurestore')()) }}
{%- endmacro -%}


{%- macro default__type_double() -%}
    {{ return('double precision') }}
{%- endmacro -%}


{%- macro duckdb__type_double() -%}
    {{ return('double') }}
{%- endmacro -%}


{%- macro spark__type_double() -%}
    {{ return('double') }}
{%- endmacro -%}


{%- macro trino__type_double() -%}
    {{ return('double') }}
{%- endmacro -%}


{#- Snowflake's only floating point type has 64 bits -#}
{%- macro snowflake__type_double() -%}
    {{ return('float') }}
{%- endmacro -%}


{%- macro bigquery__type_double() -%}
    {{ return('float64') }}
{%- endmacro -%}
