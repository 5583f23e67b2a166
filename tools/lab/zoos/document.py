"""docs/zoos.md: an introduction, and a section for every stack that it was made on."""

import re

INTRODUCTION = """\
# Zoos: which configs can be antialiased

Every config that the installed mmseg, mmdet and mmpretrain bring along, read, turned into a child config by what
`tools/antialias_config.py` does (`lpf4`, every other option at its default), and its backbone built as that child
config says. This file is written by `python tools/make_zoo_table.py`, one section on each of the two stacks.

Backbones are told apart by all their options (depth, dilations, style, frozen stages, deformable convolutions, ...).
Each is built once, with random weights, and every config that has it is counted. Checkpoints are no part of it:
`init_cfg` and `pretrained` are left out, and nothing is downloaded.

**Converted**: `type='Antialiased'` builds the backbone, and its maps have the sizes that they had before. What it then
computes is checked for every class of backbones in [coverage.md](coverage.md). *Filters* is their smallest and largest
number. *A whole model*: converted configs of each type are built as a whole with random weights and run on 128×128 or
512×512 pixels of noise, until one runs: a detector predicts, the others compute their raw outputs.

**Refused**: an error names each place and its reason. **Not applicable**: nothing behind the stem downsamples in a way
that would be filtered, as in most transformers, or there is no backbone. **Applicable**: all others that were built.
"""


def replace_stack(document: str, stack: str, section: str) -> str:
    r"""A document with one stack's section new, and those of the others as they were.

    Args:
        document: what there was; empty if nothing.
        stack: name of the section.
        section: its text, beginning with ``## `` and that name.

    Example:
        >>> replace_stack('# Old introduction\n\n## b\n\n1\n', 'a', '## a\n\n2').partition('## a')[2]
        '\n\n2\n\n## b\n\n1\n'
    """
    sections = {text[3:].partition('\n')[0]: text.strip() for text in re.split(r'^(?=## )', document, flags=re.M)[1:]}
    ordered = sorted((sections | {stack: section.strip()}).items())
    return '\n\n'.join([INTRODUCTION.strip(), *(text for _, text in ordered)]) + '\n'
