# SPDX-License-Identifier: GPL-2.0-or-later
"""The transition system: what every engine reads, and all that it reads.

A `System` is *annotated* when it comes from the front end: its edges say which assignments are plain stores, which
edges drain the store buffer, and the meaning of TSO is left to the evaluator (`lostirq.interpret` has its own
buffers).  `lostirq.ir.tso.lower` turns it into a *flat* one in which buffers are variables and flushes are edges; the
other engines read that.  Under SC the two are the same.

Meaning of an edge `e` of process `p` in a state `s`:
  enabled  iff pc[p] == e.src, and the process may run (`Process.runs`, evaluated on memory), and e.guard holds,
           and, if e.drains, the store buffer of the CPU of p is empty;
  effect   all right-hand sides are evaluated in s, then assigned together, then pc[p] := e.dst.  Loads of MEMORY by a
           process with a buffer see the newest entry of that buffer for the variable's unit, else memory.  Assignments
           to the units in e.buffered enter the buffer as one entry per unit (all variables of the unit, at their new
           values); all other assignments act on the state at once.
An Int that is assigned a value outside its range is a model error, reported by every engine.

Fine points, the same in every engine:
  range    an enabled edge that assigns out of range counts as a transition, and has no successor.
  entries  an edge that buffers several units enters them in the order of their first assignment.
  room     an edge that buffers n units is enabled only if the buffer has room for n more entries (a store waits).
  no CPU   a process whose CPU number lies outside 0..cpus-1, or that has none, acts on memory at once.
  stuck    a state without an enabled edge, in which some process is at a location that is not idle.
  fairness one weak class per process, its WEAK edges; one strong class per process, its STRONG edges.  A class is
           enabled where one of its edges is, and taken when one of its edges is.  An infinite run is fair iff every
           weak class that is enabled from some point on in every state, and every strong class that is enabled
           infinitely often, is taken infinitely often.  A run may stay in a state for ever (stutter), which takes no
           edge: so fairly only where no WEAK and no STRONG edge is enabled.  A lasso with an empty loop says this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from lostirq.errors import Span
from lostirq.ir.expr import TRUE, Expr, Role, Var

STUCK = "stuck"      # key of the built-in property: a state without successor is at rest
PROMISED = "promised "  # before the name of a window of a lemma
CARRIED = "carried back"  # among the windows of a lemma: what it needs at earlier locations is found
RANGE = "range"      # key of the built-in property: no Int is assigned a value outside its range (a model error)


class Memory(Enum):
    SC = "sc"
    TSO = "tso"


class Access(Enum):
    """The primitive of a step."""

    NONE = "none"      # private computation only
    LOAD = "load"
    STORE = "store"
    LOCKED = "locked"  # read-modify-write
    FENCE = "fence"
    ATOMIC = "atomic"  # atomic block or wait with several reads
    FLUSH = "flush"    # only after TSO lowering


class Sort(Enum):
    THREAD = "thread"
    HANDLER = "handler"
    SCHEDULER = "scheduler"
    HARDWARE = "hardware"
    BUFFER = "buffer"  # the flushes of one CPU, only after TSO lowering


class Fair(Enum):
    """NONE: may be postponed for ever; WEAK: not while continuously enabled; STRONG: not while enabled infinitely
    often.  What must not be postponed is a class of edges, one of which has to be taken (`fairness_class`)."""

    NONE = "none"
    WEAK = "weak"
    STRONG = "strong"


@dataclass(frozen=True, slots=True)
class Event:
    """A mark on a step, e.g. accept(0, v); arguments are evaluated in the state before the step."""

    name: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """One transition.  `index` is its number, stable within the system: a trace is a list of them.  `written_in`,
    `looked_in`: for people, in which functions (outermost first) a variable is assigned, or first decided on; they are
    no part of the system, nor of its JSON form."""

    index: int
    process: int
    src: int
    dst: int
    guard: Expr
    assigns: tuple[tuple[Var, Expr], ...]
    access: Access
    drains: bool
    buffered: frozenset[int]          # access units whose assignments enter the store buffer
    events: tuple[Event, ...]
    fair: Fair
    span: Span                        # the statement of the access
    function: str                     # innermost function of the model
    stack: tuple[str, ...]            # inlined functions, outermost first
    text: str                         # the statement(s), for people
    choice: str = ""                  # label of the option taken, if the step began at a choose
    written_in: Mapping[Var, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)
    looked_in: Mapping[Var, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Location:
    """A point between two steps.  `windows` and `functions` name what it lies inside."""

    span: Span
    function: str
    windows: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    idle: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class Process:
    """`runs`: may take steps at all (CPU held, no handler on top), over memory and PCs.  `cpu`: the number of the CPU
    whose buffer it uses (an int expression), None for hardware.  `symmetric`: name of the set of interchangeable
    processes it belongs to, or ''."""

    index: int
    name: str                         # "sender(1)"
    family: str                       # "sender"
    instance: int                     # 1; -1 without over=
    sort: Sort
    pc: Var
    locations: tuple[Location, ...]
    runs: Expr = TRUE
    cpu: Expr | None = None
    symmetric: str = ""
    column: str = ""                  # heading in reports, from role=


FairClass = tuple[Fair, int, int]


def fairness_class(edge: Edge) -> FairClass | None:
    """WEAK: the steps of a process; STRONG: those of a process from one location (the last number is -1 otherwise)."""
    if edge.fair is Fair.NONE:
        return None
    return edge.fair, edge.process, edge.src if edge.fair is Fair.STRONG else -1


class Form(Enum):
    INVARIANT = "invariant"    # formula over a state
    STEP = "step"              # formula over (OLD, VAR) and OCCURS of one step
    RECURRENCE = "recurrence"  # `formula` infinitely often implies `goal` (over OCCURS) infinitely often, on fair runs
    REACHABLE = "reachable"    # witness: some reachable state satisfies the formula
    REACHABLE_STEP = "reachable step"  # witness: some reachable step satisfies the formula


@dataclass(frozen=True, slots=True)
class Property:
    """`key` is unique, e.g. "Q-7[0]"; `id` "Q-7".  `witness` is the key prefix (id) of the REACHABLE property,
    or ''."""

    key: str
    id: str
    form: Form
    formula: Expr
    goal: Expr = TRUE
    title: str = ""
    statement: str = ""
    source: str = ""
    excuses: tuple[str, ...] = ()
    witness: str = ""
    planted: str = ""
    symmetric: bool = True            # does not tell members of a symmetric set apart
    span: Span = Span()
    proves: str = ""                  # a lemma: the ids of the properties that it is for, with commas
    windows: tuple[str, ...] = ()     # a lemma: windows, or functions, in which it is only about to hold again;
                                      # after "promised ": in which somebody will make it hold; CARRIED
    singles: tuple[str, ...] = ()     # families of which it names one instance, if only to count them
    others: frozenset[int] = frozenset()   # processes whose windows do not excuse this lemma: another vCPU, say


def served(proves: str) -> frozenset[str]:
    """The ids of the properties that a lemma is for."""
    return frozenset(name.strip() for name in proves.split(",") if name.strip())


@dataclass(frozen=True, slots=True)
class System:
    """A scenario of a workspace, compiled.  `variables` includes the PCs; their order is canonical."""

    name: str
    memory: Memory
    flat: bool
    variables: tuple[Var, ...]
    processes: tuple[Process, ...]
    edges: tuple[Edge, ...]
    properties: tuple[Property, ...]
    cpus: int                                     # number of store buffers; CPU numbers are 0..cpus-1
    depth: int = 0                                # capacity of each buffer (entries), 0 under SC
    parameters: tuple[tuple[str, int], ...] = ()
    dropped: tuple[str, ...] = ()                 # choices of the most general guest that this scenario drops
    notes: tuple[str, ...] = field(default=())    # assumptions to print
    digests: dict[bool, str] = field(default_factory=dict, init=False, compare=False, repr=False)  # as found so far

    def edges_from(self) -> dict[tuple[int, int], list[Edge]]:
        """Edges by (process, source location), in order of index."""
        found: dict[tuple[int, int], list[Edge]] = {}
        for e in self.edges:
            found.setdefault((e.process, e.src), []).append(e)
        return found

    def initial(self) -> tuple[int, ...]:
        return tuple(v.init for v in self.variables)

    def units(self) -> dict[int, list[Var]]:
        """Variables of each access unit, in canonical order."""
        found: dict[int, list[Var]] = {}
        for v in self.variables:
            if v.role is Role.MEMORY:
                found.setdefault(v.unit, []).append(v)
        return found

    def expressions(self) -> Iterator[Expr]:
        for p in self.processes:
            yield p.runs
            if p.cpu is not None:
                yield p.cpu
        for e in self.edges:
            yield e.guard
            for _, rhs in e.assigns:
                yield rhs
            for ev in e.events:
                yield from ev.args
