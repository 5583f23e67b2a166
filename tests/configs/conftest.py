collect_ignore = ['toy']  # configs, which pytest would import to look for doctests
