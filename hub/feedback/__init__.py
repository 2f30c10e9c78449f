"""The loop: the log of what was shown and what users did, what it says now, and what follows from it."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from hub.feedback.arms import Canary
    from hub.feedback.campaigns import Campaign, load_campaigns, seconds
    from hub.feedback.claims import Claims
    from hub.feedback.comparing import Compared
    from hub.feedback.database import address_of, has_log
    from hub.feedback.events import Candidate, Impression, Outcome, Place
    from hub.feedback.importing import Imported, import_log
    from hub.feedback.live import Live, LiveFigures
    from hub.feedback.log import Feedback
    from hub.feedback.log_files import LogFile, LogRow
    from hub.feedback.loop import Loop
    from hub.feedback.purging import purge_feedback
    from hub.feedback.recording import Logged, Seen
    from hub.feedback.refreshing import Refresh, Refreshed
    from hub.feedback.taking import Taken
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "hub.feedback.campaigns": ["Campaign", "load_campaigns", "seconds"],
            "hub.feedback.arms": ["Canary"],
            "hub.feedback.claims": ["Claims"],
            "hub.feedback.comparing": ["Compared"],
            "hub.feedback.database": ["address_of", "has_log"],
            "hub.feedback.events": ["Candidate", "Impression", "Outcome", "Place"],
            "hub.feedback.importing": ["Imported", "import_log"],
            "hub.feedback.live": ["LiveFigures", "Live"],
            "hub.feedback.log": ["Feedback"],
            "hub.feedback.log_files": ["LogFile", "LogRow"],
            "hub.feedback.loop": ["Loop"],
            "hub.feedback.purging": ["purge_feedback"],
            "hub.feedback.recording": ["Logged", "Seen"],
            "hub.feedback.refreshing": ["Refresh", "Refreshed"],
            "hub.feedback.taking": ["Taken"],
        },
    )

__all__ = [
    "Campaign",
    "Canary",
    "Candidate",
    "Claims",
    "Compared",
    "Feedback",
    "Imported",
    "Impression",
    "Live",
    "LiveFigures",
    "LogFile",
    "LogRow",
    "Logged",
    "Loop",
    "Outcome",
    "Place",
    "Refresh",
    "Refreshed",
    "Seen",
    "Taken",
    "address_of",
    "has_log",
    "import_log",
    "load_campaigns",
    "purge_feedback",
    "seconds",
]
