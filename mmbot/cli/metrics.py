"""`mmbot metrics`: the list of metrics, the Grafana board and the alert rules."""

from __future__ import annotations

from importlib import resources
from typing import Annotated

import typer

from mmbot.daemon.metrics import FIGURES, page_of_documentation
from mmbot.errors import BadInput


def metrics(
    grafana: Annotated[
        bool, typer.Option("--grafana", help="Print the Grafana board, as JSON to import.")
    ] = False,
    rules: Annotated[
        bool, typer.Option("--rules", help="Print the alert rules, as YAML for Prometheus.")
    ] = False,
    page: Annotated[bool, typer.Option("--page", help="Print docs/metrics.md.")] = False,
) -> None:
    """List the daemon's metrics, or print a Grafana board or alert rules for them.

    The daemon serves them on loopback once the config has a port:
    [metrics]
    port = 9464

    Example:
    mmbot metrics --rules > /etc/prometheus/mmbot.yml
    """
    if grafana + rules + page > 1:
        raise BadInput("--grafana, --rules and --page contradict each other; give one of them")
    if grafana or rules:
        name = "grafana.json" if grafana else "alert_rules.yml"
        print(resources.files("mmbot.daemon").joinpath(name).read_text(encoding="utf-8"), end="")
    elif page:
        print(page_of_documentation(), end="")
    else:
        for figure in FIGURES:
            print(f"{figure.name:<36} {figure.tells}")
