"""Tables in, tables out: paired comparisons."""
