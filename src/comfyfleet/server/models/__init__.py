"""The tables. Everything that reads or writes them goes through a slice's repository."""

from comfyfleet.server.models.assets import Asset, AssetName, AssetUpload
from comfyfleet.server.models.audit import AuditEntry
from comfyfleet.server.models.base import Base
from comfyfleet.server.models.bundles import Bundle, BundleEntry, FleetActivation
from comfyfleet.server.models.credits import CreditEntry
from comfyfleet.server.models.fleets import Fleet, FleetSample, FleetWorkflow, Worker, WorkerLogLine, WorkerRefusal
from comfyfleet.server.models.jobs import Job, JobEventRow, Upload
from comfyfleet.server.models.operations import Operation, OperationLine
from comfyfleet.server.models.tenants import ApiKey, Tenant, User, UserSession
from comfyfleet.server.models.workflows import Effect, Workflow, WorkflowVersion

__all__ = [
    "ApiKey",
    "Asset",
    "AssetName",
    "AssetUpload",
    "AuditEntry",
    "Base",
    "Bundle",
    "BundleEntry",
    "CreditEntry",
    "Effect",
    "Fleet",
    "FleetActivation",
    "FleetSample",
    "FleetWorkflow",
    "Job",
    "JobEventRow",
    "Operation",
    "OperationLine",
    "Tenant",
    "Upload",
    "User",
    "UserSession",
    "Worker",
    "WorkerLogLine",
    "WorkerRefusal",
    "Workflow",
    "WorkflowVersion",
]
