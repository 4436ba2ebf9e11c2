from pydantic import SecretStr

from comfyfleet.server.settings import ServerSettings
from comfyfleet.server.system.effective import groups_of

SECRETS = (
    "database-word",
    "a-signing-key-of-tests",
    "a-fleet-secret-of-tests",
    "the-bucket-word",
    "AKIA-ID",
    "hf_token",
)


def settings() -> ServerSettings:
    return ServerSettings(
        database_url="postgresql://me:database-word@db.example:5432/fleet?sslpassword=database-word",
        app_key=SecretStr("a-signing-key-of-tests"),
        comfyui_fleet_secret=SecretStr("a-fleet-secret-of-tests"),
        aws_bucket="media",
        aws_endpoint_url="https://s3.example:9000",
        aws_access_key_id="AKIA-ID",
        aws_secret_access_key=SecretStr("the-bucket-word"),
        import_huggingface_token=SecretStr("hf_token"),
    )


def test_every_setting_is_shown_once_with_its_description() -> None:
    shown = [setting for group in groups_of(settings()) for setting in group.settings]
    assert sorted(one.variable for one in shown) == sorted(name.upper() for name in ServerSettings.model_fields)
    assert all(one.description for one in shown)


def test_of_secrets_only_whether_they_are_set_is_told() -> None:
    told = " ".join(group.model_dump_json() for group in groups_of(settings()))
    assert [secret for secret in SECRETS if secret in told] == []
    by_name = {one.variable: one for group in groups_of(settings()) for one in group.settings}
    assert by_name["AWS_SECRET_ACCESS_KEY"].is_set
    assert not by_name["IMPORT_CIVITAI_TOKEN"].is_set
    assert by_name["DATABASE_URL"].value == "postgresql://me:•••@db.example:5432/fleet?•••"
    assert by_name["AWS_ENDPOINT_URL"].value == "https://s3.example:9000"


def test_what_was_set_is_told_from_defaults() -> None:
    by_name = {one.variable: one for group in groups_of(settings()) for one in group.settings}
    assert by_name["STAGE"].is_default
    assert by_name["IMPORT_ALLOWED_NETWORKS"].is_default
    assert not by_name["AWS_BUCKET"].is_default
    assert not by_name["APP_KEY"].is_default
