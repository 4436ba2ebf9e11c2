"""The stage and the fleet that a cloud in memory has."""

from comfyfleet import names

STAGE, FLEET = "staging", "gpu-default"
LABEL = f"{STAGE}/{FLEET}"
GROUP = names.group_name(STAGE, FLEET)
IMAGE_PARAMETER = names.image_parameter(STAGE, FLEET)
ACCOUNT = "123456789012"
BUCKET = names.models_bucket(ACCOUNT, STAGE)
