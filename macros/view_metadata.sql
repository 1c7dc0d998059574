{#
    The metadata of the view that a reference names: the one caller of `feature_view_metadata`.

    Rule: a unit test overrides `feature_view_metadata` with one dict, either of the one view or of several by name:
    {customer_orders: {...}, customer_tier: {...}}.
#}
{%- macro view_metadata(reference) -%}
    {{ return(adapter.dispatch('view_metadata', 'featurestore')(reference)) }}
{%- endmacro -%}


{%- macro default__view_metadata(reference) -%}
    {#- As a package the macro lives under `featurestore`; copied into a project's own macros it does not. -#}
    {%- if featurestore is defined -%}
        {%- set answer = featurestore.feature_view_metadata(reference.view, reference.version) -%}
    {%- else -%}
        {%- set answer = feature_view_metadata(reference.view, reference.version) -%}
    {%- endif -%}
    {#- A view may be named like an option, e.g. `delay`: the metadata of one view always has its event time's name. -#}
    {%- set metadata = answer if answer.get('event_time') is string
        else answer.get(reference.text_of_view) or answer.get(reference.view) or {} -%}
    {%- if 'event_time' not in metadata -%}
        {{ exceptions.raise_compiler_error("the metadata of feature view '" ~ reference.text_of_view ~ "' has no event_time\n  -> in a unit test, override " ~ ('featurestore.' if featurestore is defined else '') ~ "feature_view_metadata with {" ~ reference.view ~ ": {join_keys: [...], event_time: ...}}") }}
    {%- endif -%}
    {{ return(metadata) }}
{%- endmacro -%}
