"""The forms of signatures of webhooks."""

from __future__ import annotations

import enum


class WebhookScheme(enum.StrEnum):
    """How a sender signs its webhooks."""

    GITHUB = "github"
    STRIPE = "stripe"
    SLACK = "slack"
    STANDARD = "standard"
    """https://www.standardwebhooks.com"""
