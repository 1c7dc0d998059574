{#
    One use of a view: under a name, with its join keys taken from these columns of the spine.

    Rule: P11. Two references with the same name, keys and version have the same `key`: they are one use.
    returns {key, name, view, relation, metadata, join_keys, spine_keys, features}
#}
{%- macro view_use(request, metadata) -%}
    {{ return(adapter.dispatch('view_use', 'featurestore')(request, metadata)) }}
{%- endmacro -%}


{%- macro default__view_use(request, metadata) -%}
    {%- set reference = request.reference -%}
    {%- set join_keys = metadata.get('join_keys') or [] -%}
    {%- set spine_keys = [] -%}
    {%- for key in join_keys -%}
        {%- do spine_keys.append(reference.join_keys.get(key, key)) -%}
    {%- endfor -%}
    {%- for key in reference.join_keys if key not in join_keys -%}
        {{ exceptions.raise_compiler_error("no join key '" ~ key ~ "' in feature view " ~ reference.text_of_view ~ "\n  -> known: " ~ join_keys | join(', ')) }}
    {%- endfor -%}
    {%- set name = reference.alias or reference.view -%}
    {%- set version = metadata.get('version') or reference.version or '' -%}
    {{ return({
        'key': reference.view ~ ' @' ~ version ~ ' as ' ~ name ~ ' on ' ~ spine_keys | join(', '),
        'name': name,
        'view': reference.text_of_view,
        'relation': request.relation,
        'metadata': metadata,
        'join_keys': join_keys,
        'spine_keys': spine_keys,
        'features': [],
    }) }}
{%- endmacro -%}
