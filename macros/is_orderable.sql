{#
    Whether a value of this type can break a tie (P4); an unknown type is taken to be able to.
#}
{%- macro is_orderable(data_type) -%}
    {{ return(adapter.dispatch('is_orderable', 'featurestore')(data_type)) }}
{%- endmacro -%}


{%- macro default__is_orderable(data_type) -%}
    {%- set folded = (data_type or '') | lower | trim -%}
    {%- set answer = namespace(is_orderable=not folded.endswith(']')) -%}
    {%- for start in ['struct', 'map', 'list', 'array', 'json', 'variant', 'object', 'interval', 'blob', 'bytea', 'bytes', 'binary', 'varbinary', 'union'] -%}
        {%- if folded.startswith(start) -%}
            {%- set answer.is_orderable = false -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(answer.is_orderable) }}
{%- endmacro -%}
