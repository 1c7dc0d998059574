{#
    Passes when no time lies in the future: such a row would be invisible today and appear by itself later.

    tolerance_seconds: how far clocks may disagree; default one minute.
#}
{% test no_future_timestamps(model, column_name, tolerance_seconds=60) %}
    {%- set time = adapter.dispatch('identifier', 'featurestore')(column_name) -%}
    {%- set microseconds = adapter.dispatch('microseconds', 'featurestore') -%}

select {{ time }} as time_in_the_future
from {{ model }}
where {{ microseconds(time) }} > {{ microseconds('current_timestamp') }} + {{ tolerance_seconds * 1000000 }}

{% endtest %}
