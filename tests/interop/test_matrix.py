"""Any transport to any other: the matrix runs once, and each of its cells is a test."""

import asyncio

import pytest

from matrix import CELLS, MISSING, Matrix

LIMIT = 400  # seconds for all cells; a third of it is much


@pytest.fixture(scope="module")
def matrix(tmp_path_factory, in_loop, pytestconfig):
    m = Matrix(tmp_path_factory.mktemp("matrix"))
    in_loop(m.start())
    loop = asyncio.get_event_loop()
    loop.run_until_complete(asyncio.wait_for(m.run(), LIMIT))
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("\n" + m.table())
    yield m
    in_loop(m.stop())


@pytest.mark.covers("C8323-6-2", "C8323-7.1-3", "C8323-9.2-1", "C8613-4.1.3.4-2", "S-19", "S-20")
@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell not in MISSING], ids=str)
def test_cell(matrix, cell):
    assert not matrix.outcomes[cell].failure


def test_missing_cells_have_reasons():
    assert all(MISSING.values())
