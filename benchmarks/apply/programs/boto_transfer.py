"""Downloads objects with boto3's transfer manager as it comes: one process, one client, ten threads.

    python boto_transfer.py BUCKET KEYS FOLDER

KEYS is a JSON list; an object's file is named after the last part of its key.
"""

import json
import sys
from pathlib import Path

import boto3
from boto3.s3.transfer import TransferConfig, create_transfer_manager


def main(bucket: str, keys: str, folder: str) -> None:
    """Download all keys at once, as far as the transfer manager lets them."""
    client = boto3.client("s3")
    with create_transfer_manager(client, TransferConfig()) as manager:
        futures = []
        for key in json.loads(Path(keys).read_text()):
            target = Path(folder, key)
            target.parent.mkdir(parents=True, exist_ok=True)
            futures.append(manager.download(bucket, key, str(target)))
        for future in futures:
            future.result()


if __name__ == "__main__":
    main(*sys.argv[1:])
