{#
    A view's metadata, read once into the SQL of its rules of time.

    returns {event_us, visible_us, until_us, has_end, ttl_us, as_of, at_or_after, usable, newest_first, says}
    event_us:     the event time, in microseconds
    visible_us:   from when a row is usable: event time + delay (P7), and not before it was loaded (P8)
    until_us:     until when it is valid (P9)
    at_or_after:  >= or >, by `boundary` (P2)
    usable:       conditions on a row; NULL keys and NULL times match nothing (P2), unknown loading times neither (P8)
    newest_first: what P4 sorts by within a key
#}
{%- macro time_rules(use, as_of=none) -%}
    {{ return(adapter.dispatch('time_rules', 'featurestore')(use, as_of)) }}
{%- endmacro -%}


{%- macro default__time_rules(use, as_of=none) -%}
    {%- set identifier = adapter.dispatch('identifier', 'featurestore') -%}
    {%- set microseconds = adapter.dispatch('microseconds', 'featurestore') -%}
    {%- set duration_us = adapter.dispatch('duration_us', 'featurestore') -%}
    {%- set metadata = use.metadata -%}
    {%- set where = 'feature view ' ~ use.view ~ ': ' -%}

    {%- set ttl_us = duration_us(metadata.ttl, where ~ 'ttl') if metadata.get('ttl') is not none else none -%}
    {%- if ttl_us == 0 -%}
        {{ exceptions.raise_compiler_error(where ~ "ttl: expected more than zero, got '" ~ metadata.ttl ~ "'\n  -> remove the key if values never expire") }}
    {%- endif -%}
    {%- set delay_us = duration_us(metadata.delay, where ~ 'delay') if metadata.get('delay') is not none else none -%}
    {#- An interval says itself from when a row counts (P9). -#}
    {%- if delay_us is none and metadata.get('valid_to') is none and (metadata.get('event_time_type') or '') | lower == 'date' -%}
        {%- do exceptions.warn(where ~ "event_time '" ~ metadata.event_time ~ "' is a DATE; its rows are usable a day later\n  -> declare it: `delay: 1d`") -%}
        {%- set delay_us = 86400000000 -%}
    {%- endif -%}
    {%- set as_of = as_of or metadata.get('as_of') or 'event' -%}
    {%- set boundary = metadata.get('boundary') or 'inclusive' -%}
    {%- if as_of not in ['event', 'knowledge'] -%}
        {{ exceptions.raise_compiler_error(where ~ "as_of: expected event or knowledge, got '" ~ as_of ~ "'") }}
    {%- endif -%}
    {%- if boundary not in ['inclusive', 'exclusive'] -%}
        {{ exceptions.raise_compiler_error(where ~ "boundary: expected inclusive or exclusive, got '" ~ boundary ~ "'") }}
    {%- endif -%}
    {%- set created_at = metadata.get('created_at') -%}
    {%- if as_of == 'knowledge' and created_at is none -%}
        {{ exceptions.raise_compiler_error(where ~ "as_of: knowledge needs to know when a row was loaded\n  -> declare `created_at: COLUMN`") }}
    {%- endif -%}

    {%- set event_us = microseconds(identifier(metadata.event_time)) -%}
    {%- set visible_us = event_us ~ ' + ' ~ delay_us if delay_us else event_us -%}
    {%- set usable = [identifier(metadata.event_time) ~ ' is not null'] -%}
    {%- for key in use.join_keys -%}
        {%- do usable.append(identifier(key) ~ ' is not null') -%}
    {%- endfor -%}
    {%- if as_of == 'knowledge' -%}
        {%- set visible_us = 'greatest(' ~ visible_us ~ ', ' ~ microseconds(identifier(created_at)) ~ ')' -%}
        {%- do usable.append(identifier(created_at) ~ ' is not null') -%}
    {%- endif -%}

    {%- set said = [] -%}
    {%- if delay_us -%}{%- do said.append('usable after a delay of ' ~ (metadata.get('delay') or '1d') ~ ' (P7)') -%}{%- endif -%}
    {%- if as_of == 'knowledge' -%}{%- do said.append('usable when it was loaded, not before (P8)') -%}{%- endif -%}
    {%- if ttl_us is not none -%}{%- do said.append('for no longer than ' ~ metadata.ttl ~ ' (P3)') -%}{%- endif -%}
    {%- if metadata.get('valid_to') -%}{%- do said.append('while valid (P9)') -%}{%- endif -%}
    {{ return({
        'event_us': event_us,
        'visible_us': visible_us,
        'has_end': metadata.get('valid_to') is not none,
        'until_us': microseconds(identifier(metadata.valid_to)) if metadata.get('valid_to') is not none else none,
        'ttl_us': ttl_us,
        'as_of': as_of,
        'at_or_after': '>=' if boundary == 'inclusive' else '>',
        'usable': usable,
        'newest_first': adapter.dispatch('newest_first', 'featurestore')(metadata),
        'says': '; ' ~ said | join(', ') if said else '',
    }) }}
{%- endmacro -%}
