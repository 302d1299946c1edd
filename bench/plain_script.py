"""What a user would write instead: gunzip, `json`, opensearch-py's `parallel_bulk`, a refresh.

`python bench/plain_script.py URL PREFIX FOLDER` prints how many documents were indexed and how many
were refused. It enriches nothing, compares no duplicate and forgets what was refused.
"""

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.helpers import parallel_bulk


def actions(folder: str, prefix: str) -> Iterator[dict[str, Any]]:
    for path in sorted(Path(folder).rglob("*.json.gz")):
        for record in json.loads(gzip.decompress(path.read_bytes()))["Records"]:
            yield {
                "_op_type": "create",
                "_index": f"{prefix}cloudtrail-{record['eventTime'][:10].replace('-', '.')}",
                "_id": record["eventID"],
                "_source": record,
            }


def main(url: str, prefix: str, folder: str) -> None:
    client = OpenSearch([url], timeout=60)
    made = actions(folder, prefix)
    done = [good for good, _ in parallel_bulk(client, made, raise_on_error=False)]
    # A backfill ends once searches find its events, so this does too.
    client.indices.refresh(index=f"{prefix}cloudtrail-*", request_timeout=600)
    print(done.count(True), done.count(False))


if __name__ == "__main__":
    main(*sys.argv[1:])
