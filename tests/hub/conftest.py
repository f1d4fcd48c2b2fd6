from hub_client import cold, hub, use_hub  # noqa: F401  fixtures
