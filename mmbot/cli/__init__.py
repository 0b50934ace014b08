"""The commands, thin: they read their input, call a room, and show what it says."""

from __future__ import annotations

import sys

import typer

from mmbot.cli.backtest import backtest
from mmbot.cli.bench import bench
from mmbot.cli.cancel_all import cancel_all
from mmbot.cli.check import check
from mmbot.cli.demo import demo
from mmbot.cli.evaluate import evaluate
from mmbot.cli.exchange import exchange
from mmbot.cli.forecast import forecast
from mmbot.cli.replay import replay
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
app.command()(demo)
app.command()(forecast)
app.command()(run)
app.command()(check)
app.command()(cancel_all)
app.command()(exchange)
app.command()(evaluate)
app.command()(replay)
app.command()(simulate)
app.command()(backtest)
app.command()(sweep)
app.command()(bench)


def main() -> None:
    """Run the command line; a sentence and an exit code for whatever the user can mend."""
    try:
        app()
    except (BadInput, NotReady) as error:
        print(f"mmbot: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
