"""Where events come from: one file each, behind `streams.source.Source`."""
