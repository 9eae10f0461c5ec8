/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The complete state graph, for liveness. */
#ifndef LQ_LIVE_H
#define LQ_LIVE_H

#include "runtime.h"

#define NOWHERE 0xffffffffu

typedef struct {
    u64 weak, strong;       /* bit k: class number k of that kind */
} lq_classes;

typedef struct {
    u32 to;                 /* the successor, or NOWHERE */
    uint16_t edge;
    u8 goal, padding;       /* bit r: it reaches the goal of recurrence r of the current labels */
} lq_arc;

typedef struct {
    u64 first;              /* its arcs: arc[first] .. arc[next node's first - 1] */
    u32 index, low, region; /* scratch of the algorithms */
    uint16_t pos, degree;
} lq_node;

typedef struct {            /* what up to 8 recurrences ask: check numbers of trigger and goal */
    u32 count;
    u32 trigger[8], goal[8];
} lq_labels;

typedef struct {
    lq_search *s;
    const u8 *fair;         /* per edge: 0 none, 1 + k: weak class k, 65 + k: strong class k */
    u64 n, room;
    lq_arc *arc;
    lq_node *node;
    u8 *trigger;            /* bit r: recurrence r of the current labels is triggered */
    u32 *stack, *call;      /* scratch */
    u32 *member;            /* the fair set that was found */
    u64 members, start;     /* `start`: its nearest triggered state */
} lq_graph;

/* Adds the class of an edge. */
static inline void lq_take(const lq_graph *g, u32 edge, lq_classes *c)
{
    const u8 k = g->fair[edge];
    if (k > 64)
        c->strong |= (u64)1 << (k - 65);
    else if (k)
        c->weak |= (u64)1 << (k - 1);
}

static inline const lq_arc *lq_arcs(const lq_graph *g, u64 v)
{
    return g->arc + g->node[v].first;
}

lq_classes lq_enabled(const lq_graph *g, u64 v);

#endif
