/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The complete state graph, for liveness. */
#ifndef LQ_LIVE_H
#define LQ_LIVE_H

#include "runtime.h"

#define NOWHERE 0xffffffffu

typedef struct {
    u64 weak, strong;       /* bit p: a class of process p */
} lq_classes;

typedef struct {
    lq_search *s;
    const u8 *fair;         /* per edge: 0 none, 1 weak, 2 strong */
    u64 n, room;
    u64 *offset;            /* arcs of state v: offset[v] .. offset[v + 1] - 1 */
    u32 *to;
    uint16_t *edge;
    u8 *goal, *trigger;     /* bit r: of recurrence r of the current labels */
    u32 *index, *low, *stack, *call, *region;   /* per state, scratch of the algorithms */
    uint16_t *pos;
    u32 *member;            /* the fair set that was found */
    u64 members, start;     /* `start`: its nearest triggered state */
} lq_graph;

/* Adds the class of an edge. */
static inline void lq_take(const lq_graph *g, u32 edge, lq_classes *c)
{
    const u64 bit = (u64)1 << g->s->model->process_of[edge];
    if (g->fair[edge] == 1)
        c->weak |= bit;
    else if (g->fair[edge] == 2)
        c->strong |= bit;
}

lq_classes lq_enabled(const lq_graph *g, u64 v);

#endif
