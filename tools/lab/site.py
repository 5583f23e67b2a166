"""What the documentation's site takes from outside ``docs/``: the hooks of ``mkdocs.yml``.

``mkdocs build`` in the root of a checkout makes it in ``site/``. The start page is README.md; the reference is made of
every public name; links that lead out of ``docs/`` lead to GitHub, or to the page that a file has here.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

import griffe
import latex2mathml.converter
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

ROOT = Path(__file__).parents[2]
PACKAGE = 'antialias_plugins'
# Files of the root that are pages.
PAGES = {'README.md': 'index.md', 'CHANGELOG.md': 'changelog.md', 'CONTRIBUTING.md': 'contributing.md'}
# What a page of the reference holds, where that is not `__all__`.
CHOSEN = {'kernels': ('use_backend', 'can_use_triton'), 'testing': ('shift_equivariance_error',)}
REFERENCE = (
    *('conversion', 'layers', 'functional', 'timm_models', 'openmmlab', 'checkpoints', 'metrics', 'testing'),
    *('evaluation', 'deployment', 'visualization', 'kernels'),
)
_LINK = re.compile(r'(\]\(|\b(?:src|href)="|^\[[^]]+\]: )([^)"\s]+)', re.MULTILINE)
_FENCE = re.compile(r'(^ *```.*?^ *```)', re.MULTILINE | re.DOTALL)
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


class Docstrings(griffe.Extension):
    """The docstrings, which are written for `help`, in Markdown."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rewrite the docstring of an object."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add README.md and its like, the reference, and the notebooks with the outputs that are saved in them."""
    for path, uri in PAGES.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    for name in REFERENCE:
        files.append(File.generated(config, f'reference/{name}.md', content=reference_page(name)))
    files.append(File.generated(config, 'reference/index.md', content=reference_index()))
    for path in sorted((ROOT / 'docs/notebooks').glob('*.ipynb')):
        text, resources = MarkdownExporter().from_filename(str(path), {'unique_key': path.stem})
        text = f'{text}\n\n[This page as a notebook]({path.name})\n'
        for name, content in {f'{path.stem}.md': text, **resources['outputs']}.items():
            files.append(File.generated(config, f'notebooks/{name}', content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Mend the links of a page, but for those in its code."""
    source = next((path for path, uri in PAGES.items() if uri == page.file.src_uri), f'docs/{page.file.src_uri}')
    parts = _FENCE.split(markdown)
    parts[::2] = [
        _LINK.sub(lambda match: match[1] + mend_link(match[2], source, config.repo_url.rstrip('/')), part)
        for part in parts[::2]
    ]
    return ''.join(parts)


def on_page_content(html: str, **_: object) -> str:
    """Make MathML of the formulas, which browsers draw without a script."""

    def convert(match: re.Match[str]) -> str:
        display = 'inline' if match[1] == 'span' else 'block'
        formula = match[2].replace('&lt;', '<').replace('&gt;', '>').replace('&amp;', '&')
        return latex2mathml.converter.convert(formula, display=display)

    return _FORMULA.sub(convert, html)


def mend_link(link: str, source: str, repository: str) -> str:
    """Where a link of a file of the repository leads on the site.

    >>> mend_link('../configs/resnet', 'docs/imagenet.md', 'https://example.org')
    'https://example.org/tree/main/configs/resnet'
    >>> mend_link('https://example.org/blob/main/docs/training.md#amp', 'README.md', 'https://example.org')
    'training.md#amp'
    """
    inside = re.fullmatch(rf'{re.escape(repository)}/(?:blob|raw|tree)/main/(.*)', link)
    if not inside and re.match(r'[a-z]+:|#|//', link):
        return link
    path, hash_, anchor = (inside[1] if inside else link).partition('#')
    path = path if inside else normpath(PurePosixPath(source).parent / path)
    page = _page_of(path)
    if page is None or (ROOT / path).is_dir():
        return f'{repository}/{"tree" if (ROOT / path).is_dir() else "blob"}/main/{path}{hash_}{anchor}'
    here = PAGES.get(source) or source.removeprefix('docs/')
    return relpath(page, PurePosixPath(here).parent) + hash_ + anchor


def as_markdown(docstring: str) -> str:
    """The docstring with its links, its references and its example as Markdown writes them.

    >>> print(as_markdown('Of `Zhang <https://arxiv.org/abs/1904.11486>`_::'))
    Of [Zhang](https://arxiv.org/abs/1904.11486):
    >>> print(as_markdown('Module of `BlurPool2d`; see :func:`fuse`, ``filt_size``'))
    Module of [`BlurPool2d`][antialias_plugins.layers.BlurPool2d]; see `fuse`, `filt_size`
    """
    text = re.sub(r'`([^`<]+?)\s+<(https?://[^>]+)>`_+', r'[\1](\2)', docstring)
    text = re.sub(r':\w+:`~?(?:[\w.]+\.)?(\w+)`', r'`\1`', text)
    text = re.sub(r'(?<!`)`([\w.]+)`(?!`)', lambda match: _reference(match[1]), text)
    text = text.replace('``', '`')
    text = re.sub(r'::$', ':', text, flags=re.MULTILINE)
    return re.sub(r'^Example:$', 'Examples:', text, flags=re.MULTILINE)


def _reference(name: str) -> str:
    full = _known().get(name.removeprefix(f'{PACKAGE}.').rpartition('.')[2])
    return f'[`{name}`][{full}]' if full else f'`{name}`'


@cache
def _known() -> dict[str, str]:
    """Where the reference has a name that stands alone."""
    return {name.rpartition('.')[2]: f'{PACKAGE}.{name}' for part in reversed(REFERENCE) for name in public_names(part)}


def _page_of(path: str) -> str | None:
    """The page that a file of the repository has here; for a part of the package, its reference."""
    top, _, inside = path.partition('/')
    part = inside.partition('/')[0].removesuffix('.py')
    if top == PACKAGE and part in REFERENCE:
        return f'reference/{part}.md'
    return inside if top == 'docs' else PAGES.get(path)


def public_names(part: str) -> list[str]:
    """Names below ``antialias_plugins`` that a part of it has for others, as they are imported."""
    if part == 'openmmlab':
        return [f'openmmlab.{name}' for name in sorted(_registered())]
    names = CHOSEN.get(part) or _all_of(ROOT / PACKAGE / part / '__init__.py')
    return [f'{part}.{name}' for name in names]


def reference_page(part: str) -> str:
    """The page of a part: its docstring, and every public name."""
    blocks = '\n'.join(f'::: {PACKAGE}.{name}\n' for name in public_names(part))
    return f'# {part}\n\n{_docstring(part)}\n\n{blocks}'


def reference_index() -> str:
    """The list of parts."""
    rows = (f'| [`{part}`]({part}.md) | {_docstring(part).partition(chr(10))[0]} |' for part in REFERENCE)
    return '\n'.join(('# Reference', '', f'| of `{PACKAGE}` | |', '|---|---|', *rows, ''))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _all_of(path: Path) -> list[str]:
    assigned = (node for node in _tree(path).body if isinstance(node, ast.Assign))
    (names,) = (ast.literal_eval(node.value) for node in assigned if ast.unparse(node.targets[0]) == '__all__')
    return names


def _docstring(part: str) -> str:
    folder = ROOT / PACKAGE / part
    return ast.get_docstring(_tree(folder / '__init__.py' if folder.is_dir() else folder.with_suffix('.py')))


def _registered() -> Iterator[str]:
    """The types that mmengine finds: decorated, or listed in ``registration.py``."""
    folder = ROOT / PACKAGE / 'openmmlab'
    listed = {node.value for node in ast.walk(_tree(folder / 'registration.py')) if isinstance(node, ast.Constant)}
    for path in folder.rglob('*.py'):
        for node in _tree(path).body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and (
                node.name in listed or any('register_module' in ast.unparse(one) for one in node.decorator_list)
            ):
                yield '.'.join((*path.relative_to(folder).with_suffix('').parts, node.name))
