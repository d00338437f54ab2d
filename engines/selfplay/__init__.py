"""A network from zero: games against itself, a replay window, a learner, and campaigns that end in time and resume."""

from engines.selfplay.campaign import run_campaign
from engines.selfplay.campaign_network import is_campaign, read_campaign_network
from engines.selfplay.config import Campaign, read_campaign

__all__ = ["Campaign", "is_campaign", "read_campaign", "read_campaign_network", "run_campaign"]
