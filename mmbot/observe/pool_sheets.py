"""What past weeks say about the weights of belief and market, as sheets, with advice."""

from __future__ import annotations

from collections.abc import Iterator

from mmbot.observe.sheets import Sheet, signed
from mmbot.research.weights import (
    FEWEST_EVENTS,
    KNOWN_WITHIN,
    LogScores,
    PoolReview,
    Proposal,
)

_PROPOSAL_COLUMNS = (
    "events", "n", "in force", "best here", "s.e.", "proposed", "95 %",
    f"events for ±{KNOWN_WITHIN:g}",
)  # fmt: skip


def log_scores(pool: PoolReview) -> Sheet:
    """Return how belief, market and pool scored, by published days."""
    named = {**{str(days): scores for days, scores in pool.scores.items()}, "all": pool.total}
    rows = tuple(
        (name, str(scores.events), *texts)
        for name, scores in named.items()
        if scores is not None
        for texts in _log_score_rows(scores)
    )
    return Sheet(
        "Log scores by known days",
        ("k", "events", "by", "score", "less the mid's", "95 %"),
        rows,
        "The mean of -ln of the probability that the outcome had: less is better. Mid sharpened "
        "and pool use the sharpness and the weights in force, tuned those that are best on all "
        f"other events. The intervals are clustered by event. {_verdict(pool.total)}",
    )


def _log_score_rows(scores: LogScores) -> Iterator[tuple[str, ...]]:
    yield "mid", f"{scores.mid:.3f}", "", ""
    for name, score, less_mid in (
        ("mid sharpened", scores.sharpened, scores.sharpened_less_mid),
        ("pool", scores.pooled, scores.pooled_less_mid),
        ("pool tuned", scores.tuned, scores.tuned_less_mid),
    ):
        bounds = "-" if less_mid.low is None else f"{less_mid.low:+.3f}..{less_mid.high:+.3f}"
        yield name, f"{score:.3f}", signed(less_mid.estimate), bounds


def _verdict(total: LogScores | None) -> str:
    """Return in a sentence how the pool in force compares with the mid alone."""
    found = None if total is None else total.pooled_less_mid
    if total is None or found is None or found.low is None or found.high is None:
        return "It takes two events at least to tell the pool in force from the mid alone."
    if found.high < 0:
        compared = "the pool in force is better than the mid alone by more than chance explains"
    elif found.low > 0:
        compared = "the pool in force is worse than the mid alone by more than chance explains"
    else:
        compared = "the pool in force cannot be told from the mid alone"
    return f"In {total.events} events {compared}."


def weights(pool: PoolReview) -> Sheet:
    """Return the weights in force and those proposed."""
    return Sheet(
        "Weight of the belief (quoting.belief_weight)",
        ("k", *_PROPOSAL_COLUMNS),
        tuple((str(each.days_published), *_proposal_texts(each)) for each in pool.weights),
        advice(pool),
    )


def sharpness(proposal: Proposal) -> Sheet:
    """Return the market's sharpness in force and the one proposed."""
    return Sheet(
        "Sharpness of the market (quoting.market_sharpness)",
        ("", *_PROPOSAL_COLUMNS),
        (("b", *_proposal_texts(proposal)),),
        "Estimated together with the weights below.",
    )


def _proposal_texts(proposal: Proposal) -> tuple[str, ...]:
    bounds, needed = proposal.interval, proposal.events_needed
    return (
        str(proposal.events),
        str(proposal.samples),
        f"{proposal.present:.2f}",
        "-" if proposal.estimate is None else f"{proposal.estimate:.2f}",
        "-" if proposal.standard_error is None else f"{proposal.standard_error:.2f}",
        f"{proposal.proposed:.2f}",
        "-" if bounds is None else f"{bounds[0]:.2f}..{bounds[1]:.2f}",
        "-" if needed is None else f"{needed:,}",
    )


def advice(pool: PoolReview) -> str:
    """Return in sentences what to change, or why nothing."""
    return " ".join(_advices(pool))


def _advices(pool: PoolReview) -> Iterator[str]:
    most = max(each.events for each in pool.weights)
    if pool.changes:
        listed = ", ".join(f"{each.proposed:g}" for each in pool.weights)
        yield (
            f"Proposed: belief_weight = [{listed}], market_sharpness = "
            f"{pool.sharpness.proposed:g}. Where the best value differs from the one in force by "
            "more than chance explains, the proposal goes a part of the way."
        )
    elif most < FEWEST_EVENTS:
        yield (
            "Keep the weights and the sharpness: the data are too few to change anything. It takes "
            f"{FEWEST_EVENTS} settled events for a number of published days, and there are at most "
            f"{most}."
        )
    elif not pool.tuning_pays:
        yield (
            "Keep the weights and the sharpness: tuned on all other events, they would have scored "
            "no better on the one left out than those in force."
        )
    else:
        yield (
            "Keep the weights and the sharpness: nowhere do the data differ from them by more "
            "than chance explains."
        )
    unknown = [f"the weight at k = {each.days_published}" for each in pool.weights if _silent(each)]
    unknown += ["the sharpness"] if _silent(pool.sharpness) else []
    if unknown:
        yield f"The data say nothing about {', '.join(unknown)}."


def _silent(proposal: Proposal) -> bool:
    """Return whether there are events, but they cannot identify the parameter."""
    return proposal.events > 0 and proposal.estimate is None
