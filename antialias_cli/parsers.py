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
_FILTERS = 'lpf<k>, ddac<k>, aps<k>, lps<k>, tips, flc (default: lpf4)'


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
    add = {
        **{'plan': _add_plan, 'config': _add_config, 'eval': _add_eval, 'compare': _add_compare, 'report': _add_report},
        **{'explore': _add_explore, 'weights': _add_weights, 'run': _add_run, 'info': _add_info},
    }
    for name in COMMANDS:
        description = COMMANDS[name][0].upper() + COMMANDS[name][1:] + '.'
        add[name](commands.add_parser(name, usage=f'antialias {name} {_USAGE[name]}', description=description))
    return parser


def _option(container: argparse._ActionsContainer, declaration: str, help: str, **options: Any) -> None:
    """Add an option as its help shows it: ``--size N``, ``--images FILE…`` for one or more, ``--amp`` for a flag."""
    name, _, value = declaration.partition(' ')
    if value:
        kind = {'N': _natural, 'X': float, 'FILE': Path, 'DIR|FILE': Path}.get(value.rstrip('…'), str)
        many = {'nargs': '+'} if value.endswith('…') else {}
        options = {'metavar': value.rstrip('…'), 'type': kind, **many, **options}
    elif not options.keys() & {'choices', 'action'}:
        options['action'] = 'store_true'
    container.add_argument(name, help=help, **options)


def _add_plan(parser: Parser) -> None:
    _leads_to(parser, 'networks', 'plan')
    parser.epilog = _NETWORKS + 'A plan needs no weights: of a config, CONFIG.py will do.'
    parser.add_argument('network', metavar='NETWORK', help='see below')
    _option(parser, '--pool POOL', f'the filter: {_FILTERS}')
    _option(parser, '--convert K=V…', 'options of convert_antialias: dilated=blur', action=_KeyValues)
    _option(parser, '--size N', "side of the example image (default: the network's)", type=_positive)
    _add_network_options(parser, weights=False)
    _add_results(parser, json='write the plan')


def _add_config(parser: Parser) -> None:
    _leads_to(parser, 'configs', 'write')
    parser.add_argument('base', metavar='BASE', help='config file, or name of a config of mmseg, mmdet or mmpretrain')
    parser.add_argument('-o', '--out', type=Path, required=True, metavar='FILE', help='config file to write')
    _option(parser, '--pool POOL', f'the filter: {_FILTERS}', default='lpf4')
    _option(parser, '--convert K=V…', 'options of convert_antialias: dilated=blur', action=_KeyValues)
    _option(parser, '--cfg-options K=V…', 'other values that differ from those of BASE: model.backbone.depth=101')
    _option(parser, '--consistency', 'measure the consistency in the test loop')
    _option(parser, '--overwrite', 'replace files that exist')


def _add_eval(parser: Parser) -> None:
    _leads_to(parser, 'evaluation', 'evaluate')
    parser.epilog = _NETWORKS + _TESTED + 'antialias eval resnet50_lpf4 --images photos'
    parser.add_argument('network', metavar='NETWORK', help='see below')
    _add_network_options(parser)
    _add_settings(parser)
    _add_results(parser, json='write settings, figures and versions')


def _add_compare(parser: Parser) -> None:
    _leads_to(parser, 'evaluation', 'compare')
    parser.epilog = _NETWORKS + _TESTED + 'antialias compare resnet50 resnet50_lpf4 --images photos --json results.json'
    parser.add_argument('networks', nargs='+', metavar='NETWORK', help='see below')
    _option(parser, '--names NAME…', 'what to call the networks, in the same order')
    _add_network_options(parser)
    _add_settings(parser)
    kept = 'keep the results of every network; what is there is not measured again: an interrupted comparison goes on'
    group = _add_results(parser, json=kept, figure='draw accuracy over consistency')
    _option(group, '--table FILE', 'write the table: .md as it is printed, .csv with all digits')
    _option(group, '--published', 'with the published results on ImageNet in the figure')


def _add_report(parser: Parser) -> None:
    _leads_to(parser, 'networks', 'report')
    parser.epilog = _NETWORKS + _SEEN + 'antialias report resnet18 resnet18_lpf4 --images *.jpg --figure spectra.png'
    parser.add_argument('networks', nargs='+', metavar='NETWORK', help='the baseline first; see below')
    _option(parser, '--names NAME…', 'what to call the networks, in the same order')
    _add_pictures(parser)
    _add_network_options(parser)
    group = parser.add_argument_group('measurement')
    fade = 'of the spectra: fade the maps out, or not (default: hann)'
    _option(group, '--window', fade, choices=('hann', 'none'), default='hann')
    _option(group, '--layers PATTERN…', 'modules whose equivariance error is measured (default: the outermost ones)')
    _option(group, '--shift N…', 'diagonal shifts in pixels (default: 1)', type=int, default=[1])
    _option(group, '--margin N', 'pixels at the borders that do not count (default: 0)', default=0)
    group = _add_results(parser, json='write all numbers', figure='draw the spectra')
    _option(group, '--equivariance-figure FILE', 'draw the errors through the depth')


def _add_explore(parser: Parser) -> None:
    _leads_to(parser, 'networks', 'explore')
    parser.epilog = _NETWORKS + _SEEN + 'antialias explore resnet18 resnet18_lpf4 --images cat.jpg --out cat.html'
    parser.add_argument('networks', nargs='+', metavar='NETWORK', help='one, or two with the baseline first; see below')
    _option(parser, '--names NAME…', 'what to call the networks, in the same order')
    group = _add_pictures(parser)
    _option(group, '--label N…', 'class to watch in each picture (default: the top class at first)')
    _option(group, '--max-shift N', 'pixels to move (default: 16)', type=_positive, default=16)
    ways = {'nargs': '+', 'choices': ('diagonal', 'horizontal', 'vertical'), 'default': ['diagonal']}
    _option(group, '--direction', 'where to (default: diagonal)', **ways)
    _add_network_options(parser)
    group = _add_results(parser)
    _option(group, '--out FILE', 'the page (default: explore.html)', default=Path('explore.html'))
    _option(group, '--title TEXT', 'heading of the page (default: the names of the networks)')


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
        '(of DDAC, VainF, DeepLabv3.pytorch, pytorch-deeplab-xception, DSRL): by --config. A training of DSRL: --dsrl.',
    )
    _leads_to(convert, 'weights', 'convert')
    convert.add_argument('src', type=Path, metavar='SRC', help='the file')
    convert.add_argument('dst', type=Path, metavar='DST', help='file to write: .pth, or .safetensors for timm')
    kind = convert.add_mutually_exclusive_group(required=True)
    _option(kind, '--arch NAME', 'what SRC was trained as: resnet50_lpf4, resnet101_ddac3, resnet18_lps2')
    _option(kind, '--config FILE', 'config of the segmentor that SRC is for')
    _option(kind, '--dsrl', 'take the super-resolution branch out of a checkpoint, which is unpickled: your own alone')
    libraries = ('mmseg', 'mmdet', 'mmpretrain')
    _option(convert, '--library', 'with --arch: for a backbone of this package, not for timm', choices=libraries)
    _option(convert, '--num-classes N', 'with --arch, for timm: classes of SRC (default: 1000)', type=_positive)
    _option(convert, '--backbone', 'with --config: SRC is the backbone alone (R-101-GN-WS.pth.tar)')
    _option(convert, '--sha256 HEX', 'digest that SRC must have, or its first characters')
    _option(convert, '--overwrite', 'replace files that exist')


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


def _add_results(parser: Parser, **files: str) -> argparse._ArgumentGroup:
    group = parser.add_argument_group('results')
    for name, help in files.items():
        _option(group, f'--{name} FILE', help)
    _option(group, '--overwrite', 'replace files that exist')
    return group


def _add_network_options(parser: Parser, weights: bool = True) -> None:
    group = parser.add_argument_group('network')
    if weights:
        published = 'load the published weights of a name without a file, or leave them random (default: load)'
        _option(group, '--pretrained', published, action=argparse.BooleanOptionalAction, default=True)
    _option(group, '--model-kwargs K=V…', 'arguments of timm networks: num_classes=10', action=_KeyValues, default={})
    _option(group, '--cfg-options K=V…', 'changes of configs')


def _add_pictures(parser: Parser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group('computation')
    _option(group, '--device NAME', 'where to compute (default: the GPU, if there is one)')
    _option(group, '--seed N', 'of weights that are not loaded (default: 0)', default=0)
    group = parser.add_argument_group('pictures')
    _option(group, '--images FILE…', f'pictures, or folders of them. {_UPRIGHT}', required=True)
    _option(group, '--skip-unreadable', 'leave out pictures that cannot be read, and list them')
    sizes = (
        "side of a classifier's input (default: the smallest of the networks' own), or width of a segmentor's picture"
    )
    _option(group, '--size N', sizes, type=_positive)
    return group


_TESTED = 'A config is tested on its own test set.\n\nexample: '
_SEEN = 'Of configs, those of mmseg alone.\n\nexample: '
_UPRIGHT = 'They are turned as their cameras say, and on white where they are transparent.'
_IMAGES = (
    'folder with one sub-folder per class; without labels, for the consistency alone: folder of pictures, or pictures.'
)
_GROUPS = (
    'pictures belong together whose paths have the same text for the first group of this expression (videos, scenes)'
)
_LEGACY = 'legacy: the published evaluation, offsets shared by a batch, mean of five repeats (default: per_image)'

# The fields of `antialias_plugins.evaluation.Settings`, which owns their defaults, by the title of their group.
_SETTINGS: dict[str, tuple[tuple[str, str, dict[str, Any]], ...]] = {
    'images of timm networks (a config names its own)': (
        ('--images DIR|FILE…', f'{_IMAGES} {_UPRIGHT}', {}),
        ('--unlabelled', "the sub-folders are not the network's classes, though they are as many", {}),
        ('--skip-unreadable', 'leave out pictures that cannot be read, and say how many', {}),
        ('--size N', "side of the input (default: the network's own)", {'type': _positive}),
        ('--crop-pct X', "side of the input / side of the resized picture (default: the network's)", {'type': _share}),
        ('--interpolation', "of the resizing (default: the network's own)", {'choices': INTERPOLATIONS}),
    ),
    'consistency': (
        ('--max-shift N', 'offsets are 0 to N-1 pixels (default: 32)', {'type': _at_least(2)}),
        ('--views N', 'number of shifted views that must all agree (default: 2)', {'type': _at_least(2)}),
        ('--circular', 'shift the picture circularly', {}),
        ('--protocol', _LEGACY, {'choices': ('per_image', 'legacy')}),
        ('--seed N', 'of the offsets, and of weights that are not loaded (default: 0)', {}),
        ('--groups REGEX', f'{_GROUPS}, and the intervals count groups', {}),
        ('--per-class', 'of a segmentation, every class too', {}),
        ('--boundary N', 'of a segmentation, within N pixels of boundaries too', {'type': _positive}),
        ('--score-threshold X', 'of a detector, lowest score that counts (default: 0.5)', {}),
    ),
    'computation': (
        ('--batch-size N', "images per forward pass (default: 64, or the config's)", {'type': _positive}),
        ('--workers N', "processes that read images (default: at most 4, or the config's)", {}),
        ('--device NAME', 'where a timm network computes (default: the GPU, if there is one)', {}),
        ('--amp', 'mixed precision', {}),
        ('--amp-dtype', 'of mixed precision (default: float16)', {'choices': ('float16', 'bfloat16')}),
        ('--channels-last', 'memory format of a timm network and its images', {}),
    ),
}


def _add_settings(parser: Parser) -> None:
    for title, rows in _SETTINGS.items():
        group = parser.add_argument_group(title)
        for declaration, help, options in rows:
            _option(group, declaration, help, default=argparse.SUPPRESS, **options)
