"""The commands, thin: each reads its input, calls the package that does the work, prints."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from mmbot.cli.backtest import backtest
from mmbot.cli.bench import bench
from mmbot.cli.cancel_all import cancel_all
from mmbot.cli.check import check
from mmbot.cli.config import config_app
from mmbot.cli.demo import demo
from mmbot.cli.evaluate import evaluate
from mmbot.cli.exchange import exchange
from mmbot.cli.forecast import forecast
from mmbot.cli.history import history
from mmbot.cli.init import init
from mmbot.cli.operate import counts, explain, halt, plan, reload, resume
from mmbot.cli.output import never_refuse_a_character
from mmbot.cli.record import record
from mmbot.cli.replay import replay
from mmbot.cli.report import report
from mmbot.cli.run import run
from mmbot.cli.simulate import simulate
from mmbot.cli.sweep import sweep
from mmbot.errors import BadInput, NotReady

app = typer.Typer(
    name="mmbot",
    help="Make markets in Kalshi's weekly TSA passenger events.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.callback()(lambda: None)
_SET_UP = "Set it up"
_STEER = "Ask and steer the daemon that runs"
_PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Try it": (demo, exchange, simulate),
    _SET_UP: (init,),
    "Trade": (check, run, cancel_all),
    _STEER: (halt, resume, explain, plan, reload),
    "Study": (record, report, replay, forecast, evaluate, backtest, sweep, bench),
}
for panel, commands in _PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(config_app, name="config", rich_help_panel=_SET_UP)
app.add_typer(counts, name="counts", rich_help_panel=_STEER)
app.add_typer(history, name="history", rich_help_panel="Study")


def main() -> None:
    """Run the command line; errors that the user can fix are one sentence and an exit code."""
    never_refuse_a_character()
    try:
        app()
    except (BadInput, NotReady) as error:
        print(f"mmbot: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
