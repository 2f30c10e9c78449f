"""Names to answers: a hub, one base and its runtime behind four calls.

A request is read once, into rows of the adapters that it names (`labelling.py`, `writing.py`); the runtime answers the
rows, and the request makes its answer of theirs.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

from adapters import Adapter, Base, Limits, load_base
from adapters.errors import RepertoireError, RequestError
from adapters.format import Quantization, check_base
from adapters.serving import Fetched, Resident, Runtime, Ticket
from adapters.serving import Request as Row
from hub.catalogue.trust import Trust, check_proved
from hub.catalogue.version import Version
from hub.errors import HubError
from hub.hub import Hub
from hub.registry.content import Content, content, version_of
from hub.registry.door import check
from hub.registry.explaining import Explaining
from hub.registry.following import Followed, Following
from hub.registry.held import Held
from hub.registry.labelling import Labelling, tokenize
from hub.registry.logged import Log, Loops
from hub.registry.mapping import mapped
from hub.registry.pending import Asked, Pending, answered, rows_of, submitted
from hub.registry.reading import read
from hub.registry.requests import Analysis, Analyze, Answer, Ranked, Recommend, Request, Texts, Write
from hub.registry.streaming import Stream
from hub.registry.writing import Drafting
from hub.storage.names import parse
from hub.storage.reach import reached
from recipes.answer import Voice


class Registry:
    """Loads adapters by reference (`client/campaign/task`, `...@production`, `...@3`) and answers with them.

    Any thread may call it. Names and aliases that were asked for once are known in memory from then on, and a thread
    watches where they point: within a second of a move the new version is loaded and answers, between two requests, and
    nobody waits for it; one that cannot be loaded leaves the old one in its place (`following` says why). See
    `hub.registry.following`.

    Where `recommend` and `analyze` are given several references of one task and the same labels, these answer as one,
    by the mean of their probabilities; what one of them cannot answer, the ensemble does not.

    Args:
        hub: a Hub or its folder.
        base: a loaded Base, or what `load_base` takes.
        quantization: how to load it.
        limits: how much the registry takes on.
        follow: without it no thread runs, and the hub is asked at each request, as is always done for `name@3`.
        trust: as `Hub` takes it, where `hub` is a folder.
        log: of what is shown and what users do, for `recommend(..., log=True)` and `feedback`; such as
            `hub.Feedback("campaigns")`.

    Raises:
        NotInHub: with near names; `run` puts this and the following in the place of an answer instead.
        Untrusted: for a version that lacks the signature that its client's rule asks for.
        WrongBase: with both fingerprints.
        RequestError: for a request that does not fit the adapter; of an ensemble, with the member's reference in front.
    """

    def __init__(
        self,
        hub: Hub | str | os.PathLike[str],
        base: Base | str = "starter",
        quantization: Quantization = "nf4",
        limits: Limits | None = None,
        follow: bool = True,
        trust: Trust | str | os.PathLike[str] | None = None,
        log: Log | None = None,
    ) -> None:
        if isinstance(hub, Hub) and trust is not None:
            raise HubError("an open Hub has its own trust file; give it there: Hub(..., trust=...)")
        self.hub = hub if isinstance(hub, Hub) else Hub(hub, trust=trust)
        self.base = base if isinstance(base, Base) else load_base(base, quantization)
        self._runtime = Runtime(self.base, self._fetch, limits)
        self._voice = lru_cache(maxsize=1024)(self._read_voice)
        self._held = Held(self._runtime)
        self._following = Following(self.hub, self._prepare, self._held) if follow else None
        self._loop = None if log is None else log.around(self)

    def recommend(
        self,
        reference: str | Sequence[str],
        user: str = "",
        ads: Sequence[str | Mapping[str, Any]] = (),
        features: Mapping[str, Any] | None = None,
        *,
        explain: bool = False,
        log: bool = False,
        **seen: Any,
    ) -> list[Ranked]:
        """The ads, the most likely to be clicked first.

        Args:
            reference: one adapter, or several that answer as one.
            user: what is known of the user, as the adapter's training rows said it.
            ads: texts, or columns of each.
            features: further columns that the adapter's recipe renders into the text.
            explain: each with which field or phrase moved its probability: the model's reason, not the customer's.
            log: as `Loop.recommend`: the answer is a `Logged`, and its `impression` is what `feedback` names.
            **seen: with `log`, by whom, such as `user_key`; as of `hub.feedback.Seen`.
        """
        if log:
            return self._logging().recommend(reference, user, ads, features, explain=explain, **seen)
        if seen:
            raise RequestError(f"{', '.join(seen)} says who sees a logged answer; say log=True too")
        request = Recommend(reference, user, ads, features or {})
        reasons = Explaining(request) if explain else None
        ranked: Any = self._one(request)
        return ranked if reasons is None else reasons.explained(ranked, self._one(reasons.request()))  # type: ignore[arg-type]

    def feedback(self, impression: str, kind: str, **told: Any) -> bool:
        """Tell what a user did about an answer that was logged, as `hub.Feedback.feedback` is told."""
        return self._logging().feedback(impression, kind, **told)

    def analyze(
        self, reference: str | Sequence[str], texts: Sequence[str | Mapping[str, Any]] | str
    ) -> list[Analysis]:
        """One analysis per text.

        Args:
            reference: one adapter, or several that answer as one.
            texts: one or many, each a text or its columns.
        """
        return self._one(Analyze(reference, [texts] if isinstance(texts, str) else texts))  # type: ignore[return-value]

    def write(self, reference: str, product: str | Mapping[str, Any], n: int = 1, **options: Any) -> Texts:
        """Texts for a product that keep the adapter's policy and the length limit.

        Args:
            reference: one adapter.
            product: as one text, or its columns.
            n: how many.
            options: as in `Write`.

        Returns:
            At most `n` texts; `refused` holds those that broke a rule.

        Raises:
            RequestError: where none keeps the rules.
        """
        return self._one(Write(reference, product, n, **options))  # type: ignore[return-value]

    def stream(self, reference: str, product: str | Mapping[str, Any], **options: Any) -> Iterator[str]:
        """One text for a product, in pieces as they are written.

        Put together they are what `write` gives where that draws one draft, once. A stream that is closed early gives
        its request up.

        Args:
            reference: one adapter.
            product: as one text, or its columns.
            options: as in `Write`.

        Raises:
            RequestError: as soon as the text breaks a rule: what was shown cannot be drawn again.
        """
        (stream,) = self.streams(Write(reference, product, 1, **options))
        yield from stream

    def streams(self, request: Write) -> list[Stream]:
        """The first drafts of a request, each in pieces as it is written, with what it took; see
        `hub.registry.streaming`. Raises as the class says, and Busy."""
        check(request)
        asked = self._ask(replace(request, drafts=1) if isinstance(request, Write) else request)
        if not isinstance(asked, Drafting):
            raise RequestError("only texts that are written can be streamed; submit the request instead")
        tickets = self._runtime.submit([replace(row, stream=True) for row in asked.rows])
        return [Stream(ticket, asked.watched(), self.base) for ticket in tickets]

    def publish(self, adapter: Adapter | str | os.PathLike[str], name: str, **options: Any) -> Version:
        """Publish to this registry's hub, checked against its base; the next request for the name is answered by it.

        Args:
            adapter: an adapter, or a PEFT directory.
            name: `client/campaign/task`.
            options: as in `Hub.publish`, which also says what is raised.
        """
        version = self.hub.publish(adapter, name, **{"base": self.base} | options)
        if self._following is not None:
            self._following.look(name)
        return version

    def run(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer requests for any adapters and tasks in one mixed batch. What one request gets wrong is its
        own answer: a RepertoireError in its place, and the others are answered."""
        asked = self._ask_all(requests)
        return answered(asked, self._runtime.run(rows_of(asked)))

    def map(self, requests: Iterable[Request | RepertoireError], rows: int = 4096) -> Iterator[Answer]:
        """As `run`, for any number of requests: they are read as they are needed, and memory does not grow with them.

        Requests come from any iterable, for any adapters and tasks; rows of like length share a forward across a
        window of them. Nothing is read before the first answer is asked for, nor while two windows wait to be taken.

        Args:
            requests: any number of them; an error among them is its own answer.
            rows: of a window at the most: ads, texts, and drafts, which count as four each. More of them pad less, and
                come later.

        Yields:
            An answer for each request, in order; where there is none, the error that says why. What the iterable
            raises follows the answers to what it gave before.
        """
        return mapped(requests, self._ask_all, self._put, rows)

    def submit(self, request: Request, wait: bool = False) -> Pending:
        """Put a request in the queue and go on. Raises as the class says, and Busy where too much of its client
        waits; with `wait`, waits for room."""
        (pending,) = self.submit_all([request], wait)
        if isinstance(pending, RepertoireError):
            raise pending
        return pending

    def submit_all(self, requests: Sequence[Request], wait: bool = False) -> list[Pending | RepertoireError]:
        """Put requests in the queue together, as `run` does, and go on; what is wrong with one stands in its place.
        Raises Busy, as `submit`: then none of them is begun."""
        asked = self._ask_all(requests)
        return submitted(requests, asked, self._runtime.submit(rows_of(asked), wait), self._put)

    def load(self, reference: str, pin: bool = False) -> None:
        """Bring an adapter into a slot before anybody asks for it.

        Where a name or an alias is followed, what it means later is brought in and pinned in its turn, and the old one
        let go.

        Args:
            reference: of the adapter.
            pin: whether it stays there.

        Raises:
            NotInHub: for a reference that means nothing.
            WrongBase: for an adapter of another base.
            Damaged: for one that is not what was published.
            AdapterError: where every slot is pinned.
        """
        self._held.bring(str(parse(reference)), self._key(reference), pin)

    def pin(self, reference: str) -> None:
        """`load`, to stay."""
        self.load(reference, pin=True)

    def unpin(self, reference: str) -> None:
        """Let a pinned adapter leave again when its slot is needed."""
        self._held.let_go(self._key(reference))

    def unload(self, reference: str) -> None:
        """Let an adapter go from slot and memory. Waits for its last running row; later requests load it again."""
        key = self._key(reference)
        self._held.let_go(key)
        self._runtime.unload(key)

    def voice(self, reference: str) -> Voice:
        """How an adapter reads rows and answers them: what is known of it beside its weights. Raises as the class
        says."""
        return self._voice(self._key(reference))

    def following(self) -> list[Followed]:
        """The names and aliases that are followed: which version answers, and which one should and why it does not."""
        return [] if self._following is None else self._following.report()

    def residency(self) -> list[Resident]:
        """Which adapters are in a slot, in host memory or on their way, the least recently used first."""
        return [
            replace(found, adapter=version_of(found.adapter).reference) for found in self._runtime.residency()
        ]

    def state(self) -> dict[str, Any]:
        """Counters and times since the start (see `adapters.serving.Counters`), slots, how many requests wait and are
        written now, and of what is followed: how many references, their moves, which are behind and why; as JSON."""
        found = self.following()
        behind = {each.reference: each.behind for each in found if each.behind is not None}
        moves = sum(each.moves for each in found)
        return self._runtime.state() | {
            "slots": self._runtime.limits.slots,
            "following": {"references": len(found), "moves": moves, "behind": behind},
        }

    def close(self) -> None:
        """End every request with Cancelled, and leave the base as it was found."""
        if self._following is not None:
            self._following.close()
        self._runtime.close()

    def _put(self, rows: Sequence[Row]) -> list[Ticket]:
        """Rows in the queue; waits where that is full."""
        return self._runtime.submit(rows, wait=True)

    def _logging(self) -> Loops:
        if self._loop is None:
            raise RequestError("this registry has no log; give it one: Registry(hub, log=Feedback(hub))")
        return self._loop

    def _one(self, request: Request) -> Answer:
        answer = self.run([request])[0]
        if isinstance(answer, RepertoireError):
            raise answer
        return answer

    def _key(self, reference: str) -> Content:
        """The content key of what a reference means now. Keyed by content, never by name: a name that moves on never
        answers from what it named before. Raises Untrusted, also for content that is loaded for another version."""
        with reached(self.hub.storage):
            version = (self._following.version if self._following else self.hub.resolve)(reference)
            self._check(version)
        return content(version)

    def _check(self, version: Version) -> None:
        """Raise Untrusted for a version that the reader's trust file lets nobody answer by."""
        self.hub.check_signed(version)
        if self.hub.trust is not None:
            check_proved(version.record, self.hub.trust)

    def _prepare(self, version: Version) -> None:
        """Bring a version into host memory, checked, before a request names it. Raises what loading it raises."""
        self._check(version)
        key = content(version)
        self._voice(key)
        if not self._runtime.holds(key):  # it was here before, and its weights have left meanwhile
            self._runtime.offer(key, self._fetch(key))

    def _ask(self, request: Request) -> Asked:
        """A request read into rows of the adapters that it names. Raises as the class says."""
        (asked,) = self._ask_all([request])
        if isinstance(asked, RepertoireError):
            raise asked
        return asked

    def _ask_all(self, requests: Sequence[Request | RepertoireError]) -> list[Asked | RepertoireError]:
        """Requests read together, each into rows or to its own error: a reference is looked up once, and the texts of
        one adapter are tokenized at once."""
        keys: dict[str, Content] = {}

        def key(reference: str) -> Content:
            if reference not in keys:
                keys[reference] = self._key(reference)
            return keys[reference]

        read_with = partial(read, key=key, voice=self._voice, base=self.base, run=self._runtime.run)
        found: list[Asked | RepertoireError] = []
        for request in requests:
            try:
                found.append(request if isinstance(request, RepertoireError) else read_with(request))
            except RepertoireError as error:
                found.append(error)
        tokenize([each for each in found if isinstance(each, Labelling)], self.base)
        return found

    def _fetch(self, key: str) -> Fetched:
        with reached(self.hub.storage):
            return self.hub.fetch(version_of(key))

    def _read_voice(self, key: Content) -> Voice:
        """Read an adapter for what must be known before its first row, and hand its weights on to the runtime."""
        fetched = self._fetch(key)
        check_base(fetched.adapter, self.base)
        self._runtime.offer(key, fetched)
        return Voice.of(fetched.adapter)
