"""Wire models of the public and administrative JSON API."""

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from comfyfleet.core.credits import EntryKind
from comfyfleet.core.jobs import MAX_PRIORITY, MIN_PRIORITY, JobEvent, JobStatus
from comfyfleet.core.properties import Property, PropertyType
from comfyfleet.core.roles import Role

NO_NUL: Final = r"^[^\x00]*$"
"""What Postgres can store of a text."""

Scalar = str | bool | int | float
Slug = Annotated[str, Field(min_length=1, max_length=64)]
Name = Annotated[str, Field(min_length=1, max_length=300, pattern=NO_NUL)]


class Strict(BaseModel):
    """A request: unknown fields are refused, so that a typing error is never silently ignored."""

    model_config = ConfigDict(extra="forbid")


class PropertyModel(Strict):
    """One typed input of a workflow; see `core.properties.Property`."""

    key: str
    type: PropertyType
    label: str = Field(default="", max_length=200)
    help: str = Field(default="", max_length=2000)
    default: Scalar | None = None
    minimum: float | None = None
    maximum: float | None = None
    choices: list[str] = Field(default_factory=list, max_length=500)
    required: bool = False
    user_configurable: bool = True
    is_primary_input: bool = False
    placeholder: str | None = Field(default=None, max_length=200)
    node_id: str | None = Field(default=None, max_length=200)
    input_name: str | None = Field(default=None, max_length=200)

    def to_property(self) -> Property:
        """Return the rule's own type."""
        return Property(**{**self.model_dump(), "choices": tuple(self.choices)})

    @classmethod
    def from_property(cls, prop: Property) -> "PropertyModel":
        """Return the wire's type."""
        return cls(**{**vars(prop), "choices": list(prop.choices)})


class NewWorkflow(Strict):
    """A workflow to import: what ComfyUI's Export (API) wrote, and what its inputs are."""

    name: Name
    slug: Slug
    description: str = Field(default="", max_length=5000)
    is_active: bool = True
    graph: dict[str, Any]
    output_node_id: str = Field(max_length=200)
    output_extension: str = "mp4"
    output_mime_type: str = "video/mp4"
    properties: list[PropertyModel] = Field(default_factory=list, max_length=200)


class WorkflowView(BaseModel):
    """A workflow as an administrator sees it."""

    id: int
    name: str
    slug: str
    description: str
    is_active: bool
    version: int = 1
    comfyui_workflow_path: str
    output_node_id: str
    output_extension: str
    output_mime_type: str
    properties: list[PropertyModel]
    node_classes: list[str] = Field(default_factory=list)
    fleets: list[str] = Field(default_factory=list)
    created_at: datetime


class NewEffect(Strict):
    """A product on a workflow."""

    name: Name
    slug: Slug
    description: str = Field(default="", max_length=5000)
    workflow: Slug
    property_overrides: dict[str, Scalar] = Field(default_factory=dict)
    credits_cost: int = Field(default=1, ge=0, le=1_000_000)
    is_active: bool = True
    preview_url: str | None = Field(default=None, max_length=2000, pattern=r"^(https://|/)[^\s]*$")


class ConfigurableProperty(BaseModel):
    """What a user may set; nothing here tells how the workflow is built."""

    key: str
    type: PropertyType
    label: str
    help: str
    default: Scalar | None
    minimum: float | None
    maximum: float | None
    choices: list[str]
    required: bool
    is_primary_input: bool


class EffectView(BaseModel):
    """An effect as the public sees it."""

    id: int
    name: str
    slug: str
    description: str
    credits_cost: int
    preview_url: str | None
    preview_type: str | None = None
    output_mime_type: str
    configurable_properties: list[ConfigurableProperty]


class NewUpload(Strict):
    """A file that a user is about to upload; `size` in bytes."""

    filename: str = Field(min_length=1, max_length=500)
    content_type: str = Field(pattern=r"^[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+$", max_length=200)
    size: int = Field(ge=1)


class UploadTicket(BaseModel):
    """Where to PUT the bytes, with which headers and until when."""

    upload_id: str
    put_url: str
    headers: dict[str, str]
    expires_at: datetime


class UploadView(BaseModel):
    """An upload; `is_stored` once its bytes have arrived."""

    upload_id: str
    filename: str
    content_type: str
    size: int
    is_stored: bool
    url: str | None = None


class NewJob(Strict):
    """A run of an effect. Values by property key; a file's value is the id of an upload."""

    effect: Slug
    values: dict[str, Scalar] = Field(default_factory=dict, max_length=200)
    priority: int = Field(default=0, ge=MIN_PRIORITY, le=MAX_PRIORITY)


class JobErrorView(BaseModel):
    """Why a job failed, and at which node and input."""

    message: str
    code: str | None = None
    node_id: str | None = None
    node_type: str | None = None
    input_name: str | None = None


class JobView(BaseModel):
    """A job as its owner sees it. `progress` is 0 to 1; `estimated_seconds` is until its end, null if not known."""

    id: int
    effect: str
    effect_name: str
    status: JobStatus
    values: dict[str, Scalar]
    priority: int
    attempt: int
    max_attempts: int
    progress: float
    progress_node: str | None
    credits_cost: int
    cancel_requested: bool
    queue_position: int | None = None
    estimated_seconds: int | None = None
    error: JobErrorView | None
    output_url: str | None
    output_size: int | None
    output_mime_type: str
    created_at: datetime
    queued_at: datetime
    leased_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None


class JobEventView(BaseModel):
    """One line of a job's timeline."""

    at: datetime
    event: JobEvent
    attempt: int
    detail: str


class NewFleet(Strict):
    """A fleet of machines that share a bundle."""

    slug: Slug
    stage: Slug
    name: str = Field(default="", max_length=300)


class FleetView(BaseModel):
    """A fleet, the workflows that it serves, and the bundle that it points to, as `name@version`."""

    slug: str
    stage: str
    name: str
    workflows: list[str]
    queue_depth: int
    active_bundle: str | None = None


class FleetWorkflows(Strict):
    """The workflows that a fleet shall serve, by slug."""

    workflows: list[Slug]


class NewTenant(Strict):
    """A customer with users, keys and credits of its own."""

    name: Name
    slug: Slug


class BalanceView(BaseModel):
    """Whole credits: what can be spent, what running jobs hold, and what was spent."""

    available: int
    reserved: int
    consumed: int


class TenantView(BaseModel):
    """A tenant, its balance, and how many of its jobs may be open at a time, null for any number."""

    id: str
    name: str
    slug: str
    balance: BalanceView
    max_open_jobs: int | None
    created_at: datetime


class NewGrant(Strict):
    """Credits for a tenant, with the reason."""

    amount: int = Field(gt=0, le=1_000_000_000)
    reason: str = Field(min_length=1, max_length=1000, pattern=NO_NUL)


class LedgerEntryView(BaseModel):
    """One entry of the ledger; `amount` is never negative, `kind` says what it does."""

    id: int
    kind: EntryKind
    amount: int
    job_id: int | None
    reason: str
    at: datetime


class NewUser(Strict):
    """A person of a tenant; the answer holds a one-time password."""

    email: str = Field(pattern=r"^[^@\s\x00]+@[^@\s\x00]+$", max_length=320)
    role: Role = Role.USER


class NewUserView(BaseModel):
    """A user with the password to hand over; it is shown once and must be changed at the first sign-in."""

    id: str
    email: str
    one_time_password: str


class NewKey(Strict):
    """An API key to make; without a role it gets the caller's own, or for another tenant that of a user."""

    name: str = Field(min_length=1, max_length=200, pattern=NO_NUL)
    role: Role | None = None


class KeyView(BaseModel):
    """An API key; its secret part is not kept."""

    id: str
    name: str
    role: Role
    hint: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewKeyView(BaseModel):
    """A key with its token, which is shown this once."""

    key: KeyView
    token: str


class Me(BaseModel):
    """Who is calling, and what the tenant can spend."""

    email: str | None
    role: Role
    tenant_id: str
    tenant_name: str
    balance: BalanceView


class SignIn(Strict):
    """Credentials of a person."""

    email: str = Field(max_length=320)
    password: str = Field(max_length=1000)


class NewPassword(Strict):
    """A change of password."""

    current: str = Field(max_length=1000)
    new: str = Field(min_length=12, max_length=1000)
