from hub_client import cold, hub, me, mirror, running_mirror, use_hub  # noqa: F401  fixtures
