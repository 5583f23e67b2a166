#!/usr/bin/env python
"""Make ToyShapes, a data set of generated shapes with instances in COCO's format."""

from lab.command import generator_parser, run_generator
from lab.toyshapes import contact_sheet, make_dataset


def main() -> None:
    """Make the data set and say what was done."""
    run_generator(generator_parser(__doc__, 'ToyShapes', size='128x96'), make_dataset, contact_sheet)


if __name__ == '__main__':
    main()
