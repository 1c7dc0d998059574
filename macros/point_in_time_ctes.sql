{#
    The CTEs that answer one use of a view; the last is __known_<use>: keys, __time_us, __feature_1, ...

    Rule: of the rows usable at the example's time, the newest (P2, P3, P4, P7, P8, P9). Times are whole
    microseconds in here, so every edge is exact, and naive, zoned and DATE columns compare alike (P14).

    default: rows are ranked once per key, newest first; the answer is the smallest rank among the matches,
             a narrow join with min(), no sort of pairs. Also the interval join of snapshots and SCD2 models.
    duckdb:  its native ASOF join, which needs no pairs at all. Not for intervals and knowledge time, where the
             newest usable row is not the one that became usable last.
#}
{%- macro point_in_time_ctes(use, spine_time, as_of=none) -%}
    {{ return(adapter.dispatch('point_in_time_ctes', 'featurestore')(use, spine_time, as_of)) }}
{%- endmacro -%}


{%- macro default__point_in_time_ctes(use, spine_time, as_of=none) -%}
    {%- set rules = adapter.dispatch('time_rules', 'featurestore')(use, as_of) -%}
    {{- adapter.dispatch('asked_cte', 'featurestore')(use, spine_time) }},

-- {{ use.name }}: rank 1 is the newest row of its key (P4){{ rules.says }}
__ranked_{{ use.id }} as (
    select
        {{ adapter.dispatch('view_row', 'featurestore')(use, rules) }},
        row_number() over (
            {%- if use.join_keys %}
            partition by {{ adapter.dispatch('comma_list', 'featurestore')(use.join_keys) }}
            {%- endif %}
            order by {{ rules.newest_first | join(', ') }}
        ) as __rank
    from {{ use.relation }}
    where {{ rules.usable | join(' and ') }}
),

-- {{ use.name }}: the newest row among those that match
__best_{{ use.id }} as (
    select
        {%- for key in use.join_keys %}
        asked.__key_{{ loop.index }},
        {%- endfor %}
        asked.__time_us,
        min(ranked.__rank) as __rank
    from __asked_{{ use.id }} as asked
    inner join __ranked_{{ use.id }} as ranked
        on asked.__time_us {{ rules.at_or_after }} ranked.__visible_us
        {%- for key in use.join_keys %}
        and asked.__key_{{ loop.index }} = ranked.__key_{{ loop.index }}
        {%- endfor %}
        {%- if rules.ttl_us is not none %}
        and ranked.__event_us >= asked.__time_us - {{ rules.ttl_us }}
        {%- endif %}
        {%- if rules.has_end %}
        and (ranked.__until_us is null or asked.__time_us < ranked.__until_us)
        {%- endif %}
    group by {% for key in use.join_keys %}asked.__key_{{ loop.index }}, {% endfor %}asked.__time_us
),

-- {{ use.name }}: the whole row, NULL features too (P5)
__known_{{ use.id }} as (
    select
        {%- for key in use.join_keys %}
        best.__key_{{ loop.index }},
        {%- endfor %}
        best.__time_us,
        {%- for feature in use.features %}
        ranked.__feature_{{ loop.index }},
        {%- endfor %}
        ranked.__event_time
    from __best_{{ use.id }} as best
    inner join __ranked_{{ use.id }} as ranked
        on best.__rank = ranked.__rank
        {%- for key in use.join_keys %}
        and best.__key_{{ loop.index }} = ranked.__key_{{ loop.index }}
        {%- endfor %}
)
{%- endmacro -%}


{%- macro duckdb__point_in_time_ctes(use, spine_time, as_of=none) -%}
    {%- set rules = adapter.dispatch('time_rules', 'featurestore')(use, as_of) -%}
    {%- if rules.has_end or rules.as_of == 'knowledge' -%}
        {#- dispatch finds this macro again for DuckDB, so the default is called by its own name -#}
        {%- if featurestore is defined -%}
            {{ return(featurestore.default__point_in_time_ctes(use, spine_time, as_of)) }}
        {%- else -%}
            {{ return(default__point_in_time_ctes(use, spine_time, as_of)) }}
        {%- endif -%}
    {%- endif -%}
    {{- adapter.dispatch('asked_cte', 'featurestore')(use, spine_time) }},

-- {{ use.name }}: one row per key and event time; of ties the newest (P4){{ rules.says }}
__rows_{{ use.id }} as (
    select
        {{ adapter.dispatch('view_row', 'featurestore')(use, rules) }}
    from {{ use.relation }}
    where {{ rules.usable | join(' and ') }}
    qualify row_number() over (
        partition by
            {%- for key in use.join_keys %} __key_{{ loop.index }},{% endfor %} __event_us
        order by {{ rules.newest_first | join(', ') }}
    ) = 1
),

-- {{ use.name }}: the last row at or before the example's time, the whole row (P2, P5)
__known_{{ use.id }} as (
    select
        {%- for key in use.join_keys %}
        asked.__key_{{ loop.index }},
        {%- endfor %}
        asked.__time_us,
        {%- for feature in use.features %}
        known.__feature_{{ loop.index }},
        {%- endfor %}
        known.__event_time
    from __asked_{{ use.id }} as asked
    asof join __rows_{{ use.id }} as known
        on asked.__time_us {{ rules.at_or_after }} known.__visible_us
        {%- for key in use.join_keys %}
        and asked.__key_{{ loop.index }} = known.__key_{{ loop.index }}
        {%- endfor %}
    {%- if rules.ttl_us is not none %}
    where known.__event_us >= asked.__time_us - {{ rules.ttl_us }}
    {%- endif %}
)
{%- endmacro -%}
