{#
    Reads a duration as people write it (30d, 7 days, 1h 30m, 250ms, 1us) into whole microseconds.

    Rule: numbers and units take turns; the units are those of the Python package (P3: sub-second ttls are exact).
    where: what the duration belongs to, put in front of the error.
#}
{%- macro duration_us(text, where='duration') -%}
    {{ return(adapter.dispatch('duration_us', 'featurestore')(text, where)) }}
{%- endmacro -%}


{%- macro default__duration_us(text, where='duration') -%}
    {%- set microseconds_of = {
        'us': 1, 'microsecond': 1, 'microseconds': 1,
        'ms': 1000, 'millisecond': 1000, 'milliseconds': 1000,
        's': 1000000, 'sec': 1000000, 'secs': 1000000, 'second': 1000000, 'seconds': 1000000,
        'm': 60000000, 'min': 60000000, 'mins': 60000000, 'minute': 60000000, 'minutes': 60000000,
        'h': 3600000000, 'hour': 3600000000, 'hours': 3600000000,
        'd': 86400000000, 'day': 86400000000, 'days': 86400000000,
        'w': 604800000000, 'week': 604800000000, 'weeks': 604800000000,
    } -%}
    {%- set tokens = [] -%}
    {%- for word in (text | string | lower).split() -%}
        {%- set run = namespace(text='', is_number=false) -%}
        {%- for character in word | list -%}
            {%- set is_digit = character in '0123456789' -%}
            {%- if run.text and is_digit != run.is_number -%}
                {%- do tokens.append(run.text) -%}
                {%- set run.text = '' -%}
            {%- endif -%}
            {%- set run.is_number = is_digit -%}
            {%- set run.text = run.text ~ character -%}
        {%- endfor -%}
        {%- do tokens.append(run.text) -%}
    {%- endfor -%}

    {%- set sum = namespace(total=0, count='', is_bad=not tokens) -%}
    {%- for token in tokens -%}
        {%- if loop.index is odd -%}
            {%- set sum.count = token -%}
            {%- set sum.is_bad = sum.is_bad or token[0:1] not in '0123456789' or loop.last -%}
        {%- elif token in microseconds_of and not sum.is_bad -%}
            {%- set sum.total = sum.total + (sum.count | int) * microseconds_of[token] -%}
        {%- else -%}
            {%- set sum.is_bad = true -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if sum.is_bad -%}
        {{ exceptions.raise_compiler_error(where ~ ": expected a duration such as \"7 days\", \"1h 30m\" or \"250ms\", got '" ~ text ~ "'") }}
    {%- endif -%}
    {{ return(sum.total) }}
{%- endmacro -%}
