"""opensearch-py imported in part: what is needed is there, and all else once it is asked for."""

from __future__ import annotations

import subprocess
import sys

START = "import sys; from trailhound.cli.partial_packages import import_in_part; import_in_part()\n"


def run(script: str) -> None:
    done = subprocess.run([sys.executable, "-c", START + script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_client_needs_nothing_of_the_rest() -> None:
    run(
        "import trailhound.cluster.client\n"
        "from opensearchpy import OpenSearch, Transport\n"
        "from opensearchpy.connection import Urllib3HttpConnection\n"
        "assert OpenSearch.__module__ == 'opensearchpy.client'\n"
        "assert not {'requests', 'dateutil', 'opensearchpy.helpers.document'} & set(sys.modules)"
    )


def test_any_other_name_brings_the_whole_package() -> None:
    run(
        "from opensearchpy import OpenSearch\n"
        "from opensearchpy import Search, __version__\n"
        "import opensearchpy, opensearchpy.helpers, types\n"
        "assert opensearchpy.OpenSearch is OpenSearch and opensearchpy.Q and __version__\n"
        "assert callable(opensearchpy.helpers.bulk)\n"
        "assert type(opensearchpy) is type(opensearchpy.helpers) is types.ModuleType"
    )


def test_a_name_that_it_does_not_have_is_an_error() -> None:
    run(
        "import opensearchpy\n"
        "assert not hasattr(opensearchpy, 'no_such_name')\n"
        "try:\n"
        "    from opensearchpy import no_such_name\n"
        "except ImportError:\n"
        "    pass\n"
        "else:\n"
        "    raise AssertionError"
    )


def test_a_package_that_was_imported_before_stays() -> None:
    run("import opensearchpy\nimport_in_part()\nassert opensearchpy.Search")
