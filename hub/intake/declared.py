"""What a publisher says of an adapter that does not say it itself, such as one of another tool.

    Declared("recommendation", ("user", "ad"))     two rows of a head: not clicked, clicked; one row: the log-odds of a
                                                   click

It is written into the header of the stored weights, where adapters that were made here say the same of themselves: it
is hashed, read and served with them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from adapters.format import Adapter, Head
from recipes.tasks import task_for, task_names


@dataclass(frozen=True)
class Declared:
    """What a publisher says of an adapter.

    Attributes:
        task: what it does; None leaves it as it is.
        roles: the columns that its training rows had, such as `user` and `ad`; () are the usual ones.
        click: of a recommendation with two rows in its head, the row that is the click.
        base_id_is_alias: the base that its configuration names is the one that it is checked against, by another id.
        base_id: of the base that it is checked against, to be written where its configuration names a folder.
    """

    task: str | None = None
    roles: tuple[str, ...] = ()
    click: int = 1
    base_id_is_alias: bool = False
    base_id: str | None = None


def declared_problems(adapter: Adapter, said: Declared) -> Iterator[str]:
    """Why an adapter cannot be what is said of it, a sentence each."""
    if said.task is None:
        if said.roles:
            yield "--roles goes with --task; say what the adapter does too"
        return
    if adapter.task is not None:
        yield f"it says itself that it does {adapter.task}; leave --task out"
        return
    if said.task not in task_names():
        yield f"there is no task {said.task!r}; write {', '.join(task_names())}"
        return
    task, rows = task_for(said.task), 0 if adapter.head is None else len(adapter.head.labels)
    if (task.ANSWERS == "labels") != (rows > 0):
        has, wanted = ("a head", "none") if rows else ("no head", "one")
        yield f"it has {has}, and {said.task} needs {wanted}"
    elif task.CALL == "recommend" and rows > 2:
        yield (
            f"its head has {rows} rows, and a recommendation has two (no click, click), or one that gives the "
            "log-odds of a click; publish it with --task behavior"
        )
    elif task.CALL == "analyze" and rows == 1:
        yield "its head has one row; a text needs two labels at least to be given one"
    if said.click not in (0, 1):
        yield f"--click is {said.click}; the rows of a head with two are 0 and 1"
    read = [role for role, about in task.ROLES.items() if about.read]
    if odd := [role for role in said.roles if role not in read]:
        yield f"{said.task} reads no {', '.join(odd)}; --roles takes {', '.join(read)}"


def as_declared(adapter: Adapter, said: Declared) -> Adapter:
    """The adapter with the task, the labels and the columns that are said of it."""
    if said.task is None:
        return adapter
    info = dict(adapter.info) | ({"data": {"roles": list(said.roles)}} if said.roles else {})
    return replace(adapter, task=said.task, head=_head(adapter.head, said), info=info)


def _head(head: Head | None, said: Declared) -> Head | None:
    if head is None or said.task is None or task_for(said.task).CALL != "recommend":
        return head
    other, click = task_for(said.task).labels(())
    if len(head.labels) == 1:
        return replace(head, labels=(click,), multi_label=True)
    return replace(head, labels=(other, click) if said.click == 1 else (click, other))
