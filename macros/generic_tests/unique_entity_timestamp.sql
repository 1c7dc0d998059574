{#
    Passes when no key has two rows at one event time: a point-in-time join then never has to break a tie.

    Rule: P4. Where late corrections share an event time, add `created_at`, or use the test `feature_view`.
#}
{% test unique_entity_timestamp(model, event_time, entities=[], created_at=none) %}
    {%- set columns = entities + [event_time] + ([created_at] if created_at else []) -%}
    {%- set identity = adapter.dispatch('comma_list', 'featurestore')(columns) -%}

select {{ identity }}, count(*) as rows_of_one_instant
from {{ model }}
group by {{ identity }}
having count(*) > 1

{% endtest %}
