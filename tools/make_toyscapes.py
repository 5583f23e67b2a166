#!/usr/bin/env python
"""Make ToyScapes, a data set of generated street scenes in the layout of Cityscapes or of PASCAL VOC."""

from lab.command import generator_parser, run_generator
from lab.toyscapes import contact_sheet, make_dataset
from lab.toyscapes.layouts import LAYOUTS


def main() -> None:
    """Make the data set and say what was done."""
    parser = generator_parser(__doc__, 'ToyScapes', size='512x256')
    parser.add_argument('--layout', choices=sorted(LAYOUTS), default='cityscapes', help='folders, classes and labels')
    run_generator(parser, make_dataset, contact_sheet, own=['layout'])


if __name__ == '__main__':
    main()
