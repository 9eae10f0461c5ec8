/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A short loop inside a fair set: from its start, always to the nearest thing that is still owed, then back.
 *
 * Owed to fairness so far: weak classes enabled in every visited state and not taken, strong classes enabled in some
 * visited state and not taken.  Breadth-first, arcs in the order of the model, so that the loop does not depend on how
 * states are numbered.  An empty loop stays in `start`: then nothing is owed there. */
#include <stdlib.h>
#include <string.h>

#include "live.h"

typedef struct {
    lq_graph *g;
    u32 which, stamp, inside;
    lq_classes taken, seen; /* seen.weak: enabled in all visited states; seen.strong: in some */
    i32 *move;
    u64 moves, room;
} loop;

static void visit(loop *l, u64 v)
{
    const lq_classes c = lq_enabled(l->g, v);
    l->seen.weak &= c.weak;
    l->seen.strong |= c.strong;
}

/* Appends the way to `v` that the search recorded, then `last` if it is an edge. */
static int append(loop *l, u64 from, u64 v, i32 last)
{
    lq_graph *g = l->g;
    u64 length = last >= 0;
    for (u64 u = v; u != from; u = g->node[u].low)
        length++;
    if (l->moves + length > l->room) {
        const u64 room = (l->moves + length) * 2;
        i32 *move = realloc(l->move, room * sizeof *move);
        if (!move)
            return -1;
        l->move = move;
        l->room = room;
    }
    u64 at = l->moves + length;
    l->moves = at;
    if (last >= 0) {
        l->move[--at] = last;
        lq_take(g, (u32)last, &l->taken);
    }
    for (u64 u = v; u != from; u = g->node[u].low) {
        l->move[--at] = (i32)g->call[u];
        lq_take(g, g->call[u], &l->taken);
        visit(l, u);
    }
    return 0;
}

/* Goes from *at to the nearest arc or state that pays something owed, or if nothing is, to the start. */
static int go(loop *l, u64 *at, u64 weak, u64 strong)
{
    lq_graph *g = l->g;
    u64 head = 0, tail = 0;
    l->stamp++;
    g->node[*at].index = l->stamp;
    g->stack[tail++] = (u32)*at;
    while (head < tail) {
        const u64 u = g->stack[head++];
        const lq_arc *arc = lq_arcs(g, u), *const end = arc + g->node[u].degree;
        for (; arc < end; arc++) {
            const u32 w = arc->to;
            if (w == NOWHERE || g->node[w].region != l->inside || arc->goal >> l->which & 1)
                continue;
            lq_classes c = {0, 0};
            lq_take(g, arc->edge, &c);
            if ((c.weak & weak) | (c.strong & strong)) {
                const u64 from = *at;
                *at = w;
                if (append(l, from, u, arc->edge))
                    return -1;
                visit(l, w);
                return 0;
            }
            if (g->node[w].index == l->stamp)
                continue;
            g->node[w].index = l->stamp;
            g->node[w].low = (u32)u;
            g->call[w] = arc->edge;
            if (weak & ~lq_enabled(g, w).weak || (!(weak | strong) && w == g->start)) {
                const u64 from = *at;
                *at = w;
                return append(l, from, w, -1);
            }
            g->stack[tail++] = w;
        }
    }
    return -1;
}

/* The loop of what lq_recurrence found; *moves is to be freed with lq_free.  Negative: no memory, or stopped. */
i64 lq_loop(lq_graph *g, u32 which, i32 **moves)
{
    loop l = {.g = g, .which = which, .inside = NOWHERE - 1, .seen = {~(u64)0, 0}};
    u64 at = g->start;
    *moves = NULL;
    for (u64 i = 0; i < g->n; i++)
        g->node[i].index = 0;
    for (u64 i = 0; i < g->members; i++)
        g->node[g->member[i]].region = l.inside;
    visit(&l, at);
    for (;;) {
        const u64 weak = l.seen.weak & ~l.taken.weak, strong = l.seen.strong & ~l.taken.strong;
        if (!(weak | strong) && at == g->start)
            break;
        if (go(&l, &at, weak, strong) || __atomic_load_n(&g->s->stop, __ATOMIC_RELAXED)) {
            free(l.move);
            return -1;
        }
    }
    *moves = l.move;
    return (i64)l.moves;
}

void lq_free(void *at)
{
    free(at);
}

u64 lq_start(const lq_graph *g)
{
    return g->start;
}
