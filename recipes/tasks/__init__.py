"""The tasks: a file each, with all that differs between them."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from recipes.tasks.task import Task, all_metrics, forget, register, task_for, task_names, usual_task
    from recipes.tasks.templates import text_of
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "recipes.tasks.templates": ["text_of"],
            "recipes.tasks.task": [
                "Task",
                "all_metrics",
                "forget",
                "register",
                "task_for",
                "task_names",
                "usual_task",
            ],
        },
    )

__all__ = ["Task", "all_metrics", "forget", "register", "task_for", "task_names", "text_of", "usual_task"]
