{#
    The first CTE of a use: what the examples ask of the view, each key and time once.

    Rule: equal examples ask once and are joined back by value, so the spine needs no row ids (P1);
    NULL keys and NULL times ask nothing (P2).
#}
{%- macro asked_cte(use, spine_time) -%}
    {{ return(adapter.dispatch('asked_cte', 'featurestore')(use, spine_time)) }}
{%- endmacro -%}


{%- macro default__asked_cte(use, spine_time) -%}
    {%- set identifier = adapter.dispatch('identifier', 'featurestore') -%}
-- {{ use.name }}: what the examples ask, each key and time once; NULLs ask nothing (P1, P2)
__asked_{{ use.id }} as (
    select distinct
        {%- for key in use.spine_keys %}
        {{ identifier(key) }} as __key_{{ loop.index }},
        {%- endfor %}
        {{ adapter.dispatch('microseconds', 'featurestore')(identifier(spine_time)) }} as __time_us
    from spine
    where {{ identifier(spine_time) }} is not null
        {%- for key in use.spine_keys %} and {{ identifier(key) }} is not null{% endfor %}
)
{%- endmacro -%}
