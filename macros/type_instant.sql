{#
    The name of the type of instants: timestamps with a time zone.
#}
{%- macro type_instant() -%}
    {{ return(adapter.dispatch('type_instant', 'featurestore')()) }}
{%- endmacro -%}


{%- macro default__type_instant() -%}
    {{ return('timestamp with time zone') }}
{%- endmacro -%}


{#- a timestamp is an instant there -#}
{%- macro spark__type_instant() -%}
    {{ return('timestamp') }}
{%- endmacro -%}


{%- macro bigquery__type_instant() -%}
    {{ return('timestamp') }}
{%- endmacro -%}


{%- macro snowflake__type_instant() -%}
    {{ return('timestamp_tz') }}
{%- endmacro -%}
