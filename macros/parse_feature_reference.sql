{#
    Reads one reference: view[@vVERSION][ [view_key=spine_key, ...] ][ as NAME ][:feature]

    Rule: the same grammar as the Python package (SEMANTICS P11, P12); plain splits, no regular expressions.
    returns {view, version, join_keys, alias, feature, text_of_view}
#}
{%- macro parse_feature_reference(text) -%}
    {{ return(adapter.dispatch('parse_feature_reference', 'featurestore')(text)) }}
{%- endmacro -%}


{%- macro default__parse_feature_reference(text) -%}
    {%- set problem = "cannot read the feature reference '" ~ text ~ "'\n  -> write \"view:feature\", \"view\", \"view@v2:feature\" or \"view[view_key=spine_key] as name:feature\"" -%}
    {%- set halves = (text | string).split(':') -%}
    {%- set feature = halves[1] | trim if halves | length == 2 else none -%}
    {%- set named = (halves[0] | replace(']', '] ')).split() | join(' ') -%}
    {%- set named = named.split(' as ') -%}
    {%- set keyed = (named[0] | trim).split('[') -%}
    {%- set versioned = (keyed[0] | trim).split('@') -%}
    {%- set view = versioned[0] | trim -%}
    {%- set alias = named[1] | trim if named | length == 2 else none -%}
    {%- set version = versioned[1] | trim if versioned | length == 2 else none -%}
    {%- if version is not none and version.startswith('v') -%}
        {%- set version = version[1:] -%}
    {%- endif -%}

    {%- set join_keys = {} -%}
    {%- if keyed | length == 2 and (keyed[1] | trim).endswith(']') -%}
        {%- for pair in keyed[1].replace(']', '').split(',') if pair | trim -%}
            {%- set sides = pair.split('=') -%}
            {%- if sides | length != 2 or not (sides[0] | trim) or not (sides[1] | trim) -%}
                {{ exceptions.raise_compiler_error(problem) }}
            {%- endif -%}
            {%- do join_keys.update({sides[0] | trim: sides[1] | trim}) -%}
        {%- endfor -%}
    {%- elif keyed | length > 1 -%}
        {{ exceptions.raise_compiler_error(problem) }}
    {%- endif -%}
    {%- if halves | length > 2 or named | length > 2 or versioned | length > 2
        or not view or ' ' in view or feature == '' or ' ' in (feature or '')
        or version == '' or alias == '' or ' ' in (alias or '') -%}
        {{ exceptions.raise_compiler_error(problem) }}
    {%- endif -%}

    {{ return({
        'view': view,
        'version': version,
        'join_keys': join_keys,
        'alias': alias,
        'feature': feature,
        'text_of_view': view if version is none else view ~ '@v' ~ version,
    }) }}
{%- endmacro -%}
