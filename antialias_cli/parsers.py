"""Parsers of the command line. They import nothing that is large, so that help is there at once."""

import argparse
import ast
import re
import runpy
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

COMMANDS = {
    'plan': 'where a network downsamples, and what a conversion puts there',
    'config': 'write a config that antialiases the backbone of an OpenMMLab config',
    'eval': 'accuracy of a network, and its consistency under shifts',
    'compare': 'accuracy, consistency, parameters and speed of several networks, in one table',
    'report': 'what aliases in networks, layer by layer',
    'explore': 'write a page that shows what networks predict while a window moves over pictures',
    'weights': 'fetch, verify and convert published weights',
    'run': "run a script, such as timm's train.py, with the antialiased networks known to timm and OpenMMLab",
    'info': 'versions, machine, and how the filters are computed here',
}

_USAGE = {
    'plan': 'NETWORK [OPTION …]',
    'config': 'BASE --out FILE [OPTION …]',
    'eval': 'NETWORK [--images DIR] [OPTION …]',
    'compare': 'NETWORK NETWORK … [--images DIR] [OPTION …]',
    'report': 'NETWORK … --images FILE … [OPTION …]',
    'explore': 'NETWORK [NETWORK] --images FILE … [OPTION …]',
    'weights': 'fetch|verify|convert …',
    'run': 'SCRIPT [ARGUMENT …]',
    'info': '[OPTION …]',
}

INTERPOLATIONS = ('nearest', 'bilinear', 'bicubic', 'box', 'hamming', 'lanczos')

_NETWORKS = """
NETWORK is one of
  NAME               a timm network, ours included, with its published weights: resnet50_lpf4
  NAME@FILE          the same with weights from a file, in any known layout
  NAME+POOL[@FILE]   a timm network that is converted: resnet50+lpf3, resnet50+lpf3@best.pth
  hf-hub:USER/REPO   a timm network of the Hugging Face hub
  CONFIG.py@FILE     a config of mmseg, mmdet or mmpretrain with its checkpoint
  FOLDER             a finished training of mmengine
"""


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> None:
        """Leave with status 2."""
        self.exit(2, f'{self.prog}: {message} (see {self.prog} --help)\n')

    def option_names(self) -> list[str]:
        """Return all options that begin with two dashes."""
        return sorted({*re.findall(r'--[\w-]+', self.format_help())})


class _Version(argparse.Action):
    """Prints the version, which stands in a file of a package that is not to be imported."""

    def __call__(self, parser: argparse.ArgumentParser, *others: Any) -> None:
        file = Path(find_spec('antialias_plugins').origin).with_name('version.py')
        print('antialias-plugins', runpy.run_path(str(file))['__version__'])
        parser.exit()


class _KeyValues(argparse.Action):
    """Collects ``KEY=VALUE`` in a dict; a value is a Python literal, a list of words in brackets, or text."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, *others: Any
    ) -> None:
        found = dict(getattr(namespace, self.dest) or {})
        for text in values:
            key, equals, value = text.partition('=')
            if not (key and equals):
                raise argparse.ArgumentError(self, f'must be KEY=VALUE, got {text!r}')
            found[key] = _value(value)
        setattr(namespace, self.dest, found)


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        if text[:1] == '[' and text[-1:] == ']':
            return [_value(word.strip()) for word in text[1:-1].split(',')]
        return {'true': True, 'false': False, 'none': None}.get(text.lower(), text)


def make_parser() -> Parser:
    """Return the parser of the command; what it reads has a ``module`` and a ``function`` of this package."""
    width = max(map(len, COMMANDS))
    listed = '\n'.join(f'  {name:{width}}  {help}' for name, help in COMMANDS.items())
    parser = Parser(
        prog='antialias',
        usage='antialias [--version] COMMAND …',
        description='Shift-equivariant downsampling for timm and OpenMMLab models.',
        epilog=f'commands:\n{listed}\n\nantialias COMMAND --help says more.',
    )
    parser.add_argument('--version', nargs=0, action=_Version, help='print the version and exit')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND', prog='antialias', help=argparse.SUPPRESS)
    adders = {
        'plan': _add_plan,
        'config': _add_config,
        'eval': _add_eval,
        'compare': _add_compare,
        'report': _add_report,
        'explore': _add_explore,
        'weights': _add_weights,
        'run': _add_run,
        'info': _add_info,
    }
    for name, add in adders.items():
        description = COMMANDS[name][0].upper() + COMMANDS[name][1:] + '.'
        add(commands.add_parser(name, usage=f'antialias {name} {_USAGE[name]}', description=description))
    return parser


def _add_plan(parser: Parser) -> None:
    _leads_to(parser, 'networks', 'plan')
    parser.epilog = _NETWORKS + 'A plan needs no weights: of a config, CONFIG.py will do.'
    parser.add_argument('network', metavar='NETWORK', help='see below')
    parser.add_argument(
        '--pool', metavar='POOL', help='the filter: lpf<k>, ddac<k>, aps<k>, lps<k>, tips, flc (default: lpf4)'
    )
    _add_convert(parser)
    parser.add_argument(
        '--size', type=_positive, metavar='N', help="side of the example image (default: the network's)"
    )
    _add_network_options(parser, weights=False)
    _add_results(parser, json='write the plan')


def _add_config(parser: Parser) -> None:
    _leads_to(parser, 'configs', 'write')
    parser.add_argument('base', metavar='BASE', help='config file, or name of a config of mmseg, mmdet or mmpretrain')
    parser.add_argument('-o', '--out', type=Path, required=True, metavar='FILE', help='config file to write')
    parser.add_argument('--pool', default='lpf4', metavar='POOL', help='the filter: lpf<k>, ddac<k>, … (default: lpf4)')
    _add_convert(parser)
    _add_cfg_options(parser, 'other values that differ from those of BASE: model.backbone.depth=101')
    parser.add_argument('--consistency', action='store_true', help='measure the consistency in the test loop')
    _add_overwrite(parser)


def _add_eval(parser: Parser) -> None:
    _leads_to(parser, 'evaluation', 'evaluate')
    parser.epilog = (
        _NETWORKS + 'A config is tested on its own test set.\n\nexample: antialias eval resnet50_lpf4 --images photos'
    )
    parser.add_argument('network', metavar='NETWORK', help='see below')
    _add_network_options(parser)
    _add_settings(parser)
    _add_results(parser, json='write settings, figures and versions')


def _add_compare(parser: Parser) -> None:
    _leads_to(parser, 'evaluation', 'compare')
    parser.epilog = _NETWORKS + (
        'A config is tested on its own test set.\n\n'
        'example: antialias compare resnet50 resnet50_lpf4 --images photos --json results.json'
    )
    parser.add_argument('networks', nargs='+', metavar='NETWORK', help='see below')
    _add_names(parser)
    _add_network_options(parser)
    _add_settings(parser)
    group = _add_results(
        parser,
        json='keep the results of every network; those that are there already are not measured again, so that an '
        'interrupted comparison goes on',
        figure='draw accuracy over consistency',
    )
    group.add_argument(
        '--table', type=Path, metavar='FILE', help='write the table: .md as it is printed, .csv with all digits'
    )
    group.add_argument('--published', action='store_true', help='with the published results on ImageNet in the figure')


def _add_report(parser: Parser) -> None:
    _leads_to(parser, 'networks', 'report')
    parser.epilog = _NETWORKS + (
        'Of configs, those of mmseg alone.\n\n'
        'example: antialias report resnet18 resnet18_lpf4 --images *.jpg --figure spectra.png'
    )
    parser.add_argument('networks', nargs='+', metavar='NETWORK', help='the baseline first; see below')
    _add_names(parser)
    _add_pictures(parser)
    _add_network_options(parser)
    group = parser.add_argument_group('measurement')
    group.add_argument(
        '--window',
        choices=('hann', 'none'),
        default='hann',
        help='of the spectra: fade the maps out, or not (default: hann)',
    )
    group.add_argument(
        '--layers',
        nargs='+',
        metavar='PATTERN',
        help='modules whose equivariance error is measured (default: the outermost ones)',
    )
    group.add_argument(
        '--shift', type=int, nargs='+', default=[1], metavar='N', help='diagonal shifts in pixels (default: 1)'
    )
    group.add_argument(
        '--margin', type=_natural, default=0, metavar='N', help='pixels at the borders that do not count (default: 0)'
    )
    group = _add_results(parser, json='write all numbers', figure='draw the spectra')
    group.add_argument('--equivariance-figure', type=Path, metavar='FILE', help='draw the errors through the depth')


def _add_explore(parser: Parser) -> None:
    _leads_to(parser, 'networks', 'explore')
    parser.epilog = _NETWORKS + (
        'Of configs, those of mmseg alone.\n\n'
        'example: antialias explore resnet18 resnet18_lpf4 --images cat.jpg --out cat.html'
    )
    parser.add_argument('networks', nargs='+', metavar='NETWORK', help='one, or two with the baseline first; see below')
    _add_names(parser)
    group = _add_pictures(parser)
    group.add_argument(
        '--label',
        type=_natural,
        nargs='+',
        metavar='N',
        help='class to watch in each picture (default: the top class at first)',
    )
    group.add_argument('--max-shift', type=_positive, default=16, metavar='N', help='pixels to move (default: 16)')
    group.add_argument(
        '--direction',
        nargs='+',
        choices=('diagonal', 'horizontal', 'vertical'),
        default=['diagonal'],
        help='where to (default: diagonal)',
    )
    _add_network_options(parser)
    group = _add_results(parser)
    group.add_argument(
        '--out', type=Path, default=Path('explore.html'), metavar='FILE.html', help='the page (default: explore.html)'
    )
    group.add_argument('--title', help='heading of the page (default: the names of the networks)')


def _add_weights(parser: Parser) -> None:
    kinds = parser.add_subparsers(dest='kind', metavar='fetch|verify|convert', prog='antialias weights', required=True)
    fetch = kinds.add_parser('fetch', description='Download published weights, once, and print where they lie.')
    _leads_to(fetch, 'weights', 'fetch')
    fetch.add_argument('name', metavar='NAME', help='resnet50_lpf4, or with a tag: resnet50_lpf4.adobe_in1k')
    verify = kinds.add_parser('verify', description='Say which published weights a file holds, by its SHA-256 digest.')
    _leads_to(verify, 'weights', 'verify')
    verify.add_argument('file', type=Path, metavar='FILE')
    convert = kinds.add_parser(
        'convert',
        description='Rewrite weights of antialiased-cnns, DDAC, LPS and published DeepLabs for timm or OpenMMLab.',
        epilog='Published backbones: for timm by --arch, for OpenMMLab by --arch and --library. Published segmentors\n'
        '(of DDAC, VainF, DeepLabv3.pytorch, pytorch-deeplab-xception, DSRL): by --config. '
        'A training of DSRL: by --dsrl.',
    )
    _leads_to(convert, 'weights', 'convert')
    convert.add_argument('src', type=Path, metavar='SRC', help='the file')
    convert.add_argument('dst', type=Path, metavar='DST', help='file to write: .pth, or .safetensors for timm')
    kind = convert.add_mutually_exclusive_group(required=True)
    kind.add_argument(
        '--arch', metavar='NAME', help='what SRC was trained as: resnet50_lpf4, resnet101_ddac3, resnet18_lps2'
    )
    kind.add_argument('--config', type=Path, metavar='FILE', help='config of the segmentor that SRC is for')
    kind.add_argument(
        '--dsrl',
        action='store_true',
        help='take the super-resolution branch out of a checkpoint, which is unpickled: your own alone',
    )
    convert.add_argument(
        '--library',
        choices=('mmseg', 'mmdet', 'mmpretrain'),
        help='with --arch: for a backbone of this package, rather than timm',
    )
    convert.add_argument(
        '--num-classes', type=_positive, metavar='N', help='with --arch, for timm: classes of SRC (default: 1000)'
    )
    convert.add_argument(
        '--backbone', action='store_true', help='with --config: SRC is the backbone alone (R-101-GN-WS.pth.tar)'
    )
    convert.add_argument('--sha256', metavar='HEX', help='digest that SRC must have, or its first characters')
    _add_overwrite(convert)


def _add_run(parser: Parser) -> None:
    parser.epilog = 'under torchrun: torchrun --nproc-per-node 4 -m antialias_plugins run train.py …'
    parser.set_defaults(parser=parser)
    parser.add_argument('script', metavar='SCRIPT', help='a Python file; it sees the arguments that follow')


def _add_info(parser: Parser) -> None:
    _leads_to(parser, 'system', 'info')
    _add_results(parser, json='write it')


def _leads_to(parser: Parser, module: str, function: str) -> None:
    parser.set_defaults(parser=parser, module=module, function=function)


def _at_least(least: int) -> Callable[[str], int]:
    def integer(text: str) -> int:
        if not text.removeprefix('-').isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f'must be an integer of at least {least}, got {text!r}')
        return int(text)

    return integer


_positive, _natural = _at_least(1), _at_least(0)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f'must be above 0 and at most 1, got {text!r}')
    return share


def _add_convert(parser: Parser) -> None:
    parser.add_argument(
        '--convert', nargs='+', action=_KeyValues, metavar='K=V', help='options of convert_antialias: dilated=blur'
    )


def _add_cfg_options(parser: argparse._ActionsContainer, help: str) -> None:
    parser.add_argument('--cfg-options', nargs='+', metavar='K=V', help=help)


def _add_overwrite(parser: argparse._ActionsContainer) -> None:
    parser.add_argument('--overwrite', action='store_true', help='replace files that exist')


def _add_names(parser: Parser) -> None:
    parser.add_argument('--names', nargs='+', metavar='NAME', help='what to call the networks, in the same order')


def _add_results(parser: Parser, **files: str) -> argparse._ArgumentGroup:
    group = parser.add_argument_group('results')
    for name, help in files.items():
        group.add_argument(f'--{name}', type=Path, metavar='FILE', help=help)
    _add_overwrite(group)
    return group


def _add_network_options(parser: Parser, weights: bool = True) -> None:
    group = parser.add_argument_group('network')
    if weights:
        group.add_argument(
            '--pretrained',
            action=argparse.BooleanOptionalAction,
            default=True,
            help='load the published weights of a name without a file, or leave them random (default: load)',
        )
    group.add_argument(
        '--model-kwargs', nargs='+', action=_KeyValues, default={}, metavar='K=V', help='arguments of timm networks'
    )
    _add_cfg_options(group, 'changes of configs')


def _add_pictures(parser: Parser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group('computation')
    group.add_argument('--device', metavar='NAME', help='where to compute (default: the GPU, if there is one)')
    group.add_argument(
        '--seed', type=_natural, default=0, metavar='N', help='of weights that are not loaded (default: 0)'
    )
    group = parser.add_argument_group('pictures')
    group.add_argument(
        '--images',
        type=Path,
        nargs='+',
        required=True,
        metavar='FILE',
        help='pictures, or folders of them; turned as their cameras say, and on white where they are transparent',
    )
    group.add_argument(
        '--skip-unreadable', action='store_true', help='leave out pictures that cannot be read, and list them'
    )
    group.add_argument(
        '--size',
        type=_positive,
        metavar='N',
        help="side of a classifier's input (default: the smallest of the networks' own), or width to which a "
        "segmentor's pictures are resized (default: their own)",
    )
    return group


# The fields of `antialias_plugins.evaluation.Settings`, which owns the defaults: group, name, type (None for a flag),
# what stands for the value, and help.
_FOLDER, _SHIFTS, _COMPUTATION = 'images of timm networks (a config names its own)', 'consistency', 'computation'
_SETTINGS = (
    (
        _FOLDER,
        'images',
        Path,
        'DIR|FILE',
        'folder with one sub-folder per class, or its parent with a folder "validation"; for '
        'the consistency alone, without labels: a folder of pictures, or pictures. They are turned as their '
        'cameras say, and on white where they are transparent',
    ),
    (_FOLDER, 'unlabelled', None, None, "the sub-folders are not the network's classes, though they are as many"),
    (_FOLDER, 'skip-unreadable', None, None, 'leave out pictures that cannot be read, and say how many'),
    (_FOLDER, 'size', _positive, 'N', "side of the input (default: the network's own)"),
    (_FOLDER, 'crop-pct', _share, 'X', "side of the input / side of the resized picture (default: the network's own)"),
    (_FOLDER, 'interpolation', INTERPOLATIONS, None, "of the resizing (default: the network's own)"),
    (_SHIFTS, 'max-shift', _at_least(2), 'N', 'offsets are 0 to N-1 pixels (default: 32)'),
    (_SHIFTS, 'views', _at_least(2), 'K', 'number of shifted views that must all agree (default: 2)'),
    (_SHIFTS, 'circular', None, None, 'shift the picture circularly'),
    (
        _SHIFTS,
        'protocol',
        ('per_image', 'legacy'),
        None,
        'legacy: the published evaluation, offsets shared by a batch, mean of five repeats (default: per_image)',
    ),
    (_SHIFTS, 'seed', _natural, 'N', 'of the offsets, and of weights that are not loaded (default: 0)'),
    (
        _SHIFTS,
        'groups',
        str,
        'REGEX',
        'images whose paths have the same text for the first group of this regular expression '
        'belong together (frames of a video, tiles of a scene), and the intervals count groups',
    ),
    (_SHIFTS, 'per-class', None, None, 'of a segmentation, every class too'),
    (_SHIFTS, 'boundary', _positive, 'N', 'of a segmentation, within N pixels of boundaries too'),
    (_SHIFTS, 'score-threshold', float, 'X', 'of a detector, lowest score that counts (default: 0.5)'),
    (_COMPUTATION, 'batch-size', _positive, 'N', "images per forward pass (default: 64, or the config's)"),
    (_COMPUTATION, 'workers', _natural, 'N', "processes that read images (default: at most 4, or the config's)"),
    (_COMPUTATION, 'device', str, 'NAME', 'where a timm network computes (default: the GPU, if there is one)'),
    (_COMPUTATION, 'amp', None, None, 'mixed precision'),
    (_COMPUTATION, 'amp-dtype', ('float16', 'bfloat16'), None, 'of mixed precision (default: float16)'),
    (_COMPUTATION, 'channels-last', None, None, 'memory format of a timm network and its images'),
)


def _add_settings(parser: Parser) -> None:
    groups: dict[str, argparse._ArgumentGroup] = {}
    for title, name, kind, metavar, help in _SETTINGS:
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        options: dict[str, Any] = {'default': argparse.SUPPRESS, 'help': help}
        if kind is None:
            options['action'] = 'store_true'
        elif isinstance(kind, tuple):
            options['choices'] = kind
        else:
            options |= {'type': kind, 'metavar': metavar, **({'nargs': '+'} if kind is Path else {})}
        groups[title].add_argument(f'--{name}', **options)
