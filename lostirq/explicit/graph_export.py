# SPDX-License-Identifier: GPL-2.0-or-later
"""State graphs for other tools: GraphML (Gephi, yEd) and DOT (Graphviz), with labels for people.

A node is labelled with what distinguishes it: the locations of the processes and the variables that change somewhere in
the graph; an arc with its process and its statement.  The output depends on the graph alone.

References: Brandes et al. 2002, "GraphML Progress Report"; Gansner and North 2000, "An open graph visualization
system".
"""

from __future__ import annotations

from pathlib import Path

import networkx as nx

from lostirq.explicit.state_graph import StateGraph
from lostirq.ir.expr import Role
from lostirq.ir.system import Sort


def state_label(states: StateGraph, node: int) -> list[str]:
    """The lines that describe a node."""
    return _Labels(states).node(node)


def arc_label(states: StateGraph, index: int) -> str:
    """`sender(0): test_and_set_bit(...)`."""
    edge = states.edge(index)
    return f"{states.flat.processes[edge.process].name}: {edge.text}{f' [{edge.choice}]' if edge.choice else ''}"


class _Labels:
    """The variables of a graph that change in it."""

    def __init__(self, states: StateGraph) -> None:
        self.states = states
        rows = [states.graph.nodes[n]["state"] for n in range(states.states)]
        self.moving = [
            (i, v) for i, v in enumerate(states.flat.variables)
            if v.role is not Role.PC and len({row[i] for row in rows}) > 1
        ]
        position = {v: i for i, v in enumerate(states.flat.variables)}
        self.pcs = [(position[p.pc], p) for p in states.flat.processes if p.sort is not Sort.BUFFER]

    def node(self, node: int) -> list[str]:
        values = self.states.graph.nodes[node]["state"]
        lines = [f"state {node}"]
        for i, process in self.pcs:
            place = process.locations[values[i]]
            where = f"line {place.span.line}" if place.span.line else f"location {values[i]}"
            lines.append(f"{process.name} at {' '.join(x for x in (place.function, where, place.text) if x)}")
        return lines + [f"{v.name} = {v.type.show(values[i])}" for i, v in self.moving]


def to_networkx(states: StateGraph) -> nx.MultiDiGraph:
    """A copy with plain attributes only: `label`, `depth` and the changing variables of each node; `label`, `process`,
    `edge` of each arc."""
    labels = _Labels(states)
    plain = nx.MultiDiGraph(name=states.system.name)
    for n in range(states.states):
        values = states.graph.nodes[n]["state"]
        shown = {v.name: v.type.show(values[i]) for i, v in labels.moving}
        plain.add_node(n, label="\n".join(labels.node(n)), depth=states.graph.nodes[n]["depth"], **shown)
    for n in range(states.states):
        for key, after in states.arcs(n):
            process = states.flat.processes[states.edge(key).process].name
            plain.add_edge(n, after, key=key, label=arc_label(states, key), process=process, edge=key)
    return plain


def to_graphml(states: StateGraph) -> str:
    """The graph as GraphML text."""
    return "\n".join(nx.generate_graphml(to_networkx(states), named_key_ids=False)) + "\n"


def to_dot(states: StateGraph) -> str:
    """The graph as Graphviz text.  Stuck states are drawn with a double border, the initial state in bold."""
    labels = _Labels(states)
    stuck = set(states.stuck())
    out = [f"digraph {_quoted(states.system.name)} {{", "  node [shape=box, fontname=monospace];"]
    for n in range(states.states):
        extra = ", style=bold" if n == 0 else ""
        extra += ", peripheries=2" if n in stuck else ""
        extra += ", style=dashed" if n in states.frontier else ""
        out.append(f"  {n} [label={_quoted(*labels.node(n))}{extra}];")
    for n in range(states.states):
        out += [f"  {n} -> {after} [label={_quoted(arc_label(states, key))}];" for key, after in states.arcs(n)]
    return "\n".join([*out, "}"]) + "\n"


def _quoted(*lines: str) -> str:
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") for line in lines)
    return '"' + "".join(f"{line}\\l" for line in escaped) + '"' if len(lines) > 1 else f'"{next(escaped)}"'


def write(states: StateGraph, path: Path) -> None:
    """Write a graph to a file: DOT if its name ends in `.dot` or `.gv`, else GraphML."""
    text = to_dot(states) if path.suffix in (".dot", ".gv") else to_graphml(states)
    path.write_text(text, encoding="utf-8")
