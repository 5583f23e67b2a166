"""The reference systems for segmentation: heads, backbones, losses and segmentors that build on mmseg's.

`antialias_plugins.openmmlab.registration` names their types; a module is imported when a config builds one of them.
"""
