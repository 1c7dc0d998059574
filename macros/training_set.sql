{#
    A training set as a dbt model: for each example, the feature values known at its time.

    Shape: spine -> per view: asked, (ranked, best | rows), known -> the spine's columns, then the features.
    Rule: SEMANTICS P1 to P12. `ref()` is called here for every view, so lineage and build order are right.

    spine:              ref('labels'), the name of a model, or one SELECT
    spine_time:         its column that says when each example was observed
    features:           'view:feature', 'view', 'view@v2:feature', 'view[view_key=spine_key] as name:feature'
    keep:               the spine's columns to repeat; none is all of them
    full_feature_names: view__feature instead of feature (P12)
    event_timestamps:   adds <view>__event_timestamp and <view>__found (P6)
    as_of:              'event' or 'knowledge' for the whole set; none leaves it to each view (P8)
#}
{%- macro training_set(
    spine, spine_time, features, keep=none, full_feature_names=false, event_timestamps=false, as_of=none
) -%}
    {{ return(adapter.dispatch('training_set', 'featurestore')(
        spine, spine_time, features, keep, full_feature_names, event_timestamps, as_of
    )) }}
{%- endmacro -%}


{%- macro default__training_set(
    spine, spine_time, features, keep, full_feature_names, event_timestamps, as_of
) -%}
    {%- set parse_feature_reference = adapter.dispatch('parse_feature_reference', 'featurestore') -%}
    {%- set identifier = adapter.dispatch('identifier', 'featurestore') -%}
    {%- set microseconds = adapter.dispatch('microseconds', 'featurestore') -%}

    {#- These ref() calls run when dbt parses, too: they are the model's lineage. -#}
    {%- set requests = [] -%}
    {%- for text in features -%}
        {%- set reference = parse_feature_reference(text) -%}
        {%- set relation = ref(reference.view) if reference.version is none else ref(reference.view, v=reference.version) -%}
        {%- do requests.append({'reference': reference, 'relation': relation}) -%}
    {%- endfor -%}
    {%- set is_query = spine is string and ' ' in (spine | trim | replace('\n', ' ')) -%}
    {%- set examples = ref(spine | trim) if spine is string and not is_query else spine -%}
    {%- if not execute -%}
        {{ return('select 1 as not_yet') }}
    {%- endif -%}
    {%- if not requests -%}
        {{ exceptions.raise_compiler_error("training_set: no features were asked for\n  -> name at least one, e.g. features=['view:feature']") }}
    {%- endif -%}

    {%- set spine_columns = keep if keep is not none
        else adapter.dispatch('column_names', 'featurestore')(examples, is_query) -%}
    {%- set selection = adapter.dispatch('select_features', 'featurestore')(
        requests, spine_columns, full_feature_names, event_timestamps
    ) -%}

with

spine as (
    {%- if is_query %}
    {{ examples | trim }}
    {%- else %}
    select * from {{ examples }}
    {%- endif %}
)
    {%- for use in selection.uses %},

{{ adapter.dispatch('point_in_time_ctes', 'featurestore')(use, spine_time, as_of) }}
    {%- endfor %}

-- P1: every example once, with what was known at its time; no match is NULL (P6)
select
    {%- for column in spine_columns %}
    spine.{{ identifier(column) }},
    {%- else %}
    spine.*,
    {%- endfor %}
    {%- for output in selection.outputs %}
    {{ output.expression }} as {{ identifier(output.name) }}{{ "," if not loop.last }}
    {%- endfor %}
from spine
    {%- for use in selection.uses %}
left join __known_{{ use.id }}
    on {{ microseconds('spine.' ~ identifier(spine_time)) }} = __known_{{ use.id }}.__time_us
        {%- for key in use.spine_keys %}
    and spine.{{ identifier(key) }} = __known_{{ use.id }}.__key_{{ loop.index }}
        {%- endfor %}
    {%- endfor %}
{%- endmacro -%}
