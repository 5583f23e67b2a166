import json
import re
from dataclasses import asdict

import pytest

from antialias_plugins.explorer import check_writable, render_page, write_page
from antialias_plugins.version import __version__
from tests.explorer.conftest import CLASSES, classification, segmentation


@pytest.mark.parametrize('make', [segmentation, classification])
def test_the_page_holds_the_numbers_and_names_no_other_place(make):
    exploration = make()
    page = render_page(exploration)
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1]
    assert json.loads(block) == json.loads(json.dumps(asdict(exploration)))
    page = re.sub(r'data:image/\w+;base64,[\w+/=]*', 'data:', page)
    assert not re.search(r'(?i)https?:|//[a-z]|\b(src|href)="(?!data:)|@import|url\(', page)
    assert f'antialias_plugins {__version__}' in page


def test_a_class_cannot_end_the_script():
    page = render_page(segmentation())
    assert any('</script>' in name for name in CLASSES)
    assert page.count('</script>') == page.count('<script')


def test_a_title_is_text():
    page = render_page(segmentation(), title='<b> & $style')
    assert page.count('&lt;b&gt; &amp; $style') == 2
    assert '<b>' not in page


def test_a_page_replaces_the_old_one_at_once(tmp_path):
    path = tmp_path / 'page.html'
    path.write_text('old')
    assert write_page(path, 'né') == 3
    assert path.read_bytes() == 'né'.encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / 'page.html'
    path.write_text('old')
    with pytest.raises(UnicodeEncodeError):
        write_page(path, '\ud800')
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_folders_are_made(tmp_path):
    check_writable(tmp_path / 'a' / 'b' / 'page.html')
    assert list((tmp_path / 'a' / 'b').iterdir()) == []


@pytest.mark.parametrize('name', ['.', 'file/page.html'], ids=['a folder', 'below a file'])
def test_where_no_page_can_be_is_said_at_once(name, tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(ValueError, match='out must be a file that can be written, got'):
        check_writable(tmp_path / name)
