{#
    An instant as whole microseconds since 1970-01-01 UTC: exact, and the same for naive, zoned and DATE columns.

    Rule: P14. A naive time is UTC; the session's time zone changes nothing. One line per warehouse.
#}
{%- macro microseconds(expression) -%}
    {{ return(adapter.dispatch('microseconds', 'featurestore')(expression)) }}
{%- endmacro -%}


{%- macro default__microseconds(expression) -%}
    {{ return(dbt.datediff("cast('1970-01-01' as timestamp)", expression, 'microsecond') | trim) }}
{%- endmacro -%}


{#- epoch_us is NULL for infinity, which would make a row that is never loaded one that always was -#}
{%- macro duckdb__microseconds(expression) -%}
    {{ return('case when isinf(' ~ expression ~ ') then if(' ~ expression ~ " > '1970-01-01', 1, -1) * 9000000000000000000 else epoch_us(" ~ expression ~ ') end') }}
{%- endmacro -%}


{#- extract() gives an exact numeric from Postgres 14 on; infinity is no bigint -#}
{%- macro postgres__microseconds(expression) -%}
    {{ return('case ' ~ expression ~ " when 'infinity' then 9000000000000000000 when '-infinity' then -9000000000000000000 else cast(extract(epoch from " ~ expression ~ ') * 1000000 as bigint) end') }}
{%- endmacro -%}


{#- Redshift is dispatched to postgres__ otherwise, where its epoch has whole seconds only -#}
{%- macro redshift__microseconds(expression) -%}
    {{ return("datediff(microsecond, timestamp '1970-01-01', " ~ expression ~ ')') }}
{%- endmacro -%}


{%- macro snowflake__microseconds(expression) -%}
    {{ return('date_part(epoch_microsecond, ' ~ expression ~ ')') }}
{%- endmacro -%}


{#- Spark keeps instants; for TIMESTAMP_NTZ columns run it with spark.sql.session.timeZone=UTC -#}
{%- macro spark__microseconds(expression) -%}
    {{ return('unix_micros(cast(' ~ expression ~ ' as timestamp))') }}
{%- endmacro -%}


{%- macro bigquery__microseconds(expression) -%}
    {{ return('unix_micros(timestamp(' ~ expression ~ '))') }}
{%- endmacro -%}


{#- a double holds today's microseconds to a quarter of one; rounding makes them exact -#}
{%- macro trino__microseconds(expression) -%}
    {{ return('cast(round(to_unixtime(cast(' ~ expression ~ ' as timestamp(6))) * 1e6) as bigint)') }}
{%- endmacro -%}
