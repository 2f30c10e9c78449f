"""What a hub's log may keep of an adapter's answers: `feedback:`."""

from pydantic import Field

from recipes.options.section import Section


class FeedbackOptions(Section):
    """`feedback:` what is kept of answers that are logged, and how long.

    retention_days: after so many days an impression and all that came of it are erased; null keeps them.
    """

    retention_days: float | None = Field(default=None, gt=0)
