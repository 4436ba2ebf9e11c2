"""Wire models of users' uploads that come in parts."""

from pydantic import BaseModel


class PartedUploadView(BaseModel):
    """How far an upload is; parts are numbered from 1 on, and `received` are those that storage has."""

    upload_id: str
    filename: str
    size: int
    part_size: int
    part_count: int
    received: list[int]
    is_stored: bool
