"""An exchange to practise on: Kalshi's API over a matching engine of its own, and other traders."""
