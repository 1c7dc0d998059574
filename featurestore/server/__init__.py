"""The feature server: features over HTTP, as a Feast client asks for them, and a log of what was served.

Shape: ``supervisor -> workers`` (light processes that answer lookups) and one helper beside them for what needs the
warehouse or Arrow: pushes, syncs, the feature log.
"""
